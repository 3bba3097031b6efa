//! The throttle of one kind of operation: a burst passes, what follows queues at the limit's rate, and what would queue
//! for too long is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;
use crate::time::Nanos;

/// How much of something is let through.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Units per second in the long run; more than zero.
    pub rate: f64,
    /// Units that pass at once after a long silence.
    pub burst: f64,
    /// How long an operation waits at most; one that would have to wait for longer is refused. With the rate this also
    /// bounds how many wait: no more than `rate` times `queue`.
    #[serde(with = "units::duration")]
    pub queue: Duration,
}

/// What becomes of an operation; the worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admission {
    /// It goes on at once.
    Now,
    /// It goes on after this time.
    Delay(Duration),
    /// It does not; after this time the same would be let into the queue, if nothing else were.
    Refuse {
        /// From now.
        room_in: Duration,
    },
}

/// A bucket that fills at a limit's rate (GCRA). It may be overdrawn by as much as its queue holds.
#[derive(Debug, Clone)]
pub struct Throttle {
    limit: Limit,
    /// How long an empty bucket takes to be full.
    whole: Duration,
    /// When it is full if nothing more is drawn: the only thing that changes.
    full_at: Nanos,
}

impl Throttle {
    /// A full bucket.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self { limit, whole: time(limit.burst, limit.rate), full_at: Nanos::ZERO }
    }

    /// An operation of `cost` units comes at `now`. What is delayed goes on in the order in which it came; what is
    /// refused leaves no trace. An operation that costs more than burst and queue together is always refused.
    pub fn admit(&mut self, now: Nanos, cost: u32) -> Admission {
        let admission = self.foresee(now, cost);
        if !matches!(admission, Admission::Refuse { .. }) {
            self.admit_patiently(now, cost);
        }
        admission
    }

    /// What [`Throttle::admit`] would say; nothing is drawn.
    #[must_use]
    pub fn foresee(&self, now: Nanos, cost: u32) -> Admission {
        match self.drawn(now, cost).1 {
            wait if wait > self.limit.queue => Admission::Refuse { room_in: wait - self.limit.queue },
            Duration::ZERO => Admission::Now,
            wait => Admission::Delay(wait),
        }
    }

    /// How long an operation waits that must not be refused: its queue has no end, and is left at the limit's rate all
    /// the same. Whoever asks bounds how many wait.
    pub fn admit_patiently(&mut self, now: Nanos, cost: u32) -> Duration {
        let (full_at, wait) = self.drawn(now, cost);
        self.full_at = full_at;
        wait
    }

    /// Those who wait at `now` are gone: what they had drawn ahead is there again. What is saved for a burst stays as it is.
    pub fn forget_waiting(&mut self, now: Nanos) {
        self.full_at = self.full_at.min(now + self.whole);
    }

    /// When the bucket were full if `cost` more were drawn, and how long that has to be waited for.
    fn drawn(&self, now: Nanos, cost: u32) -> (Nanos, Duration) {
        let full_at = self.full_at.max(now) + time(f64::from(cost), self.limit.rate);
        (full_at, full_at.since(now).saturating_sub(self.whole))
    }
}

