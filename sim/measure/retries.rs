//! How often things were tried, and tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SeriesData;

/// Attempts at one kind of thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryCounts {
    /// Attempts, the first ones included.
    pub attempts: u64,
    /// How often a policy said to try again.
    pub retries: u64,
    /// How often nothing more was tried after a failure.
    pub give_ups: u64,
    /// The waits before retries, added up, in microseconds.
    pub waited_us: u64,
    /// Connections that were lost.
    pub lost: u64,
    /// Attempts that the hub refused as too much: by 429, or by CONNACK 3.
    #[serde(default)]
    pub throttled: u64,
}

/// Attempts of some stretch of time and some part of a run; they add up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetryTally {
    /// Connections, by number of the policy that the device takes.
    pub connect: BTreeMap<usize, RetryCounts>,
    /// From the loss of a connection to the next one, by number of the policy.
    pub back: BTreeMap<usize, SeriesData>,
    /// Method calls; where the hub makes them, the requests for jobs are what is tried again.
    pub method: RetryCounts,
    /// Reports.
    pub twin: RetryCounts,
}

impl RetryCounts {
    /// It is tried again after `wait`.
    pub fn retry(&mut self, wait: Duration) {
        self.retries += 1;
        self.waited_us += u64::try_from(wait.as_micros()).unwrap_or_default();
    }

    /// Adds another part's counts.
    pub const fn merge(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.retries += other.retries;
        self.give_ups += other.give_ups;
        self.waited_us += other.waited_us;
        self.lost += other.lost;
        self.throttled += other.throttled;
    }
}

impl RetryTally {
    /// Connections by policy number `cohort`, to add to.
    pub fn connect(&mut self, cohort: usize) -> &mut RetryCounts {
        self.connect.entry(cohort).or_default()
    }

    /// A device of policy number `cohort` is connected again, so long after its connection was lost.
    pub fn back(&mut self, cohort: usize, after: Duration) {
        self.back.entry(cohort).or_default().record(after);
    }

    /// Connections tried, by all policies.
    #[must_use]
    pub fn connect_attempts(&self) -> u64 {
        self.connect.values().map(|counts| counts.attempts).sum()
    }

    /// Adds another part's counts.
    pub fn merge(&mut self, other: &Self) {
        for (cohort, counts) in &other.connect {
            self.connect(*cohort).merge(*counts);
        }
        for (cohort, data) in &other.back {
            self.back.entry(*cohort).or_default().merge(data);
        }
        self.method.merge(other.method);
        self.twin.merge(other.twin);
    }
}
