//! Load before the load that is measured: it brings a hub into the state in which it is to be judged.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// Load before the load that is measured: its updates are called, observed and counted, apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settle {
    /// How long.
    #[serde(with = "units::duration")]
    pub over: Duration,
    /// The rate as a multiple of the load's own: what is above the hub's limit uses up what it has saved for bursts.
    pub factor: f64,
    /// How long nothing is called then, so that what has queued up gets through.
    #[serde(with = "units::duration")]
    pub pause: Duration,
}

impl Settle {
    /// Its calls before a load of `rate`, at equal distances whatever the load's own are.
    #[must_use]
    pub fn calls(&self, rate: f64) -> u64 {
        (self.rate(rate) * self.over.as_secs_f64()).round() as u64
    }

    /// The rate of these calls.
    #[must_use]
    pub fn rate(&self, rate: f64) -> f64 {
        rate * self.factor
    }

    /// When the connection of this number starts, from 0: as many as it has calls come first, then others at `rate`.
    #[must_use]
    pub fn starts(&self, number: u64, rate: f64) -> Duration {
        let calls = self.calls(rate);
        let after = match number.checked_sub(calls) {
            Some(measured) => self.lead().as_secs_f64() + measured as f64 / rate,
            None => number as f64 / self.rate(rate),
        };
        Duration::try_from_secs_f64(after).unwrap_or(Duration::MAX)
    }

    /// From the start of the load to the start of what is measured.
    #[must_use]
    pub fn lead(&self) -> Duration {
        self.over + self.pause
    }
}
