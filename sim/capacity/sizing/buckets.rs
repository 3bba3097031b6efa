//! How much of each operation a hub has left, as a roll-out goes on.

use std::collections::BTreeMap;

use crate::hub::{HubLimits, Operation};

/// Amounts of operations.
pub(super) type Amounts = BTreeMap<Operation, f64>;

/// The limits of a hub, each with what passes at once at present.
#[derive(Debug, Clone)]
pub(super) struct Buckets(BTreeMap<Operation, Bucket>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    rate: f64,
    burst: f64,
    level: f64,
}

impl Buckets {
    /// Those of a hub that has been silent. Without `bursts` no more passes at once than a single operation of `unit`.
    pub(super) fn new(limits: &HubLimits, bursts: bool, unit: impl Fn(Operation) -> f64) -> Self {
        let bucket = |(operation, limit): (&Operation, &crate::policy::Limit)| {
            let burst = if bursts { limit.burst } else { unit(*operation) };
            (*operation, Bucket { rate: limit.rate, burst, level: burst })
        };
        Self(limits.throttles.iter().map(bucket).collect())
    }

    /// How long it is until the last of `amount` passes, if the first can come after `lead` seconds.
    pub(super) fn until_last(&self, operation: Operation, amount: f64, lead: f64) -> f64 {
        let Some(bucket) = self.0.get(&operation).filter(|_| amount > 0.0) else { return 0.0 };
        let there = (bucket.level + bucket.rate * lead).min(bucket.burst);
        lead + (amount - there).max(0.0) / bucket.rate
    }

    /// So many seconds pass, in which these amounts were drawn.
    pub(super) fn pass(&mut self, seconds: f64, drawn: &Amounts) {
        for (operation, bucket) in &mut self.0 {
            let drawn = drawn.get(operation).copied().unwrap_or_default();
            bucket.level = (bucket.level + bucket.rate * seconds - drawn).clamp(0.0, bucket.burst);
        }
    }
}
