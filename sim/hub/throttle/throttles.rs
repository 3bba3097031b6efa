//! The throttles of a running hub, shared by its workers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::limits::HubLimits;
use super::operation::Operation;
use super::quota::Quota;
use crate::measure::ThrottleCount;
use crate::policy::{Admission, Throttle};
use crate::time::{Nanos, WallClock};

/// What messages of the day's quota are listed as.
const DAILY: &str = "daily_messages";
const DAY_S: i64 = 86_400;

/// The throttles, the quota, and what they did. Each is a lock of its own, held for a few instructions.
#[derive(Debug)]
pub(in crate::hub) struct Throttles {
    limits: HubLimits,
    wall: WallClock,
    gates: BTreeMap<Operation, Mutex<Gate>>,
    quota: Option<Mutex<Quota>>,
    devices: AtomicU64,
}

#[derive(Debug)]
struct Gate {
    throttle: Throttle,
    admitted: u64,
    delayed: u64,
    refused: u64,
    waited: Duration,
}

impl Gate {
    fn admit(&mut self, now: Nanos, cost: u32) -> Admission {
        let admission = self.throttle.admit(now, cost);
        match admission {
            Admission::Now => self.passes_after(Duration::ZERO),
            Admission::Delay(wait) => self.passes_after(wait),
            Admission::Refuse { .. } => self.refused += 1,
        }
        admission
    }

    fn admit_patiently(&mut self, now: Nanos) -> Duration {
        let wait = self.throttle.admit_patiently(now, 1);
        self.passes_after(wait);
        wait
    }

    fn refuse_admitted(&mut self) {
        self.admitted = self.admitted.saturating_sub(1);
        self.refused += 1;
    }

    fn passes_after(&mut self, wait: Duration) {
        self.admitted += 1;
        self.delayed += u64::from(!wait.is_zero());
        self.waited = self.waited.saturating_add(wait);
    }
}

impl Throttles {
    /// The throttles of a hub with these `limits`, at the beginning.
    pub(in crate::hub) fn new(limits: HubLimits, wall: WallClock) -> Self {
        let gate = |(operation, limit): (&Operation, &_)| {
            let throttle = Throttle::new(*limit);
            (*operation, Mutex::new(Gate { throttle, admitted: 0, delayed: 0, refused: 0, waited: Duration::ZERO }))
        };
        Self {
            gates: limits.throttles.iter().map(gate).collect(),
            quota: limits.messages_per_day.map(|per_day| Mutex::new(Quota::new(per_day))),
            limits,
            wall,
            devices: AtomicU64::new(0),
        }
    }

    /// What becomes of an operation that costs so many units.
    pub(in crate::hub) fn admit(&self, now: Nanos, operation: Operation, cost: u32) -> Admission {
        self.gate(operation).map_or(Admission::Now, |mut gate| gate.admit(now, cost))
    }

    /// How long an operation waits that must not be refused: its queue may be longer than that of others. Whoever asks
    /// bounds how many wait.
    pub(in crate::hub) fn admit_patiently(&self, now: Nanos, operation: Operation) -> Duration {
        self.gate(operation).map_or(Duration::ZERO, |mut gate| gate.admit_patiently(now))
    }

    /// An operation that its throttle let through is refused after all: by a limit of how many there may be at once.
    pub(in crate::hub) fn refuse_admitted(&self, operation: Operation) {
        self.gate(operation).iter_mut().for_each(|gate| gate.refuse_admitted());
    }

    /// Whether the day's quota has room for another message; what asks and finds none is refused.
    pub(in crate::hub) fn has_quota(&self, now: Nanos) -> bool {
        self.quota.as_ref().is_none_or(|quota| lock(quota).has_room(self.day(now)))
    }

    /// Bills what `bytes` cost: one message at least.
    pub(in crate::hub) fn bill(&self, now: Nanos, bytes: usize) {
        if let Some(quota) = &self.quota {
            let messages = bytes.div_ceil(self.limits.message_bytes.max(1)).max(1);
            lock(quota).bill(self.day(now), messages as u64);
        }
    }

    /// Counts a device that is to be registered.
    ///
    /// # Errors
    /// There are as many as there may be: the number.
    pub(in crate::hub) fn add_device(&self) -> Result<(), u64> {
        let limit = self.limits.devices.unwrap_or(u64::MAX);
        let add = |count| (count < limit).then_some(count + 1);
        self.devices.try_update(Ordering::Relaxed, Ordering::Relaxed, add).map(drop).map_err(|_| limit)
    }

