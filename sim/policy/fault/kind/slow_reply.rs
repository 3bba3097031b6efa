//! A device that answers late.

use serde::{Deserialize, Serialize};

use super::{Kind, Place};
use crate::policy::{Delay, Outcome};

/// The device answers the method late, and begins then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowReply {
    /// How late.
    pub delay: Delay,
}

impl Kind for SlowReply {
    fn name(&self) -> &'static str {
        "slow_reply"
    }

    fn place(&self) -> Place {
        Place::Call
    }

    fn outcomes(&self) -> &'static [Outcome] {
        &[Outcome::Completed]
    }
}
