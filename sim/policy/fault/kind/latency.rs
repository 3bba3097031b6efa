//! A long way to the hub.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Delay, Outcome};

/// What goes over the connection takes longer, each way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How much longer; drawn anew for each read and write, whose order is kept.
    pub delay: Delay,
}

impl Kind for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
