//! How far the retries of one thing have come.

use std::time::Duration;

use rand::Rng;

use super::{Failed, Failure, RetryPolicy};

/// The retries of one thing: a connection, a method call, a report. Small, as every device has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retrying {
    /// Failures in a row, the loss of a connection among them.
    failed: u32,
    /// The last wait, in microseconds: more than an hour has room.
    wait: u32,
    /// All waits since the first failure, in milliseconds.
    waited: u32,
    /// Whether the first failure was the loss of a connection that had held.
    lost: bool,
}

/// What a policy knows when it chooses a wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Which retry this is, from 1.
    pub(super) retry: u32,
    /// Attempts that failed, not counting the loss of a connection.
    pub(super) attempts: u32,
    /// The wait before the attempt that failed.
    pub(super) previous: Duration,
    /// How long that attempt took.
    pub(super) took: Duration,
    /// Whether it was throttled.
    pub(super) throttled: bool,
}

impl Retrying {
    /// How long to wait before the next attempt, `failed` being the latest failure; `None` to give up. Whoever was
    /// throttled waits no less than it was told to.
    pub fn next(&mut self, policy: &RetryPolicy, failed: Failed, random: &mut impl Rng) -> Option<Duration> {
        self.lost |= self.failed == 0 && failed.why == Failure::Lost;
        self.failed = self.failed.saturating_add(1);
        let attempts = self.failed - u32::from(self.lost);
        let exhausted = policy.max_attempts.is_some_and(|most| attempts >= most)
            || failed.why == Failure::Refused && !policy.refused;
        if exhausted {
            return None;
        }
        let step = Step {
            retry: self.failed,
            attempts,
            previous: Duration::from_micros(self.wait.into()),
            took: failed.took,
            throttled: failed.why == Failure::Throttled,
        };
        let own = policy.backoff.wait(&step, random)?;
        let wait = own.max(failed.retry_after.unwrap_or_default());
        // The back-off goes on from its own wait: it is not for the other side to set.
        self.wait = u32::try_from(own.as_micros()).unwrap_or(u32::MAX);
        self.waited = self.waited.saturating_add(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
        // A wait that would take it past its limit is not begun.
        policy.give_up_after.is_none_or(|most| self.waited() <= most).then_some(wait)
    }

    /// All waits since the first failure, the one included for which it was given up.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        Duration::from_millis(self.waited as u64)
    }

    /// It went well: the next failure is the first.
    pub const fn reset(&mut self) {
        *self = Self { failed: 0, wait: 0, waited: 0, lost: false };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Backoff;
    use crate::random::{Domain, Seed, Stream};

    const SECOND: Duration = Duration::from_secs(1);
    const FIXED: RetryPolicy = RetryPolicy::new(Backoff::Fixed { delay: SECOND });

    fn stream() -> Stream {
        Seed(7).stream(Domain::ConnectRetry, 0, 0)
    }

    fn waits(policy: &RetryPolicy, why: Failure) -> Vec<Duration> {
        let (mut retrying, mut random) = (Retrying::default(), stream());
        std::iter::from_fn(|| retrying.next(policy, Failed::new(why, SECOND), &mut random)).take(100).collect()
    }

    #[test]
    fn a_limit_of_attempts_ends_it() {
        let policy = RetryPolicy { max_attempts: Some(3), ..FIXED };
        assert_eq!(waits(&policy, Failure::Transient), [SECOND; 2]);
        assert!(waits(&RetryPolicy::NEVER, Failure::Transient).is_empty());
    }

    #[test]
    fn the_loss_of_a_good_connection_is_no_attempt() {
        for most in 1..4 {
            let (mut retrying, mut random) = (Retrying::default(), stream());
            let policy = RetryPolicy { max_attempts: Some(most), ..FIXED };
            let failures = std::iter::once(Failure::Lost).chain(std::iter::repeat(Failure::Transient));
            let waits = failures.map_while(|why| retrying.next(&policy, Failed::new(why, SECOND), &mut random));
            assert_eq!(waits.take(100).count(), most as usize);
        }
        assert!(waits(&RetryPolicy::NEVER, Failure::Lost).is_empty());
    }

    #[test]
    fn a_wait_that_would_exceed_the_limit_of_time_ends_it() {
        for (most, count) in [(5.0, 5), (5.9, 5), (0.9, 0)] {
            let policy = RetryPolicy { give_up_after: Some(Duration::from_secs_f64(most)), ..FIXED };
            assert_eq!(waits(&policy, Failure::Transient), vec![SECOND; count], "{most} s");
        }
    }

    #[test]
    fn what_would_be_refused_again_is_tried_again_only_if_the_policy_says_so() {
        assert!(waits(&FIXED, Failure::Refused).is_empty());
        assert_eq!(waits(&RetryPolicy { refused: true, ..FIXED }, Failure::Refused).len(), 100);
    }

    #[test]
    fn whoever_is_told_when_to_come_back_does_not_come_sooner_nor_waits_less_than_the_policy_has_it() {
        let (mut retrying, mut random) = (Retrying::default(), stream());
        for (told, waits) in [(None, 1), (Some(9 * SECOND), 9), (Some(SECOND / 2), 1)] {
            let failed = Failed { retry_after: told, ..Failed::new(Failure::Throttled, SECOND) };
            assert_eq!(retrying.next(&FIXED, failed, &mut random), Some(waits * SECOND));
        }
        assert_eq!(retrying.waited(), 11 * SECOND);
        retrying.reset();
        assert_eq!(retrying, Retrying::default());
    }

    #[test]
    fn a_device_keeps_little_of_it() {
        assert!(size_of::<Retrying>() <= 16);
    }
}
