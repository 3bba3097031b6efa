//! How many attempts the busiest second of a load had.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::RetryTally;

/// Attempts per second, each kind by itself: of one second, or of the one that had most.
#[derive(Debug, Default)]
pub(super) struct Peaks {
    /// Connections, by all policies together.
    pub(super) connect_all: u64,
    /// The same by number of the policy: their busiest seconds may differ.
    pub(super) connect: BTreeMap<usize, u64>,
    /// Method calls.
    pub(super) method: u64,
    /// Reports.
    pub(super) twin: u64,
}

impl Peaks {
    /// What a shard has told of so long a time. One that was held up tells of several seconds at once, and of those only
    /// the mean is known; less than a second is a part of one.
    pub(super) fn of(retries: &RetryTally, span: Duration) -> Self {
        let seconds = span.as_secs_f64().round().max(1.0);
        let per_second = |attempts: u64| (attempts as f64 / seconds).ceil() as u64;
        let connect = retries.connect.iter();
        Self {
            connect_all: per_second(retries.connect_attempts()),
            connect: connect.map(|(cohort, counts)| (*cohort, per_second(counts.attempts))).collect(),
            method: per_second(retries.method.attempts),
            twin: per_second(retries.twin.attempts),
        }
    }

    /// Adds another shard's part of the same second.
    pub(super) fn add(&mut self, part: &Self) {
        self.join(part, |sum, part| sum + part);
    }

    /// Takes in a second that is over.
    pub(super) fn raise(&mut self, second: &Self) {
        self.join(second, u64::max);
    }

    fn join(&mut self, other: &Self, with: impl Fn(u64, u64) -> u64) {
        for (cohort, attempts) in &other.connect {
            let present = self.connect.entry(*cohort).or_default();
            *present = with(*present, *attempts);
        }
        self.connect_all = with(self.connect_all, other.connect_all);
        self.method = with(self.method, other.method);
        self.twin = with(self.twin, other.twin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(attempts: u64, span: f64) -> Peaks {
        let mut retries = RetryTally::default();
        retries.connect(1).attempts = attempts;
        retries.twin.attempts = 2 * attempts;
        Peaks::of(&retries, Duration::from_secs_f64(span))
    }

    #[test]
    fn parts_of_a_second_add_up_and_seconds_do_not() {
        let mut second = told(7, 1.004);
        second.add(&told(3, 0.2));
        let mut peaks = Peaks::default();
        for second in [&told(9, 1.0), &second, &told(27, 3.0)] {
            peaks.raise(second);
        }
        assert_eq!((peaks.connect, peaks.method, peaks.twin), (BTreeMap::from([(1, 10)]), 0, 20));
    }
}
