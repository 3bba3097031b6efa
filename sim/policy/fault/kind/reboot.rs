//! A device that restarts in the middle.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Delay, Outcome};

/// While it applies the image the device drops its connection without a word, stays away for a while, and goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reboot {
    /// How long it is away.
    pub away: Delay,
}

impl Kind for Reboot {
    fn name(&self) -> &'static str {
        "reboot"
    }

    fn place(&self) -> Place {
        Place::Device
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
