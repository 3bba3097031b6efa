//! The load that a driver offers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// When updates start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Load {
    /// Due times come from a schedule alone: a slow hub delays no later call.
    Open {
        /// Calls per second, after the ramp.
        rate: f64,
        /// How calls are spread at that rate.
        arrivals: ArrivalKind,
        /// A linear climb to the rate before.
        ramp: Option<Ramp>,
    },
    /// A fixed number of updates in progress: the next starts when one ends.
    Closed {
        /// Updates in progress, over the whole fleet.
        in_flight: u32,
    },
}

/// How the arrivals of an open load are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArrivalKind {
    /// At equal distances.
    Constant,
    /// Independently of one another (exponential gaps).
    Poisson,
}

/// A linear climb of the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Calls per second at the start.
    #[serde(deserialize_with = "units::rate")]
    pub from: f64,
    /// How long the climb to the full rate takes.
    #[serde(with = "units::duration")]
    pub over: Duration,
}

impl Load {
    /// The full rate in calls per second; `None` in a closed load.
    #[must_use]
    pub const fn rate(&self) -> Option<f64> {
        match self {
            Self::Open { rate, .. } => Some(*rate),
            Self::Closed { .. } => None,
        }
    }

    /// The part of a closed load's `in_flight` that falls to the shard with devices `start..end` of
    /// `devices`; the parts of all shards add up to the whole.
    #[must_use]
    pub fn in_flight_share(in_flight: u32, start: u32, end: u32, devices: u32) -> u32 {
        let upto = |device: u32| u64::from(in_flight) * u64::from(device) / u64::from(devices.max(1));
        u32::try_from(upto(end) - upto(start)).unwrap_or(u32::MAX)
    }
}
