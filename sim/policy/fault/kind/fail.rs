//! A device that fails, and says so.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{FaultStage, Outcome};

/// The device reports `failed` at the end of the stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fail {
    /// Where it fails.
    pub stage: FaultStage,
    /// Why, one of [`Fail::CODES`].
    pub code: String,
}

impl Kind for Fail {
    fn name(&self) -> &'static str {
        "fail"
    }

    fn place(&self) -> Place {
        Place::Device
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Failed]
    }

    fn detail(&self) -> Option<String> {
        Some(format!("{}/{}", self.stage.as_str(), self.code))
    }
}

impl Fail {
    /// The failure codes of devices, in the meanings of LwM2M's firmware update object and its relatives.
    pub const CODES: [&'static str; 12] = [
        "no_space",
        "out_of_memory",
        "connection_lost",
        "checksum_mismatch",
        "unsupported_package",
        "invalid_uri",
        "apply_failed",
        "boot_failed",
        "cancelled",
        "deferred",
        "same_version",
        "downgrade",
    ];
}
