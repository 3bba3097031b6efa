//! A hub that allows little.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Limit, Outcome};

/// The operations of a hub that a throttle can hold back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

impl ThrottledOperation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Methods, Self::TwinWrites, Self::TwinReads, Self::Connects, Self::Queries];

    /// The name in profiles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Methods => "methods",
            Self::TwinWrites => "twin_writes",
            Self::TwinReads => "twin_reads",
            Self::Connects => "connects",
            Self::Queries => "queries",
        }
    }
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
