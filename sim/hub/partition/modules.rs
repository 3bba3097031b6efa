//! Modules: identities of their own on a device (5). All else of them is as with devices.

use serde_json::{Value, json};

use super::device::{Device, split_id};
use super::refusal::{Precondition, Refusal};
use super::registry::{Registration, time};
use super::state::Partition;
use crate::dialect::azure::{ErrorCode, is_device_id};
use crate::hub::twin::etag;
use crate::time::Nanos;

/// Modules that one device may have. Newer pages name this number, older ones fewer.
const MAX_MODULES: usize = 50;

impl Partition {
    /// Registers the module `module` of `device`, or replaces its identity: as with devices, what `precondition` says
    /// decides which of both.
    pub(in crate::hub) fn put_module(
        &mut self,
        now: Nanos,
        device: &str,
        module: &str,
        new: Registration,
        precondition: &Precondition,
    ) -> Result<(), Refusal> {
        self.check_owner(device)?;
        let id = format!("{device}/{module}");
        if *precondition != Precondition::Absent {
            self.module_named(&id)?;
            return self.update(now, &id, new, precondition);
        }
        let refuse = |code, message| Err(Refusal::new(code, message));
        if !is_device_id(module) || module.starts_with('$') {
            return refuse(ErrorCode::ArgumentInvalid, format!("`{module}` is not a module id"));
        }
        if self.devices.slot(&id).is_some() {
            let message = format!("module `{module}` of device `{device}` is registered already");
            return refuse(ErrorCode::ModuleAlreadyExistsOnDevice, message);
        }
        if self.devices.modules_of(device).count() >= MAX_MODULES {
            return refuse(ErrorCode::TooManyModulesOnDevice, format!("device `{device}` has {MAX_MODULES} modules"));
        }
        self.register(now, &id, new)
    }

    /// Registers the modules that every edge device has, as far as `device` has them not: all of them or
    /// none.
    pub(super) fn register_edge_modules(&mut self, now: Nanos, device: &str) -> Result<(), Refusal> {
        let missing = ["$edgeAgent", "$edgeHub"].map(|module| format!("{device}/{module}"));
        let missing = missing.iter().filter(|id| self.devices.slot(id).is_none()).cloned().collect::<Vec<_>>();
        for (n, id) in missing.iter().enumerate() {
            if let Err(refusal) = self.register(now, id, Registration::managed_by_edge()) {
                for registered in &missing[..n] {
                    self.remove(registered);
                }
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Removes a module.
    pub(in crate::hub) fn delete_module(
        &mut self,
        device: &str,
        module: &str,
        precondition: &Precondition,
    ) -> Result<(), Refusal> {
        self.check_owner(device)?;
        let id = format!("{device}/{module}");
        precondition.check_delete(&etag(self.module_named(&id)?.identity.etag))?;
        self.remove(&id);
        Ok(())
    }

    /// The identity of a module, keys included.
    pub(in crate::hub) fn module(&self, device: &str, module: &str) -> Result<Value, Refusal> {
        self.check_owner(device)?;
        self.module_named(&format!("{device}/{module}")).map(|module| self.module_document(module))
    }

    /// The identities of all modules of `device`.
    pub(in crate::hub) fn modules(&self, device: &str) -> Result<Value, Refusal> {
        self.check_owner(device)?;
        Ok(self.devices.modules_of(device).map(|module| self.module_document(module)).collect())
    }

    /// Refuses a device that is not there or disabled, and as a hub was seen to do it: not with 404, but as if the
    /// service had no right.
    fn check_owner(&self, id: &str) -> Result<(), Refusal> {
        let refuse =
            |why| Refusal::new(ErrorCode::IotHubUnauthorizedAccess, format!("unauthorized: device `{id}` {why}"));
        match self.devices.named(id) {
            None => Err(refuse("is not registered")),
            Some(device) if !device.identity.enabled => Err(refuse("is disabled")),
            Some(_) => Ok(()),
        }
    }

    fn module_named(&self, id: &str) -> Result<&Device, Refusal> {
        let unknown = || Refusal::new(ErrorCode::ModuleNotFound, Refusal::unknown(id).message);
        self.devices.named(id).ok_or_else(unknown)
    }

    fn module_document(&self, module: &Device) -> Value {
        let identity = &module.identity;
        let (device_id, module_id) = split_id(&module.id);
        json!({
            "moduleId": module_id,
            "managedBy": identity.details.as_ref().and_then(|details| details.managed_by.as_deref()),
            "deviceId": device_id,
            "generationId": identity.generation.to_string(),
            "etag": etag(identity.etag),
            "connectionState": module.connection_state(),
            "connectionStateUpdatedTime": time(identity.connection_updated),
            "lastActivityTime": time(module.heard.map(|heard| self.wall.at(heard))),
            "cloudToDeviceMessageCount": 0,
            "authentication": self.authentication(module),
        })
    }
}
