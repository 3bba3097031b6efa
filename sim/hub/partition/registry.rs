//! The identity registry (5).

use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::credentials::{Credentials, OwnCredentials};
use super::device::{Details, Device, Identity};
use super::refusal::{Precondition, Refusal};
use super::state::{Effect, Partition};
use crate::dialect::azure::{ErrorCode, is_device_id};
use crate::hub::twin::{NEVER, Twin, TwinPatch, etag};
use crate::time::{Nanos, rfc3339};

/// What a service writes into the registry.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Registration {
    pub(in crate::hub) enabled: bool,
    pub(in crate::hub) details: Details,
    pub(in crate::hub) credentials: Credentials,
    /// What its twin begins with.
    pub(in crate::hub) twin: TwinPatch,
}

impl Default for Registration {
    fn default() -> Self {
        let (details, twin) = (Details::default(), TwinPatch::default());
        Self { enabled: true, details, credentials: Credentials::Derived, twin }
    }
}

impl Registration {
    /// A module that belongs to the runtime of an edge device.
    pub(super) fn managed_by_edge() -> Self {
        let details = Details { managed_by: Some("iotEdge".to_owned()), ..Details::default() };
        Self { details, credentials: Credentials::Own(Box::new(OwnCredentials::Nothing)), ..Self::default() }
    }

    /// As a module is registered: of a device's particulars it has its manager alone.
    pub(in crate::hub) fn of_module(self) -> Self {
        let details = Details { managed_by: self.details.managed_by, ..Details::default() };
        Self { enabled: true, details, ..self }
    }
}