    /// A device is no longer registered.
    pub(in crate::hub) fn remove_device(&self) {
        self.devices.fetch_sub(1, Ordering::Relaxed);
    }

    /// Jobs that may be active at once, where the tier says so.
    pub(in crate::hub) const fn concurrent_jobs(&self) -> Option<usize> {
        self.limits.concurrent_jobs
    }

    /// What a refusal says about when to come back, if it says so.
    pub(in crate::hub) fn retry_after(&self, room_in: Duration) -> Option<Duration> {
        self.limits.retry_after.then_some(room_in)
    }

    /// What was let through, held back and refused so far.
    pub(in crate::hub) fn counts(&self) -> Vec<ThrottleCount> {
        let gates = self.gates.iter().map(|(operation, gate)| {
            let gate = lock(gate);
            ThrottleCount {
                operation: operation.name().to_owned(),
                admitted: gate.admitted,
                delayed: gate.delayed,
                refused: gate.refused,
                wait_ms_total: u64::try_from(gate.waited.as_millis()).unwrap_or(u64::MAX),
            }
        });
        let quota = self.quota.as_ref().map(|quota| {
            let (admitted, refused) = lock(quota).counts();
            ThrottleCount { operation: DAILY.to_owned(), admitted, refused, ..ThrottleCount::default() }
        });
        gates.chain(quota).collect()
    }

    fn gate(&self, operation: Operation) -> Option<MutexGuard<'_, Gate>> {
        self.gates.get(&operation).map(lock)
    }

    fn day(&self, now: Nanos) -> i64 {
        self.wall.at(now).as_second().div_euclid(DAY_S)
    }
}

/// What a lock guards is whole at any moment: a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::policy::Limit;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttles(change: impl FnOnce(&mut HubLimits)) -> Throttles {
        let limit = Limit { rate: 10.0, burst: 1.0, queue: SECOND / 10 };
        let mut limits = HubLimits {
            throttles: [(Operation::TwinRead, limit)].into(),
            messages_per_day: Some(3),
            message_bytes: 100,
            devices: Some(2),
            concurrent_jobs: None,
            retry_after: false,
        };
        change(&mut limits);
        // Two seconds before midnight.
        Throttles::new(limits, WallClock::new(Timestamp::from_second(DAY_S - 2).unwrap()))
    }

    #[test]
    fn what_happened_is_counted_and_what_has_no_limit_is_not() {
        let throttles = throttles(|_| {});
        let mut waits = Vec::new();
        for _ in 0..4 {
            waits.push(throttles.admit_patiently(Nanos::ZERO, Operation::TwinRead));
        }
        assert_eq!(waits, [Duration::ZERO, SECOND / 10, SECOND / 5, SECOND * 3 / 10], "never refused, never faster");
        assert!(matches!(throttles.admit(Nanos::ZERO, Operation::TwinRead, 1), Admission::Refuse { .. }));
        assert_eq!(throttles.admit(Nanos::ZERO, Operation::Registry, 9_999), Admission::Now);
        let counts = throttles.counts();
        assert_eq!((counts.len(), counts[0].operation.as_str()), (2, "twin_read"));
        assert_eq!((counts[0].admitted, counts[0].delayed, counts[0].refused, counts[0].wait_ms_total), (4, 3, 1, 600));
        throttles.refuse_admitted(Operation::TwinRead);
        let count = &throttles.counts()[0];
        assert_eq!((count.admitted, count.refused), (3, 2), "each is counted once");
    }

    #[test]
    fn messages_are_billed_by_size_until_the_day_is_over() {
        let throttles = throttles(|_| {});
        throttles.bill(Nanos::ZERO, 0);
        throttles.bill(Nanos::ZERO, 100);
        assert!(throttles.has_quota(Nanos::ZERO));
        throttles.bill(Nanos::ZERO, 101);
        assert!(!throttles.has_quota(Nanos::ZERO + SECOND));
        assert!(throttles.has_quota(Nanos::ZERO + 2 * SECOND), "midnight");
        let daily = &throttles.counts()[1];
        assert_eq!((daily.operation.as_str(), daily.admitted, daily.refused), ("daily_messages", 4, 1));
    }

    #[test]
    fn devices_are_counted_over_all_workers() {
        let throttles = throttles(|_| {});
        assert_eq!([(); 3].map(|()| throttles.add_device()), [Ok(()), Ok(()), Err(2)]);
        throttles.remove_device();
        assert_eq!(throttles.add_device(), Ok(()));
    }
}
