//! Reports that an update does not wait for: of another update, or after its own end.

use super::{Decision, Effect, Owner, Phase, Update};
use crate::dialect::TwinReport;
use crate::policy::FirmwareStatus;

impl Update {
    /// A report of another update. One with an id, after this update has begun and before it has ended, means that the
    /// device is at both.
    pub(super) fn other(&mut self, report: &TwinReport, effects: &mut Vec<Effect>) {
        effects.push(Effect::Decided(Decision::OtherUpdate));
        let status = report.status.as_ref().and_then(|status| status.as_ref().ok().copied());
        if let Some(stage) = self.shown.stage
            && report.update_id.is_some()
            && status != Some(FirmwareStatus::StandBy)
            && !matches!(self.phase, Phase::Ended(_))
            && !std::mem::replace(&mut self.overlapped, true)
        {
            effects.push(Effect::Decided(Decision::Overlapped(stage, status)));
        }
    }

    /// A report after the update's end, which stands.
    pub(super) fn late(&mut self, report: &TwinReport, owner: Owner, effects: &mut Vec<Effect>) {
        // A device that echoes nothing and was never told of this update is busy with something else.
        if owner == Owner::Silent && !self.may_run {
            return;
        }
        if let Some(Ok(status)) = report.status
            && status != FirmwareStatus::StandBy
            && self.shown.stage != Some(status)
        {
            if let (Some(failed @ (FirmwareStatus::Failed | FirmwareStatus::RolledBack)), FirmwareStatus::Completed) =
                (self.shown.stage, status)
            {
                effects.push(Effect::Decided(Decision::Revived(failed)));
            }
            self.shown.stage = Some(status);
            effects.extend([Effect::Decided(Decision::Late(status)), Effect::Late]);
        }
    }
}
