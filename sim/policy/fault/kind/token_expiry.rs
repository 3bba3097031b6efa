//! Tokens that end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Outcome, units};

/// The device lets its token end: the hub closes the connection, and the device comes back with a new token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenExpiry {
    /// The tokens of the devices that are hit end within so long of one another; zero: all at once.
    #[serde(with = "units::duration")]
    pub spread: Duration,
}

impl Kind for TokenExpiry {
    fn name(&self) -> &'static str {
        "token_expiry"
    }

    fn place(&self) -> Place {
        Place::Link
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
