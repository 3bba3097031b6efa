//! The waves of a roll-out: what is counted of each while it goes on, and what a result tells of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::Outcome;
use crate::time::Nanos;

/// What was counted of a wave; parts of it add up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveCount {
    /// Updates that belong to it.
    pub planned: u64,
    /// Devices really called, each once.
    pub called: u64,
    /// Updates that ended, by outcome; those that nobody called before the run was stopped are not among them.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// When the first and the last of its calls were really sent, retries not counted.
    pub sent_span: Option<(Nanos, Nanos)>,
}

impl WaveCount {
    /// Updates that ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Counts a call.
    pub fn call(&mut self, now: Nanos) {
        self.called += 1;
        self.sent_span = joined(self.sent_span, Some((now, now)));
    }

    /// Counts an update's outcome.
    pub fn end(&mut self, outcome: Outcome) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// Adds another part's counts.
    pub fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.called += other.called;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        self.sent_span = joined(self.sent_span, other.sent_span);
    }
}

/// From the earlier of two beginnings to the later of two ends.
pub(super) fn joined(one: Option<(Nanos, Nanos)>, other: Option<(Nanos, Nanos)>) -> Option<(Nanos, Nanos)> {
    match (one, other) {
        (Some((first, last)), Some((other_first, other_last))) => Some((first.min(other_first), last.max(other_last))),
        (one, other) => one.or(other),
    }
}

/// What became of a roll-out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutResult {
    /// Its waves, those that were never released too.
    pub waves: Vec<WaveResult>,
    /// Devices that were called.
    pub exposed: u64,
    /// The same in percent of the fleet.
    pub exposed_pct: f64,
    /// That it was aborted, if it was.
    pub aborted: Option<RolloutAbort>,
}

/// A wave of a roll-out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaveResult {
    /// Its number, from 1.
    pub wave: u32,
    /// Updates that were planned for it.
    pub updates: u64,
    /// From when on its devices could be called, in seconds since the run started; `None` if they never could.
    pub released_s: Option<f64>,
    /// Devices that were called.
    pub called: u64,
    /// Updates that ended; those that nobody called before the run was stopped are not among them.
    pub ended: u64,
    /// Updates that ended as they should.
    pub completed: u64,
    /// Updates that ended in what the abort criteria count as a failure; without such, in any outcome but `completed`,
    /// `not_sent`, `aborted` and `lost_shard`.
    pub failed: u64,
}

/// The end of a roll-out before its time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutAbort {
    /// When it was decided, in seconds since the run started.
    pub at_s: f64,
    /// The latest wave that had been released, from 1.
    pub wave: u32,
    /// Why.
    pub reason: String,
    /// Devices that were called all the same: between what the decision was made on and the end of all calls.
    pub overshoot: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_wave_add_up() {
        let part = |at: u64, outcome| {
            let mut count = WaveCount { planned: 2, ..WaveCount::default() };
            count.call(Nanos::new(at));
            count.end(outcome);
            count
        };
        let mut whole = part(7, Outcome::Completed);
        whole.merge(&part(3, Outcome::Failed));
        whole.merge(&WaveCount::default());
        assert_eq!((whole.planned, whole.called, whole.ended()), (4, 2, 2));
        assert_eq!(whole.sent_span, Some((Nanos::new(3), Nanos::new(7))));
    }
}
