//! Retry policies: attempt and random numbers in, delay or giving up out.

use std::time::Duration;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::units;

/// When and how often something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How long to wait before the next attempt.
    pub backoff: Backoff,
    /// Attempts in all, the first included; `None` for no limit.
    pub max_attempts: Option<u32>,
}

/// How the wait grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "lowercase")]
pub enum Backoff {
    /// Never try again.
    None,
    /// The same wait every time (10 s is what the Python device SDK does).
    Fixed {
        /// The wait.
        #[serde(with = "units::duration")]
        delay: Duration,
    },
    /// Doubling from `base` to `cap`.
    Exponential {
        /// The first wait, before jitter.
        #[serde(with = "units::duration")]
        base: Duration,
        /// The longest wait.
        #[serde(with = "units::duration")]
        cap: Duration,
        /// What is random about it.
        jitter: Jitter,
    },
}

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

impl RetryPolicy {
    /// A policy that gives up after the first attempt.
    pub const NEVER: Self = Self { backoff: Backoff::None, max_attempts: None };

    /// The wait after `failed` attempts have failed (1 after the first), `previous` having been the wait before;
    /// `None` to give up.
    pub fn delay(&self, failed: u32, previous: Duration, random: &mut impl Rng) -> Option<Duration> {
        if self.max_attempts.is_some_and(|most| failed >= most) {
            return None;
        }
        match self.backoff {
            Backoff::None => None,
            Backoff::Fixed { delay } => Some(delay),
            Backoff::Exponential { base, cap, jitter } => {
                // Past 2^20 the cap holds anyway.
                let doubled = base.saturating_mul(1 << failed.saturating_sub(1).min(20)).min(cap);
                Some(match jitter {
                    Jitter::None => doubled,
                    Jitter::Full => between(Duration::ZERO, doubled, random),
                    Jitter::Equal => between(doubled / 2, doubled, random),
                    Jitter::Decorrelated => between(base, previous.saturating_mul(3).max(base), random).min(cap),
                })
            }
        }
    }
}

fn between(low: Duration, high: Duration, random: &mut impl Rng) -> Duration {
    low + high.saturating_sub(low).mul_f64(random.random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, Seed};

    const SECOND: Duration = Duration::from_secs(1);

    fn waits(backoff: Backoff, attempts: u32) -> Vec<Duration> {
        let policy = RetryPolicy { backoff, max_attempts: None };
        let mut random = Seed(7).stream(Domain::ConnectRetry, 0, 0);
        let mut previous = Duration::ZERO;
        (1..=attempts)
            .map(|failed| {
                previous = policy.delay(failed, previous, &mut random).unwrap();
                previous
            })
            .collect()
    }

    #[test]
    fn exponential_doubles_up_to_its_cap() {
        let exponential = |jitter| Backoff::Exponential { base: SECOND, cap: 10 * SECOND, jitter };
        assert_eq!(waits(exponential(Jitter::None), 6), [1, 2, 4, 8, 10, 10].map(|s| s * SECOND));
        let plain = waits(exponential(Jitter::None), 60);
        for (equal, plain) in waits(exponential(Jitter::Equal), 60).into_iter().zip(&plain) {
            assert!(*plain / 2 <= equal && equal <= *plain);
        }
        for (full, plain) in waits(exponential(Jitter::Full), 60).into_iter().zip(&plain) {
            assert!(full <= *plain);
        }
        assert!(waits(exponential(Jitter::Decorrelated), 60).iter().all(|w| SECOND <= *w && *w <= 10 * SECOND));
    }

    #[test]
    fn a_limit_of_attempts_ends_it() {
        let mut random = Seed(7).stream(Domain::ConnectRetry, 0, 0);
        let policy = RetryPolicy { backoff: Backoff::Fixed { delay: SECOND }, max_attempts: Some(3) };
        assert_eq!(policy.delay(2, SECOND, &mut random), Some(SECOND));
        assert_eq!(policy.delay(3, SECOND, &mut random), None);
        assert_eq!(RetryPolicy::NEVER.delay(1, SECOND, &mut random), None);
    }
}
