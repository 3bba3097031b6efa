//! A device that is away.

use super::{Kind, Place};
use crate::policy::Outcome;

/// The device is not connected.
#[derive(Debug)]
pub(super) struct Offline;

impl Kind for Offline {
    fn name(&self) -> &'static str {
        "offline"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::NotOnline]
    }
}
