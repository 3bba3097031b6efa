//! A hub that is down.

use super::{Kind, Place};
use crate::policy::Outcome;

/// The hub closes every connection and refuses new ones; twins survive. Retries decide: a call that found the hub down, or its device still waiting to connect again, may be answered in the end.
#[derive(Debug)]
pub(super) struct HubDown;

impl Kind for HubDown {
    fn name(&self) -> &'static str {
        "hub_down"
    }

    fn place(&self) -> Place {
        Place::Hub
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed, Outcome::HubError, Outcome::NotOnline, Outcome::NoResponse]
    }
}
