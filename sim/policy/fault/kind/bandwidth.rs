//! A narrow way to the hub.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::Outcome;

/// The connection carries no more than so much, each way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// In bytes per second.
    pub rate: f64,
}

impl Kind for Bandwidth {
    fn name(&self) -> &'static str {
        "bandwidth"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
