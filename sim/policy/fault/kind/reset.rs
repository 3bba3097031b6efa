//! A connection that is torn.

use super::{Kind, Place};
use crate::policy::Outcome;

/// The connection is reset, and the device connects again.
#[derive(Debug)]
pub(super) struct Reset;

impl Kind for Reset {
    fn name(&self) -> &'static str {
        "reset"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
