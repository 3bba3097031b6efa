//! A device that does not come up again.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::Outcome;

/// Once the image is applied the device restarts again and again, connected for moments only, and then reports `failed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootLoop {
    /// How many times it comes up in vain.
    pub times: u32,
}

impl Kind for BootLoop {
    fn name(&self) -> &'static str {
        "boot_loop"
    }

    fn place(&self) -> Place {
        Place::Device
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Failed]
    }

    fn detail(&self) -> Option<String> {
        Some("rebooting/boot_failed".to_owned())
    }
}
