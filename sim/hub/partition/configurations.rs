//! Brings what configurations say into twins (5).

use super::refusal::{Precondition, Refusal};
use super::registry::Registration;
use super::row::View;
use super::state::Partition;
use crate::dialect::azure::ErrorCode;
use crate::hub::configurations::{Applied, Target};
use crate::hub::query::{Cursor, matches};
use crate::hub::twin::TwinPatch;
use crate::time::Nanos;

impl Partition {
    /// Brings `target` to those twins behind `after` that none of `above` targets too, as far as one slice of work
    /// goes: how many were targeted and how many now have it, and behind which to go on.
    pub(in crate::hub) fn configure(
        &mut self,
        now: Nanos,
        target: &Target,
        above: &[Target],
        after: Option<&Cursor>,
    ) -> (Applied, Option<Cursor>) {
        let slice = self.search(&target.plan, after, usize::MAX);
        let mut done = Applied { targeted: slice.len(), applied: 0 };
        for (cursor, _) in slice.rows() {
            let (Cursor::Id(id) | Cursor::Updated(_, id)) = cursor else { continue };
            if !self.is_outranked(id, above) && self.bring(now, id, &target.patch).is_ok() {
                done.applied += 1;
            }
        }
        (done, slice.next)
    }

    fn is_outranked(&self, id: &str, above: &[Target]) -> bool {
        let Some(device) = self.devices.named(id) else { return true };
        let view = View { device, wall: self.wall };
        let holds = |other: &Target| other.plan.condition.as_ref().is_none_or(|condition| matches(condition, &view));
        above.iter().any(holds)
    }

    /// Merges `patch` into a twin that does not say so already: who hears of a change hears of a real one.
    fn bring(&mut self, now: Nanos, id: &str, patch: &TwinPatch) -> Result<(), Refusal> {
        let device = self.devices.named(id).ok_or_else(|| Refusal::unknown(id))?;
        let (desired, at) = (&device.twin.desired, self.wall.at(now));
        let changed = patch.desired.as_ref().map(|patch| desired.merged(patch, at)).transpose()?;
        if changed.is_none_or(|changed| changed.text() == desired.text()) {
            return Ok(());
        }
        self.patch_twin(now, id, patch, &Precondition::Any).map(drop)
    }

    /// Brings each module of the edge device `id` what `modules` says, and makes those that there are not.
    pub(in crate::hub) fn configure_edge(
        &mut self,
        now: Nanos,
        id: &str,
        modules: &[(String, TwinPatch)],
    ) -> Result<(), Refusal> {
        let device = self.devices.named(id).ok_or_else(|| Refusal::unknown(id))?;
        if !device.identity.details.as_ref().is_some_and(|details| details.is_edge) {
            let message = format!("device `{id}` is not an Azure IoT Edge device");
            return Err(Refusal::new(ErrorCode::ArgumentInvalid, message));
        }
        for (module, patch) in modules {
            let module_id = format!("{id}/{module}");
            if self.devices.slot(&module_id).is_none() {
                self.put_module(now, id, module, Registration::managed_by_edge(), &Precondition::Absent)?;
            }
            self.bring(now, &module_id, patch)?;
        }
        Ok(())
    }
}