/// How many devices there are, modules left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::hub) struct Counts {
    pub(in crate::hub) total: usize,
    pub(in crate::hub) disabled: usize,
    pub(in crate::hub) connected: usize,
    /// Messages to the cloud so far, those of modules and of deleted devices among them.
    pub(in crate::hub) telemetry: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            disabled: self.disabled + other.disabled,
            connected: self.connected + other.connected,
            telemetry: self.telemetry + other.telemetry,
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
        let is_edge = new.details.is_edge;
        self.register(now, id, new)?;
        if is_edge && let Err(refusal) = self.register_edge_modules(now, id) {
            // There is all of it or nothing.
            self.remove(id);
            return Err(refusal);
        }
        self.deleted.remove(id);
        Ok(())
    }

    /// Registers a device or module under an id that is free.
    pub(super) fn register(&mut self, now: Nanos, id: &str, new: Registration) -> Result<(), Refusal> {
        let at = self.wall.at(now);
        let mut twin = Twin::new(at);
        twin.merge(&new.twin, at)?;
        self.throttles.add_device().map_err(Refusal::too_many_devices)?;
        self.generation += 1;
        self.disabled += usize::from(!new.enabled);
        let identity = Identity {
            generation: self.generation,
            etag: 1,
            enabled: new.enabled,
            details: new.details.settled(id, None, at).boxed(),
            credentials: new.credentials,
            status_updated: None,
            connection_updated: None,
        };
        let (id, session, heard) = (id.into(), None, None);
        self.devices.insert(Device { id, identity, twin, session, heard, calls: 0, telemetry: 0 });
        Ok(())
    }

    /// Replaces the identity of the device or module `id`; a device that is disabled is disconnected with its modules.
    pub(in crate::hub) fn update(
        &mut self,
        now: Nanos,
        id: &str,
        new: Registration,
        precondition: &Precondition,
    ) -> Result<(), Refusal> {
        let at = self.wall.at(now);
        let device = self.devices.named(id).ok_or_else(|| Refusal::unknown(id))?;
        precondition.check(&etag(device.identity.etag))?;
        // What may fail comes before anything is changed.
        if new.details.is_edge {
            self.register_edge_modules(now, id)?;
        }
        let device = self.devices.named_mut(id).ok_or_else(|| Refusal::unknown(id))?;
        let identity = &mut device.identity;
        self.disabled = self.disabled + usize::from(!new.enabled) - usize::from(!identity.enabled);
        if identity.enabled != new.enabled {
            identity.status_updated = Some(at);
        }
        identity.etag += 1;
        identity.enabled = new.enabled;
        identity.details = new.details.settled(id, identity.details.as_deref(), at).boxed();
        identity.credentials = new.credentials;
        if !new.enabled {
            let modules = self.devices.modules_of(id);
            let connections: Vec<_> =
                self.devices.named(id).into_iter().chain(modules).filter_map(Device::connection).collect();
            for connection in connections {
                self.close(now, connection);
            }
        }
        Ok(())
    }

    /// Removes the device `id` with its modules. It cannot enrol itself again, as long as that is remembered: who
    /// deletes a device wants to be rid of it.
    pub(in crate::hub) fn delete(&mut self, id: &str, precondition: &Precondition) -> Result<(), Refusal> {
        let device = self.devices.named(id).ok_or_else(|| Refusal::unknown(id))?;
        precondition.check_delete(&etag(device.identity.etag))?;
        let modules: Vec<Arc<str>> = self.devices.modules_of(id).map(|module| Arc::clone(&module.id)).collect();
        for module in modules {
            self.remove(&module);
        }
        // One with keys of its own does not come back by enrolling itself.
        if let Some(device) = self.remove(id)
            && device.identity.credentials.may_enrol(id, &self.identity.fleet_key)
        {
            self.deleted.insert(device.id);
        }
        Ok(())
    }

    /// Removes a device or module, its twin and its session, and ends its calls.
    pub(super) fn remove(&mut self, id: &str) -> Option<Box<Device>> {
        let slot = self.devices.slot(id)?;
        let device = self.devices.get(slot)?;
        self.disabled -= usize::from(!device.identity.enabled);
        let has_calls = device.calls > 0;
        if let Some(connection) = device.connection() {
            self.connections.remove(connection);
            self.emit(Effect::Close { connection });
        }
        if has_calls {
            self.end_calls(slot, id);
        }
        self.throttles.remove_device();
        self.devices.remove(id)
    }

    /// The identity of the device `id`, keys included.
    pub(in crate::hub) fn identity(&self, id: &str) -> Result<Value, Refusal> {
        self.devices.named(id).map(|device| self.identity_document(device)).ok_or_else(|| Refusal::unknown(id))
    }

    /// The first `limit` identities by id.
    pub(in crate::hub) fn identities(&self, limit: usize) -> Vec<(String, Value)> {
        let devices = self.devices.range_by_id(Bound::Unbounded).filter(|device| !device.is_module()).take(limit);
        devices.map(|device| (device.id.to_string(), self.identity_document(device))).collect()
    }

    /// How many devices there are.
    pub(in crate::hub) fn counts(&self) -> Counts {
        let (total, disabled, connected) = (self.devices.len(), self.disabled, self.connected());
        Counts { total, disabled, connected, telemetry: self.counters.telemetry }
    }

    fn identity_document(&self, device: &Device) -> Value {
        let identity = &device.identity;
        let details = identity.details.as_deref();
        let mut document = json!({
            "deviceId": &*device.id,
            "generationId": identity.generation.to_string(),
            "etag": etag(identity.etag),
            "connectionState": device.connection_state(),
            "status": if identity.enabled { "enabled" } else { "disabled" },
            "statusReason": details.and_then(|details| details.status_reason.as_deref()),
            "connectionStateUpdatedTime": time(identity.connection_updated),
            "statusUpdatedTime": time(identity.status_updated),
            "lastActivityTime": time(device.heard.map(|heard| self.wall.at(heard))),
            "cloudToDeviceMessageCount": 0,
            "authentication": self.authentication(device),
            "capabilities": { "iotEdge": details.is_some_and(|details| details.is_edge) },
        });
        if let Some(scope) = details.and_then(|details| details.scope.as_deref()) {
            document["deviceScope"] = scope.into();
        }
        if let Some(details) = details.filter(|details| !details.parent_scopes.is_empty()) {
            document["parentScopes"] = details.parent_scopes.clone().into();
        }
        document
    }

    /// What is purged of the messages that wait for the device `id`: none ever waits here.
    pub(in crate::hub) fn purge(&self, id: &str) -> Result<Value, Refusal> {
        let device = self.devices.named(id).ok_or_else(|| Refusal::unknown(id))?;
        Ok(json!({ "deviceId": &*device.id, "moduleId": null, "totalMessagesPurged": 0 }))
    }

    /// How a device or module proves itself, keys included.
    pub(super) fn authentication(&self, device: &Device) -> Value {
        device.identity.credentials.document(&device.id, &self.identity.fleet_key)
    }
}

/// A time as identities carry it.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NEVER.to_owned(), rfc3339)
}
