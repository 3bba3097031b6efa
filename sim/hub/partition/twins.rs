//! A service's access to twins (3.4).

use bytes::Bytes;
use serde_json::{Map, Value};

use super::device::Subscriptions;
use super::refusal::{Precondition, Refusal};
use super::row::View;
use super::state::{Effect, Partition};
use crate::dialect::azure::FromHub;
use crate::hub::query::Row;
use crate::hub::twin::{TwinPatch, etag};
use crate::mqtt::{QoS, publish};
use crate::time::Nanos;

impl Partition {
    /// The twin of the device `id`.
    pub(in crate::hub) fn twin(&self, id: &str) -> Result<String, Refusal> {
        let device = self.devices.named(id).ok_or_else(|| Refusal::unknown(id))?;
        let mut out = String::with_capacity(2048);
        View { device, wall: self.wall }.write_document(&mut out);
        Ok(out)
    }

    /// Merges `patch` into the twin of the device `id`, tells the device, and returns the twin.
    pub(in crate::hub) fn patch_twin(
        &mut self,
        now: Nanos,
        id: &str,
        patch: &TwinPatch,
        precondition: &Precondition,
    ) -> Result<String, Refusal> {
        let at = self.wall.at(now);
        let device = self.devices.named_mut(id).ok_or_else(|| Refusal::unknown(id))?;
        precondition.check(&etag(device.twin.etag))?;
        device.twin.merge(patch, at)?;
        if let Some(desired) = &patch.desired {
            self.notify(now, id, desired);
        }
        self.twin(id)
    }

    /// Replaces tags and desired properties of the device `id`, tells the device, and returns the twin.
    pub(in crate::hub) fn replace_twin(
        &mut self,
        now: Nanos,
        id: &str,
        document: &TwinPatch,
        precondition: &Precondition,
    ) -> Result<String, Refusal> {
        let at = self.wall.at(now);
        let device = self.devices.named_mut(id).ok_or_else(|| Refusal::unknown(id))?;
        precondition.check(&etag(device.twin.etag))?;
        device.twin.replace(document, at)?;
        self.notify(now, id, document.desired.as_ref().unwrap_or(&Map::new()));
        self.twin(id)
    }

    /// Tells the device, if it listens, of a change of its desired properties: as the service sent it, nulls kept, and
    /// with the new version (3.1).
    fn notify(&mut self, now: Nanos, id: &str, patch: &Map<String, Value>) {
        let Some(device) = self.devices.named(id) else { return };
        let Some(connection) = device.subscribed(Subscriptions::DESIRED) else { return };
        let version = device.twin.desired.version();
        let mut body = patch.clone();
        body.insert("$version".to_owned(), version.into());
        let topic = FromHub::DesiredPatch { version }.to_string();
        let body = Bytes::from(Value::Object(body).to_string());
        self.bill(now, body.len());
        let packet = publish(topic, QoS::AtMostOnce, 0, body);
        self.emit(Effect::Send { to: connection, packet });
    }
}
