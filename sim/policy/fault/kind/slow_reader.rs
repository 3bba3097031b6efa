//! A device that does not read.

use super::{Kind, Place};
use crate::policy::Outcome;

/// The device reads nothing for a while, so that what is sent to it piles up.
#[derive(Debug)]
pub(super) struct SlowReader;

impl Kind for SlowReader {
    fn name(&self) -> &'static str {
        "slow_reader"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
