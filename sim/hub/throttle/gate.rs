//! What holds back one kind of operation: the limit of the hub's tier, those that faults have put on beside it, or none.

use std::time::Duration;

use super::goodput::Goodput;
use crate::measure::ThrottleCount;
use crate::policy::{Admission, Limit, Throttle};
use crate::time::Nanos;

/// The buckets of one kind of operation. What passes passes all of them, so the tightest holds.
#[derive(Debug, Default)]
pub(super) struct Gate {
    buckets: Vec<Bucket>,
}

/// One limit, and what it did.
#[derive(Debug)]
struct Bucket {
    throttle: Throttle,
    fault: Option<Fault>,
    count: ThrottleCount,
    waited: Duration,
}

/// The fault that has put a limit on.
#[derive(Debug)]
struct Fault {
    index: usize,
    goodput: Goodput,
}

impl Bucket {
    fn new(operation: &str, limit: Limit) -> Self {
        let count = ThrottleCount { operation: operation.to_owned(), ..ThrottleCount::default() };
        Self { throttle: Throttle::new(limit), fault: None, count, waited: Duration::ZERO }
    }

    fn is_of(&self, index: usize) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.index == index)
    }

    /// What becomes of an operation, as far as this limit is concerned.
    fn foresee(&self, now: Nanos, cost: u32, is_room: bool) -> Admission {
        match self.throttle.foresee(now, cost) {
            // There is room at the latest when it could go on.
            Admission::Delay(wait) if !is_room => Admission::Refuse { room_in: wait },
            admission => admission,
        }
    }

    /// An operation goes on `in_all` from now; this limit alone would let it wait for `wait`.
    fn passes(&mut self, now: Nanos, cost: u32, wait: Duration, in_all: Duration) {
        self.count.admitted += 1;
        self.count.delayed += u64::from(!wait.is_zero());
        self.waited = self.waited.saturating_add(wait);
        if let Some(fault) = &mut self.fault {
            fault.goodput.note(now, cost, Some(in_all));
        }
    }

    fn count(&mut self, now: Nanos) -> ThrottleCount {
        let wait_ms_total = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX);
        let busy = self.fault.as_mut().map(|fault| fault.goodput.busy(now));
        ThrottleCount { wait_ms_total, busy, ..self.count.clone() }
    }
}

impl Gate {
    /// The limit of the hub's tier.
    pub(super) fn limited(operation: &str, limit: Limit) -> Self {
        Self { buckets: vec![Bucket::new(operation, limit)] }
    }

    /// Whether anything is held back here.
    pub(super) fn is_limited(&self) -> bool {
        !self.buckets.is_empty()
    }

    /// What becomes of an operation that costs so many units, and for which there `is_room` to wait or not. What one limit
    /// refuses draws on none.
    pub(super) fn admit(&mut self, now: Nanos, cost: u32, is_room: bool) -> Admission {
        let worst = self.buckets.iter().map(|bucket| bucket.foresee(now, cost, is_room)).max();
        match worst {
            None => Admission::Now,
            Some(refusal @ Admission::Refuse { .. }) => {
                for bucket in &mut self.buckets {
                    let refuses = matches!(bucket.foresee(now, cost, is_room), Admission::Refuse { .. });
                    bucket.count.refused += u64::from(refuses);
                    if let Some(fault) = &mut bucket.fault {
                        fault.goodput.note(now, cost, None);
                    }
                }
                refusal
            }
            Some(Admission::Now | Admission::Delay(_)) => match self.admit_patiently(now, cost) {
                Duration::ZERO => Admission::Now,
                wait => Admission::Delay(wait),
            },
        }
    }

    /// How long an operation waits that must not be refused.
    pub(super) fn admit_patiently(&mut self, now: Nanos, cost: u32) -> Duration {
        let wait_at = |bucket: &Bucket| bucket.throttle.clone().admit_patiently(now, cost);
        let in_all = self.buckets.iter().map(wait_at).max().unwrap_or_default();
        for bucket in &mut self.buckets {
            let wait = bucket.throttle.admit_patiently(now, cost);
            bucket.passes(now, cost, wait, in_all);
        }
        in_all
    }

