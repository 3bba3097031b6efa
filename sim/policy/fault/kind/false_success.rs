//! A device that lies about its version.

use super::{Kind, Place};
use crate::policy::Outcome;

/// The device reports `completed`, with the old version.
#[derive(Debug)]
pub(super) struct FalseSuccess;

impl Kind for FalseSuccess {
    fn name(&self) -> &'static str {
        "false_success"
    }

    fn place(&self) -> Place {
        Place::Report
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::ProtocolViolation]
    }
}
