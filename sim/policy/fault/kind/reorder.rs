//! Reports in the wrong order.

use super::{Kind, Place};
use crate::policy::Outcome;

/// The device reports `applying` where `downloading` belongs, and the other way round.
#[derive(Debug)]
pub(super) struct Reorder;

impl Kind for Reorder {
    fn name(&self) -> &'static str {
        "reorder"
    }

    fn place(&self) -> Place {
        Place::Report
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::ProtocolViolation]
    }
}
