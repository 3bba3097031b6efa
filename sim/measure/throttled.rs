//! What a hub's limits did.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What became of one kind of operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleCount {
    /// The kind.
    pub operation: String,
    /// Those that went on, at once or later.
    pub admitted: u64,
    /// Those among them that had to wait.
    pub delayed: u64,
    /// Those that were refused.
    pub refused: u64,
    /// How long they waited, all together, in milliseconds.
    pub wait_ms_total: u64,
}

impl ThrottleCount {
    /// Whether anything was held back or refused.
    #[must_use]
    pub const fn is_notable(&self) -> bool {
        self.delayed > 0 || self.refused > 0
    }

    /// The counts of several hubs added up, by operation.
    #[must_use]
    pub fn merged(parts: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut sums = BTreeMap::<String, Self>::new();
        for part in parts {
            let sum = sums.entry(part.operation.clone()).or_default();
            sum.operation = part.operation;
            sum.admitted += part.admitted;
            sum.delayed += part.delayed;
            sum.refused += part.refused;
            sum.wait_ms_total += part.wait_ms_total;
        }
        sums.into_values().collect()
    }
}

impl fmt::Display for ThrottleCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, admitted, delayed, refused, wait_ms_total } = self;
        let mean = wait_ms_total.checked_div(*delayed).unwrap_or_default();
        write!(
            f,
            "{operation}: {admitted} let through, {delayed} of them after {mean} ms on average, {refused} refused"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_are_added_up_by_operation() {
        let count = |operation: &str, delayed| ThrottleCount {
            operation: operation.to_owned(),
            admitted: 10,
            delayed,
            refused: 1,
            wait_ms_total: 100 * delayed,
        };
        let sums = ThrottleCount::merged([count("twin_read", 2), count("method", 0), count("twin_read", 3)]);
        assert_eq!(sums[0], count("method", 0));
        assert_eq!((sums[1].admitted, sums[1].delayed, sums[1].refused, sums[1].wait_ms_total), (20, 5, 2, 500));
        assert_eq!(sums[1].to_string(), "twin_read: 20 let through, 5 of them after 100 ms on average, 2 refused");
    }
}
