//! A device that stands still.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{FaultStage, Outcome};

/// The device stays connected in this stage and reports nothing more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// The last stage that it enters.
    pub stage: FaultStage,
}

impl Kind for Stall {
    fn name(&self) -> &'static str {
        "stall"
    }

    fn place(&self) -> Place {
        Place::Device
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Stuck]
    }

    fn detail(&self) -> Option<String> {
        Some(self.stage.shown().to_owned())
    }
}
