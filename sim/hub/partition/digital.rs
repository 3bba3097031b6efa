//! A service's access to digital twins.

use serde_json::Value;

use super::refusal::{Precondition, Refusal};
use super::state::Partition;
use crate::dialect::azure::ErrorCode;
use crate::hub::twin::{DigitalError, TwinPatch, digital_patch, digital_twin, etag};
use crate::time::Nanos;

impl Partition {
    /// The digital twin of the device `id`, and its etag: the twin's.
    pub(in crate::hub) fn digital_twin(&self, id: &str) -> Result<(Value, String), Refusal> {
        let device = self.devices.named(id).ok_or_else(|| Refusal::unknown(id))?;
        let model = device.identity.details.as_ref().and_then(|details| details.model_id.as_deref());
        Ok((digital_twin(id, model, &device.twin), etag(device.twin.etag)))
    }

    /// Does what the JSON patch says to the desired properties of the device `id`, and returns the new etag.
    pub(in crate::hub) fn patch_digital_twin(
        &mut self,
        now: Nanos,
        id: &str,
        patch: &Value,
        precondition: &Precondition,
    ) -> Result<String, Refusal> {
        let device = self.devices.named(id).ok_or_else(|| Refusal::unknown(id))?;
        let desired = Some(digital_patch(patch, &device.twin)?);
        self.patch_twin(now, id, &TwinPatch { tags: None, desired }, precondition)?;
        Ok(self.devices.named(id).map(|device| etag(device.twin.etag)).unwrap_or_default())
    }
}

impl From<DigitalError> for Refusal {
    fn from(error: DigitalError) -> Self {
        let code = match error {
            DigitalError::Patch(_) => ErrorCode::InvalidDigitalTwinJsonPatch,
            DigitalError::Path(_) | DigitalError::Missing(_) => ErrorCode::InvalidDigitalTwinPatchPath,
        };
        Self::new(code, error.to_string())
    }
}
