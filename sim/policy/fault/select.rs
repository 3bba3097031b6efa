//! Who is hit by a fault.

use serde::{Deserialize, Serialize};

/// Who is hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// Every device.
    All,
    /// This share of the devices, 0 to 100, each drawn on its own.
    Percent(f64),
    /// Exactly so many devices (all, if there are fewer).
    Count(u32),
    /// The devices with these indices, in ascending order.
    Ids(Vec<u32>),
    /// The devices of this wave of the roll-out, from 1.
    Wave(u32),
}
