//! A device that does not answer.

use super::{Kind, Place};
use crate::policy::Outcome;

/// The device never answers the method.
#[derive(Debug)]
pub(super) struct NoReply;

impl Kind for NoReply {
    fn name(&self) -> &'static str {
        "no_reply"
    }

    fn place(&self) -> Place {
        Place::Call
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::NoResponse]
    }
}
