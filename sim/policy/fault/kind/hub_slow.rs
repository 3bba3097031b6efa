//! A hub that is slow.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Outcome, units};

/// The hub answers late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubSlow {
    /// Before a method's request goes to the device.
    #[serde(with = "units::duration")]
    pub methods: Duration,
    /// Before the answer to a reported patch.
    #[serde(with = "units::duration")]
    pub twin_writes: Duration,
    /// Before the answer to who reads a twin.
    #[serde(with = "units::duration")]
    pub twin_reads: Duration,
}

impl Kind for HubSlow {
    fn name(&self) -> &'static str {
        "hub_slow"
    }

    fn place(&self) -> Place {
        Place::Hub
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