    /// An operation that was let through is refused after all, by another limit of the tier.
    pub(super) fn refuse_admitted(&mut self) {
        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.fault.is_none()) {
            bucket.count.admitted = bucket.count.admitted.saturating_sub(1);
            bucket.count.refused += 1;
        }
    }

    /// Those who wait at `now` are gone.
    pub(super) fn forget_waiting(&mut self, now: Nanos) {
        for bucket in &mut self.buckets {
            bucket.throttle.forget_waiting(now);
            if let Some(fault) = &mut bucket.fault {
                fault.goodput.forget_waiting(now);
            }
        }
    }

    /// The fault number `index`, called `name`, puts a limit on, beside those that are there.
    pub(super) fn impose(&mut self, now: Nanos, operation: &str, index: usize, name: &str, limit: Limit) {
        let mut bucket = Bucket::new(operation, limit);
        bucket.count.fault = Some(name.to_owned());
        bucket.fault = Some(Fault { index, goodput: Goodput::new(limit, now) });
        self.buckets.push(bucket);
    }

    /// The fault's limit is lifted: what it did; `None` if it has none here.
    pub(super) fn lift(&mut self, now: Nanos, index: usize) -> Option<ThrottleCount> {
        let at = self.buckets.iter().position(|bucket| bucket.is_of(index))?;
        Some(self.buckets.remove(at).count(now))
    }

    /// What its limits did so far.
    pub(super) fn counts(&mut self, now: Nanos) -> impl Iterator<Item = ThrottleCount> {
        self.buckets.iter_mut().map(move |bucket| bucket.count(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_tightest_holds_and_what_it_refuses_draws_on_none() {
        let mut gate = Gate::limited("twin_read", Limit { rate: 10.0, burst: 2.0, queue: SECOND });
        gate.impose(Nanos::ZERO, "twin_read", 3, "tight", Limit { rate: 1.0, burst: 1.0, queue: SECOND });
        assert_eq!(gate.admit(Nanos::ZERO, 1, true), Admission::Now);
        assert_eq!(gate.admit(Nanos::ZERO, 1, true), Admission::Delay(SECOND));
        assert_eq!(gate.admit(Nanos::ZERO, 1, true), Admission::Refuse { room_in: SECOND });
        let counts: Vec<ThrottleCount> = gate.counts(Nanos::ZERO).collect();
        assert_eq!((counts[0].admitted, counts[0].delayed, counts[0].refused), (2, 0, 0), "the tier refused nothing");
        assert_eq!((counts[1].admitted, counts[1].delayed, counts[1].refused), (2, 1, 1));
        assert_eq!(counts[1].fault.as_deref(), Some("tight"));
        assert_eq!(gate.lift(Nanos::ZERO, 4), None);
        let lifted = gate.lift(Nanos::ZERO + 3 * SECOND, 3).unwrap();
        assert_eq!((lifted.wait_ms_total, lifted.busy.unwrap().seconds), (1000, 1));
        // One of the tier's two was drawn on for each that passed, and none for what was refused.
        assert_eq!(gate.admit(Nanos::ZERO, 1, true), Admission::Delay(SECOND / 10));
    }

    #[test]
    fn what_finds_no_room_to_wait_is_refused_and_draws_on_none() {
        let mut gate = Gate::limited("method", Limit { rate: 10.0, burst: 1.0, queue: 60 * SECOND });
        gate.impose(Nanos::ZERO, "method", 0, "wide", Limit { rate: 10.0, burst: 9.0, queue: SECOND });
        assert_eq!(gate.admit(Nanos::ZERO, 1, false), Admission::Now, "it does not have to wait");
        for _ in 0..3 {
            assert_eq!(gate.admit(Nanos::ZERO, 1, false), Admission::Refuse { room_in: SECOND / 10 });
        }
        assert_eq!(gate.admit(Nanos::ZERO, 1, true), Admission::Delay(SECOND / 10));
        let counts: Vec<_> = gate.counts(Nanos::ZERO).map(|count| (count.admitted, count.refused)).collect();
        assert_eq!(counts, [(2, 3), (2, 0)], "the limit at which it would have had to wait refuses it");
    }

    #[test]
    fn without_a_limit_everything_passes_and_nothing_is_counted() {
        let mut gate = Gate::default();
        assert_eq!(
            (gate.admit(Nanos::ZERO, 9_999, false), gate.admit_patiently(Nanos::ZERO, 1)),
            (Admission::Now, Duration::ZERO)
        );
        assert_eq!(gate.counts(Nanos::ZERO).count(), 0);
    }
}
