//! A device that is gone.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{FaultStage, Outcome};

/// In this stage the device drops its connection without a word and never comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vanish {
    /// The last stage that it enters.
    pub stage: FaultStage,
}

impl Kind for Vanish {
    fn name(&self) -> &'static str {
        "vanish"
    }

    fn place(&self) -> Place {
        Place::Device
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::LostDevice]
    }

    fn detail(&self) -> Option<String> {
        Some(self.stage.shown().to_owned())
    }
}
