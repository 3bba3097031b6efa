//! Doubling waits.

use std::time::Duration;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::retrying::Step;

/// How a wait is spread, so that a fleet does not come back at one moment. `full`, `equal` and `decorrelated` are
/// those of Marc Brooker, "Exponential Backoff And Jitter" (2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jitter {
    /// The computed wait itself.
    None,
    /// Anywhere from zero to the computed wait.
    Full,
    /// Anywhere in the upper half of the computed wait.
    Equal,
    /// Anywhere from `base` to three times the previous wait.
    Decorrelated,
}

/// From `base` doubling to `cap`, spread by `jitter`.
pub(super) fn wait(base: Duration, cap: Duration, jitter: Jitter, step: &Step, random: &mut impl Rng) -> Duration {
    // Past 2^20 the cap holds anyway.
    let doubled = base.saturating_mul(1 << step.retry.saturating_sub(1).min(20)).min(cap);
    match jitter {
        Jitter::None => doubled,
        Jitter::Full => between(Duration::ZERO, doubled, random),
        Jitter::Equal => between(doubled / 2, doubled, random),
        Jitter::Decorrelated => between(base, step.previous.saturating_mul(3).max(base), random).min(cap),
    }
}

/// A moment between two.
pub(super) fn between(low: Duration, high: Duration, random: &mut impl Rng) -> Duration {
    low + high.saturating_sub(low).mul_f64(random.random::<f64>())
}

/// `2^n - 1`, for as large an `n` as any cap leaves a difference.
pub(super) fn doublings(n: u32) -> u32 {
    (1 << n.min(20)) - 1
}
