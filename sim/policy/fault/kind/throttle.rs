//! A hub that allows little.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Limit, Outcome};

/// The operations of a hub that a throttle can hold back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottledOperation {
    /// Direct methods.
    Methods,
    /// Patches of twins.
    TwinWrites,
    /// Twins that are read.
    TwinReads,
    /// Connections of devices.
    Connects,
    /// Queries.
    Queries,
}

/// The hub lets a burst pass, then queues, then refuses with 429.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Throttled {
    /// Which operations.
    pub of: ThrottledOperation,
    /// How many of them.
    #[serde(flatten)]
    pub limit: Limit,
}

impl Kind for Throttled {
    fn name(&self) -> &'static str {
        "throttle"
    }

    fn place(&self) -> Place {
        Place::Hub
    }

    fn outcomes(&self) -> &'static [Outcome] {
        match self.of {
            ThrottledOperation::Methods => &[Outcome::Completed, Outcome::Throttled],
            // Nobody's call is refused by these.
            _ => &[Outcome::Completed],
        }
    }
}
