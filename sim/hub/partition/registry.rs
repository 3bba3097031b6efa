//! The identity registry (5).

use std::ops::Bound;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::device::{Device, Identity, Keys};
use super::refusal::{Precondition, Refusal};
use super::state::{Effect, Partition};
use crate::dialect::azure::{ErrorCode, is_device_id};
use crate::hub::twin::{NEVER, Twin, TwinPatch, etag};
use crate::time::{Nanos, rfc3339};

/// What a service writes into the registry.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Registration {
    pub(in crate::hub) enabled: bool,
    pub(in crate::hub) reason: Option<String>,
    pub(in crate::hub) keys: Keys,
    /// What its twin begins with.
    pub(in crate::hub) twin: TwinPatch,
}

impl Default for Registration {
    fn default() -> Self {
        Self { enabled: true, reason: None, keys: Keys::Derived, twin: TwinPatch::default() }
    }
}

/// How many devices there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::hub) struct Counts {
    pub(in crate::hub) total: usize,
    pub(in crate::hub) disabled: usize,
    pub(in crate::hub) connected: usize,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            disabled: self.disabled + other.disabled,
            connected: self.connected + other.connected,
        }
    }
}

impl Partition {
    /// Registers the device `id`.
    pub(in crate::hub) fn create(&mut self, now: Nanos, id: &str, new: Registration) -> Result<(), Refusal> {
        if !is_device_id(id) {
            return Err(Refusal::new(ErrorCode::ArgumentInvalid, format!("`{id}` is not a device id")));
        }
        if self.devices.slot(id).is_some() {
            return Err(Refusal::new(ErrorCode::DeviceAlreadyExists, format!("device `{id}` is registered already")));
        }
        let at = self.wall.at(now);
        let mut twin = Twin::new(at);
        twin.merge(&new.twin, at)?;
        self.generation += 1;
        self.disabled += usize::from(!new.enabled);
        let identity = Identity {
            generation: self.generation,
            etag: 1,
            enabled: new.enabled,
            reason: new.reason.map(Into::into),
            keys: new.keys,
            status_updated: None,
            connection_updated: None,
        };
        self.deleted.remove(id);
        self.devices.insert(Device { id: id.into(), identity, twin, session: None, heard: None, calls: 0 });
        Ok(())
    }

    /// Replaces the identity of the device `id`; one that is disabled is disconnected.
    pub(in crate::hub) fn update(
        &mut self,
        now: Nanos,
        id: &str,
        new: Registration,
        precondition: &Precondition,
    ) -> Result<(), Refusal> {
        let at = self.wall.at(now);
        let device = self.devices.named_mut(id).ok_or_else(|| Refusal::unknown(id))?;
        precondition.check(&etag(device.identity.etag))?;
        let identity = &mut device.identity;
        self.disabled = self.disabled + usize::from(!new.enabled) - usize::from(!identity.enabled);
        if identity.enabled != new.enabled {
            identity.status_updated = Some(at);
        }
        identity.etag += 1;
        identity.enabled = new.enabled;
        identity.reason = new.reason.map(Into::into);
        identity.keys = new.keys;
        if let Some(connection) = device.connection().filter(|_| !new.enabled) {
            self.close(now, connection);
        }
        Ok(())
    }

    /// Removes the device `id`, its twin and its session, and ends its calls. It cannot enrol itself again: who
    /// deletes a device wants to be rid of it.
    pub(in crate::hub) fn delete(&mut self, id: &str, precondition: &Precondition) -> Result<(), Refusal> {
        let slot = self.devices.slot(id).ok_or_else(|| Refusal::unknown(id))?;
        let device = self.devices.get(slot).ok_or_else(|| Refusal::unknown(id))?;
        if *precondition == Precondition::Absent {
            return Err(Refusal::new(ErrorCode::PreconditionFailed, "deleting a device needs the header If-Match"));
        }
        precondition.check(&etag(device.identity.etag))?;
        self.disabled -= usize::from(!device.identity.enabled);
        let device_calls = device.calls > 0;
        if let Some(connection) = device.connection() {
            self.connections.remove(connection);
            self.emit(Effect::Close { connection });
        }
        if device_calls {
            self.end_calls(slot, id);
        }
        if let Some(device) = self.devices.remove(id) {
            self.deleted.insert(device.id);
        }
        Ok(())
    }

    /// The identity of the device `id`, keys included.
    pub(in crate::hub) fn identity(&self, id: &str) -> Result<Value, Refusal> {
        self.devices.named(id).map(|device| self.identity_document(device)).ok_or_else(|| Refusal::unknown(id))
    }

    /// The first `limit` identities by id.
    pub(in crate::hub) fn identities(&self, limit: usize) -> Vec<(String, Value)> {
        let devices = self.devices.range_by_id(Bound::Unbounded).take(limit);
        devices.map(|device| (device.id.to_string(), self.identity_document(device))).collect()
    }

    /// How many devices there are.
    pub(in crate::hub) fn counts(&self) -> Counts {
        Counts { total: self.devices.len(), disabled: self.disabled, connected: self.connected() }
    }

    fn identity_document(&self, device: &Device) -> Value {
        let identity = &device.identity;
        let (primary, secondary) = identity.keys.of(&device.id, &self.identity.fleet_key);
        let time = |at: Option<Timestamp>| at.map_or_else(|| NEVER.to_owned(), rfc3339);
        json!({
            "deviceId": &*device.id,
            "generationId": identity.generation.to_string(),
            "etag": etag(identity.etag),
            "connectionState": if device.connection().is_some() { "Connected" } else { "Disconnected" },
            "status": if identity.enabled { "enabled" } else { "disabled" },
            "statusReason": identity.reason,
            "connectionStateUpdatedTime": time(identity.connection_updated),
            "statusUpdatedTime": time(identity.status_updated),
            "lastActivityTime": time(device.heard.map(|heard| self.wall.at(heard))),
            "cloudToDeviceMessageCount": 0,
            "authentication": {
                "symmetricKey": { "primaryKey": primary.to_base64(), "secondaryKey": secondary.to_base64() },
                "x509Thumbprint": { "primaryThumbprint": null, "secondaryThumbprint": null },
                "type": "sas",
            },
            "capabilities": { "iotEdge": false },
        })
    }
}
