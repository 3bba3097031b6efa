//! A report that is missing.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{FirmwareStatus, Outcome};

/// The device goes through a stage and does not report it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skip {
    /// The report that is missing: `downloading` or `applying`.
    pub stage: FirmwareStatus,
}

impl Kind for Skip {
    fn name(&self) -> &'static str {
        "skip"
    }

    fn place(&self) -> Place {
        Place::Report
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::ProtocolViolation]
    }
}
