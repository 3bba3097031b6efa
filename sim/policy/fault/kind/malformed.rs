//! A report that is broken.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{FirmwareStatus, Outcome};

/// What is wrong with a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Malformation {
    /// It is no JSON: the hub answers 400.
    BadJson,
    /// `firmwareStatus` is no text: the hub takes it, and nobody can read it.
    WrongType,
    /// It is larger than 32 KB: the hub answers 400.
    TooLarge,
}

/// The device sends a report that the hub refuses, or that says nothing readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Malformed {
    /// The report: `downloading` or `applying`.
    pub stage: FirmwareStatus,
    /// What is wrong with it.
    pub form: Malformation,
}

impl Kind for Malformed {
    fn name(&self) -> &'static str {
        "malformed"
    }

    fn place(&self) -> Place {
        Place::Report
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::ProtocolViolation]
    }
}
