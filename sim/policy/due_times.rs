//! When the calls of an open load are due.

use std::time::Duration;

use rand_distr::{Distribution, Exp1};

use super::{ArrivalKind, Load, Ramp};
use crate::random::{Domain, Seed, Stream};

/// Due times by rescaling time: an arrival process of unit rate, mapped through the inverse of the expected number of
/// calls by time t. So constant and Poisson arrivals share one ramp.
#[derive(Debug)]
pub(super) struct DueTimes {
    random: Stream,
    kind: Option<ArrivalKind>,
    rate: f64,
    ramp: Option<Ramp>,
    /// Gaps drawn so far, and their sum.
    drawn: u64,
    expected: f64,
}

impl DueTimes {
    /// The due times of a wave, whose load this is.
    pub(super) fn new(seed: Seed, load: &Load, wave: u32) -> Self {
        let random = seed.stream(Domain::Arrivals, u64::from(wave), 0);
        match *load {
            Load::Open { rate, arrivals, ramp } => {
                Self { random, kind: Some(arrivals), rate, ramp, drawn: 0, expected: 0.0 }
            }
            Load::Closed { .. } => Self { random, kind: None, rate: 1.0, ramp: None, drawn: 0, expected: 0.0 },
        }
    }

    /// When `update` is due; to be asked in ascending order. The gaps of the updates between, which other shards
    /// call, are drawn on the way: some nanoseconds each.
    pub(super) fn due(&mut self, update: u64) -> Duration {
        let calls = match self.kind {
            None => return Duration::ZERO,
            // The first call of a constant load is due at once, the first of a Poisson load after a gap.
            Some(ArrivalKind::Constant) => update as f64,
            Some(ArrivalKind::Poisson) => {
                while self.drawn <= update {
                    let gap: f64 = Exp1.sample(&mut self.random);
                    self.expected += gap;
                    self.drawn += 1;
                }
                self.expected
            }
        };
        Duration::from_secs_f64(self.inverse(calls))
    }

    /// The time by which `calls` calls are expected.
    fn inverse(&self, calls: f64) -> f64 {
        let Some(Ramp { from, over }) = self.ramp else {
            return calls / self.rate;
        };
        let over = over.as_secs_f64();
        let during = f64::midpoint(from, self.rate) * over;
        if calls >= during {
            return over + (calls - during) / self.rate;
        }
        // calls = from * t + slope / 2 * t^2, solved for t in the form that stays exact when the slope is small.
        let slope = (self.rate - from) / over;
        2.0 * calls / (from + (from * from + 2.0 * slope * calls).sqrt())
    }
}
