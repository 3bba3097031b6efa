//! A device that refuses updates.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::Outcome;

/// The device answers the method with this status and starts nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reject {
    /// The status, not 200.
    pub status: u16,
}

impl Kind for Reject {
    fn name(&self) -> &'static str {
        "reject"
    }

    fn place(&self) -> Place {
        Place::Call
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Rejected]
    }

    fn detail(&self) -> Option<String> {
        Some(self.status.to_string())
    }
}
