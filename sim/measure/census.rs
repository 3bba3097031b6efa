//! The census: every planned update ends in exactly one outcome.

use std::collections::BTreeMap;

use crate::policy::Outcome;

/// How many updates were planned, and how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Census {
    /// Updates that the schedule holds. They come from the schedule, never from counting outcomes.
    pub planned: u64,
    /// Updates by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// The detail of an outcome (`applying/checksum_mismatch`, `503`), by outcome.
    pub details: BTreeMap<Outcome, BTreeMap<String, u64>>,
}

impl Census {
    /// Counts one update's outcome, with what is known beyond its name (may be empty).
    pub fn record(&mut self, outcome: Outcome, detail: &str) {
        self.add(outcome, detail, 1);
    }

    /// Counts `count` updates of one outcome.
    pub fn add(&mut self, outcome: Outcome, detail: &str, count: u64) {
        *self.outcomes.entry(outcome).or_default() += count;
        if !detail.is_empty() {
            *self.details.entry(outcome).or_default().entry(detail.to_owned()).or_default() += count;
        }
    }

    /// Adds another census.
    pub fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        for (outcome, details) in &other.details {
            for (detail, count) in details {
                *self.details.entry(*outcome).or_default().entry(detail.clone()).or_default() += count;
            }
        }
    }

    /// How many updates ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// How many percent of the planned updates ended so; `None` if none was planned.
    #[must_use]
    pub fn percent(&self, outcome: Outcome) -> Option<f64> {
        (self.planned > 0).then(|| self.count(outcome) as f64 * 100.0 / self.planned as f64)
    }

    /// Updates that ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Planned updates without an outcome; negative if an update was counted twice. Must be 0 at the end.
    #[must_use]
    pub fn unaccounted(&self) -> i64 {
        self.planned as i64 - self.ended() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_counted_twice_shows() {
        let mut census = Census { planned: 3, ..Census::default() };
        census.record(Outcome::Completed, "");
        census.record(Outcome::Failed, "applying/boot_failed");
        assert_eq!(census.unaccounted(), 1);
        census.record(Outcome::Completed, "");
        census.record(Outcome::Completed, "");
        assert_eq!(census.unaccounted(), -1);
    }

    #[test]
    fn merging_adds_up() {
        let mut part = Census { planned: 2, ..Census::default() };
        part.record(Outcome::Rejected, "409");
        let mut whole = part.clone();
        whole.merge(&part);
        assert_eq!((whole.planned, whole.count(Outcome::Rejected), whole.unaccounted()), (4, 2, 2));
        assert_eq!(whole.details[&Outcome::Rejected]["409"], 2);
        assert_eq!(whole.percent(Outcome::Rejected), Some(50.0));
    }
}
