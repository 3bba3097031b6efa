//! What a hub's limits did.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of one kind of operation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The name of the fault that put the limit on, and counted while it was there; `None` for a limit of
    /// the hub's own: of its tier, or given for this operation alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// How much of such a limit was made use of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<BusyThrottle>,
}

/// The whole seconds in which a limit held something back: in which more was asked for than it allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BusyThrottle {
    /// How many there were.
    pub seconds: u64,
    /// Units that the limit allowed in them: what was left of the burst, and the rate.
    pub allowed: f64,
    /// Units that went on in them.
    pub passed: f64,
}

impl BusyThrottle {
    /// What went on in percent of what was allowed; `None` if the limit held nothing back.
    #[must_use]
    pub fn goodput_pct(&self) -> Option<f64> {
        (self.allowed > 0.0).then(|| 100.0 * self.passed / self.allowed)
    }
}

impl ThrottleCount {
    /// Whether anything was held back or refused.
    #[must_use]
    pub const fn is_notable(&self) -> bool {
        self.delayed > 0 || self.refused > 0
    }

    /// The counts of several hubs added up, by operation and fault.
    #[must_use]
    pub fn merged(parts: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut sums = BTreeMap::<(String, Option<String>), Self>::new();
        for part in parts {
            let sum = sums.entry((part.operation.clone(), part.fault.clone())).or_default();
            (sum.operation, sum.fault) = (part.operation, part.fault);
            sum.admitted += part.admitted;
            sum.delayed += part.delayed;
            sum.refused += part.refused;
            sum.wait_ms_total += part.wait_ms_total;
            if let Some(busy) = part.busy {
                let whole = sum.busy.get_or_insert_default();
                whole.seconds += busy.seconds;
                whole.allowed += busy.allowed;
                whole.passed += busy.passed;
            }
        }
        sums.into_values().collect()
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
            ..ThrottleCount::default()
        };
        let sums = ThrottleCount::merged([count("twin_read", 2), count("method", 0), count("twin_read", 3)]);
        assert_eq!(sums[0], count("method", 0));
        assert_eq!((sums[1].admitted, sums[1].delayed, sums[1].refused, sums[1].wait_ms_total), (20, 5, 2, 500));
    }

    #[test]
    fn what_a_fault_limits_is_told_from_what_the_tier_does() {
        let busy = BusyThrottle { seconds: 3, allowed: 40.0, passed: 38.0 };
        let own = ThrottleCount { operation: "method".to_owned(), admitted: 7, ..ThrottleCount::default() };
        let imposed = ThrottleCount { fault: Some("tight".to_owned()), busy: Some(busy), ..own.clone() };
        let sums = ThrottleCount::merged([imposed.clone(), own.clone(), imposed]);
        assert_eq!((sums.len(), &sums[0]), (2, &own));
        let busy = sums[1].busy.unwrap();
        assert_eq!((sums[1].admitted, busy.seconds, busy.goodput_pct()), (14, 6, Some(95.0)));
        assert_eq!(BusyThrottle::default().goodput_pct(), None);
    }
}
