//! A device that is slow.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Delay, FaultStage, Outcome};

/// How much slower.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slowness {
    /// So many times the delay that was chosen.
    Factor(f64),
    /// So much longer.
    Delay(Delay),
}

/// The device takes longer than it chose for a stage, though not longer than the stage's deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    /// Where; only stages with a delay of their own: waiting, downloading, applying.
    pub stage: FaultStage,
    /// By how much.
    pub by: Slowness,
}

impl Kind for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn place(&self) -> Place {
        Place::Device
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
