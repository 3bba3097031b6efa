//! Two devices of one name.

use super::{Kind, Place};
use crate::policy::Outcome;

/// A second connection comes with the device's id, as often as it is thrown out; in the end the device wins.
#[derive(Debug)]
pub(super) struct DuplicateId;

impl Kind for DuplicateId {
    fn name(&self) -> &'static str {
        "duplicate_id"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
