//! A key that does not fit.

use super::{Kind, Place};
use crate::policy::Outcome;

/// The device signs with a wrong key: it is refused and stays away.
#[derive(Debug)]
pub(super) struct WrongKey;

impl Kind for WrongKey {
    fn name(&self) -> &'static str {
        "wrong_key"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::NotOnline]
    }
}