/// The time in which `units` come at `rate`.
fn time(units: f64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(units / rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Nanos {
        Nanos::new(millis * 1_000_000)
    }

    #[test]
    fn a_burst_passes_then_a_queue_builds_up_then_comes_refusal() {
        let mut throttle = Throttle::new(Limit { rate: 10.0, burst: 3.0, queue: SECOND / 5 });
        let mut admit = |millis| throttle.admit(at(millis), 1);
        for _ in 0..3 {
            assert_eq!(admit(0), Admission::Now);
        }
        assert_eq!(admit(0), Admission::Delay(SECOND / 10));
        assert_eq!(admit(0), Admission::Delay(SECOND / 5));
        assert_eq!(admit(0), Admission::Refuse { room_in: SECOND / 10 });
        assert_eq!(admit(50), Admission::Refuse { room_in: SECOND / 20 });
        assert_eq!(admit(100), Admission::Delay(SECOND / 5), "there was room when it said");
        assert_eq!(admit(400), Admission::Now, "all that waited have gone on");
        for _ in 0..3 {
            assert_eq!(admit(9_000), Admission::Now, "no more than a burst after a long silence");
        }
        assert_eq!(admit(9_000), Admission::Delay(SECOND / 10));
    }

    #[test]
    fn who_comes_after_those_who_wait_are_gone_does_not_wait_for_them() {
        let mut throttle = Throttle::new(Limit { rate: 10.0, burst: 3.0, queue: 60 * SECOND });
        for _ in 0..103 {
            throttle.admit(at(0), 1);
        }
        throttle.forget_waiting(at(1000));
        assert_eq!(throttle.admit(at(1000), 1), Admission::Delay(SECOND / 10), "the bucket is empty, and no emptier");
        throttle.forget_waiting(at(1100));
        assert_eq!(throttle.admit(at(1100), 1), Admission::Delay(SECOND / 10));
        throttle.forget_waiting(at(1400));
        assert_eq!(throttle.admit(at(1400), 1), Admission::Now);
        assert_eq!(throttle.admit(at(1400), 1), Admission::Now, "nothing was taken of what was saved");
        assert_eq!(throttle.admit(at(1400), 1), Admission::Delay(SECOND / 10));
    }

    #[test]
    fn costs_are_waited_for_in_proportion() {
        let mut throttle = Throttle::new(Limit { rate: 10.0, burst: 20.0, queue: SECOND });
        assert_eq!(throttle.admit(at(0), 25), Admission::Delay(SECOND / 2));
        assert_eq!(throttle.admit(at(0), 6), Admission::Refuse { room_in: SECOND / 10 });
        assert_eq!(throttle.admit(at(0), 5), Admission::Delay(SECOND));
        assert_eq!(throttle.admit(at(600_000), 31), Admission::Refuse { room_in: SECOND / 10 }, "too large for ever");
    }

    proptest! {
        #[test]
        fn who_is_patient_is_let_through_at_the_rate_however_many_wait(
            rate in 0.3..5_000.0_f64,
            burst in 1.0..500.0_f64,
            gaps in prop::collection::vec(0..50_u64, 1..500),
        ) {
            let mut throttle = Throttle::new(Limit { rate, burst, queue: Duration::from_millis(10) });
            let (mut now, mut gone) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                gone.push((at(now) + throttle.admit_patiently(at(now), 1)).as_secs_f64());
            }
            prop_assert!(gone.is_sorted(), "nobody overtakes");
            for (first, start) in gone.iter().enumerate() {
                for (count, end) in gone[first..].iter().enumerate() {
                    let allowed = burst + rate * (end - start);
                    prop_assert!(count as f64 <= allowed + 1e-2, "{count} in {start}..{end}");
                }
            }
        }

        #[test]
        fn no_window_lets_more_through_than_burst_and_rate_and_nobody_overtakes_or_waits_too_long(
            rate in 0.3..5_000.0_f64,
            burst in 1.0..500.0_f64,
            queue in 0..20_000_u64,
            arrivals in prop::collection::vec((0..2_000_u64, 1..8_u32), 1..200),
        ) {
            let limit = Limit { rate, burst, queue: Duration::from_millis(queue) };
            let mut throttle = Throttle::new(limit);
            let mut now = 0;
            let mut gone = Vec::<(f64, u32)>::new();
            for (gap, cost) in arrivals {
                now += gap;
                let before = throttle.clone();
                let wait = match throttle.admit(at(now), cost) {
                    Admission::Now => Duration::ZERO,
                    Admission::Delay(wait) => wait,
                    Admission::Refuse { room_in } => {
                        prop_assert!(!room_in.is_zero());
                        prop_assert_eq!(throttle.full_at, before.full_at, "what is refused leaves no trace");
                        let mut later = before;
                        let admission = later.admit(at(now) + room_in, cost);
                        let fits = f64::from(cost) / rate <= (burst / rate) + limit.queue.as_secs_f64();
                        prop_assert!(!fits || !matches!(admission, Admission::Refuse { .. }), "{:?}", admission);
                        continue;
                    }
                };
                prop_assert!(wait <= limit.queue);
                let when = (at(now) + wait).as_secs_f64();
                if let Some((last, _)) = gone.last() {
                    prop_assert!(*last <= when, "nobody overtakes");
                }
                gone.push((when, cost));
            }
            for (first, (start, _)) in gone.iter().enumerate() {
                let mut sum = 0.0;
                for (end, cost) in &gone[first..] {
                    sum += f64::from(*cost);
                    let allowed = burst + rate * (end - start);
                    prop_assert!(sum <= allowed.max(f64::from(gone[first].1)) + 1e-3 * sum + 8.0, "{sum} in {start}..{end}");
                }
            }
        }
    }
}
