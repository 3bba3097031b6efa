//! A device that goes back.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Delay, Outcome};

/// The device applies the new version, goes back to the old one, and reports `rolledBack`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollback {
    /// How long going back takes, once the new version was applied.
    pub delay: Delay,
}

impl Kind for Rollback {
    fn name(&self) -> &'static str {
        "rollback"
    }

    fn place(&self) -> Place {
        Place::Device
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::RolledBack]
    }
}
