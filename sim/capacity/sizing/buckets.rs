//! How much of each operation a hub has left, as a roll-out goes on.

use std::collections::BTreeMap;

use crate::hub::{HubLimits, Operation};

/// Amounts of operations.
pub(super) type Amounts = BTreeMap<Operation, f64>;

/// The limits of a hub, each with what passes at once at present. Time is counted from the beginning of a phase.
#[derive(Debug, Clone)]
pub(super) struct Buckets(BTreeMap<Operation, Bucket>);

/// One limit. Whatever is asked of it waits for its turn, however long that is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    /// What comes in a second.
    pub(super) rate: f64,
    burst: f64,
    /// What a single operation costs.
    unit: f64,
    /// What there is at `at`; less than nothing where some wait.
    level: f64,
    at: f64,
}

impl Buckets {
    /// Those of a hub that has been silent. Without `bursts` no more passes at once than a single operation of `unit`.
    pub(super) fn new(limits: &HubLimits, bursts: bool, unit: impl Fn(Operation) -> f64) -> Self {
        let bucket = |(operation, limit): (&Operation, &crate::policy::Limit)| {
            let unit = unit(*operation);
            let burst = if bursts { limit.burst } else { unit };
            (*operation, Bucket { rate: limit.rate, burst, unit, level: burst, at: 0.0 })
        };
        Self(limits.throttles.iter().map(bucket).collect())
    }

    /// That of an operation; `None` if nothing limits it.
    pub(super) fn of(&mut self, operation: Operation) -> Option<&mut Bucket> {
        self.0.get_mut(&operation)
    }

    /// The phase ends after so many seconds.
    pub(super) fn end(&mut self, seconds: f64) {
        for bucket in self.0.values_mut() {
            bucket.level = (bucket.level + bucket.rate * (seconds - bucket.at)).min(bucket.burst);
            bucket.at = 0.0;
        }
    }
}

impl Bucket {
    /// How long the last of `amount` waits that are asked for since the last time, up to the moment `at`, which is no
    /// earlier.
    pub(super) fn ask(&mut self, at: f64, amount: f64) -> f64 {
        // Several come one after another, and what comes meanwhile is theirs.
        let most = self.burst + (amount - self.unit).max(0.0);
        self.level = (self.level + self.rate * (at - self.at).max(0.0)).min(most) - amount;
        self.at = at.max(self.at);
        (-self.level / self.rate).max(0.0)
    }

    /// How long the last of `amount` waits that are asked for evenly over so many seconds, the first at once.
    pub(super) fn ask_evenly(&mut self, seconds: f64, amount: f64) -> f64 {
        if amount <= 0.0 {
            return 0.0;
        }
        let first = self.unit.min(amount);
        let wait = self.ask(0.0, first);
        if amount > first { self.ask(seconds, amount - first) } else { wait }
    }
}
