//! A connection that is dead and does not know it.

use super::{Kind, Place};
use crate::policy::Outcome;

/// All packets of the connection vanish, its end among them; the keep-alive finds out.
#[derive(Debug)]
pub(super) struct HalfOpen;

impl Kind for HalfOpen {
    fn name(&self) -> &'static str {
        "half_open"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
