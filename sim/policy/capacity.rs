//! What a search for a hub's capacity is after, and how it goes about it: data alone. The search is `capacity/`.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Settle, units};

/// The load whose highest sustainable value is looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityOf {
    /// Method calls per second.
    #[default]
    Calls,
    /// Devices that stay connected while the plan's load is on them.
    Devices,
    /// Connections per second.
    ConnectRate,
}

impl CapacityOf {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Calls, Self::Devices, Self::ConnectRate];

    /// The name in profiles, on the command line and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Devices => "devices",
            Self::ConnectRate => "connect-rate",
        }
    }

    /// The same after so many: a single device is no devices.
    #[must_use]
    pub fn unit_of(self, value: f64) -> &'static str {
        match self {
            Self::Devices if (value - 1.0).abs() < 1e-9 => "device",
            _ => self.unit(),
        }
    }

    /// What its values are counted in.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Calls => "calls/s",
            Self::Devices => "devices",
            Self::ConnectRate => "connects/s",
        }
    }
}

impl fmt::Display for CapacityOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a search goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CapacityPlan {
    /// What of.
    pub of: CapacityOf,
    /// The load of the first step.
    pub start: f64,
    /// No step has more load; `None`: no step has more than the search's own bound.
    pub limit: Option<f64>,
    /// The relative width of the interval that is good enough: `high / low - 1`.
    pub precision: f64,
    /// What comes before a step is measured, in which bursts are used up.
    pub settle: Settling,
    /// How long a step is measured that is to count as confirmed.
    #[serde(with = "units::duration")]
    pub measure: Duration,
    /// How long what is unfinished is waited for after a step's last call.
    #[serde(with = "units::duration")]
    pub drain: Duration,
    /// How long the whole search may take; `None` for as long as it takes.
    #[serde(with = "units::optional_duration")]
    pub budget: Option<Duration>,
}

impl Default for CapacityPlan {
    /// That of results of versions that had no such section.
    fn default() -> Self {
        Self {
            of: CapacityOf::Calls,
            start: 10.0,
            limit: None,
            precision: 0.05,
            settle: Settling::Auto,
            measure: Duration::from_secs(20),
            drain: Duration::from_secs(30),
            budget: None,
        }
    }
}

/// What comes before a step is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settling {
    /// As long as the limits of the hub want it.
    Auto,
    /// This.
    Fixed(Settle),
}
