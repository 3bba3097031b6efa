//! A report that comes twice.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{FirmwareStatus, Outcome};

/// The device sends the same report twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The report: `downloading`, `applying` or `completed`.
    pub stage: FirmwareStatus,
}

impl Kind for Duplicate {
    fn name(&self) -> &'static str {
        "duplicate"
    }

    fn place(&self) -> Place {
        Place::Report
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
