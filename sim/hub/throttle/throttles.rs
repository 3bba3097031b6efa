//! The throttles of a running hub, shared by its workers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::gate::Gate;
use super::limits::HubLimits;
use super::operation::Operation;
use super::quota::Quota;
use crate::measure::ThrottleCount;
use crate::policy::{Admission, Limit};
use crate::time::{Nanos, WallClock};

/// What messages of the day's quota are listed as.
const DAILY: &str = "daily_messages";
const DAY_S: i64 = 86_400;

/// The throttles, the quota, and what they did. Each is a lock of its own, held for a few instructions; whoever is to
/// pass asks first whether there is any, which takes no lock.
#[derive(Debug)]
pub(in crate::hub) struct Throttles {
    /// Those of the hub's tier.
    limits: Option<HubLimits>,
    wall: WallClock,
    /// Whether anything is limited at present, by the tier or by a fault.
    in_force: AtomicBool,
    /// In the order of [`Operation::ALL`].
    gates: [Mutex<Gate>; Operation::ALL.len()],
    quota: Option<Mutex<Quota>>,
    devices: AtomicU64,
    /// What limits did that faults had put on and that are lifted.
    lifted: Mutex<Vec<ThrottleCount>>,
}

impl Throttles {
    /// The throttles of a hub with these `limits`, at the beginning; `None` while nothing is limited.
    pub(in crate::hub) fn new(limits: Option<HubLimits>, wall: WallClock) -> Self {
        let limit = |operation| limits.as_ref().and_then(|limits| limits.throttles.get(&operation));
        let gate = |operation: Operation| {
            limit(operation).map(|limit| Gate::limited(operation.name(), *limit)).unwrap_or_default()
        };
        let per_day = limits.as_ref().and_then(|limits| limits.messages_per_day);
        Self {
            in_force: AtomicBool::new(limits.is_some()),
            gates: Operation::ALL.map(|operation| Mutex::new(gate(operation))),
            quota: per_day.map(|per_day| Mutex::new(Quota::new(per_day))),
            limits,
            wall,
            devices: AtomicU64::new(0),
            lifted: Mutex::default(),
        }
    }

    /// These throttles, if anything is limited at present.
    pub(in crate::hub) fn in_force(&self) -> Option<&Self> {
        self.in_force.load(Ordering::Relaxed).then_some(self)
    }

    /// What becomes of an operation that costs so many units. Without room where it could wait it is refused if it would
    /// have to.
    pub(in crate::hub) fn admit(&self, now: Nanos, operation: Operation, cost: u32, is_room: bool) -> Admission {
        self.gate(operation).admit(now, cost, is_room)
    }

    /// How long an operation waits that must not be refused: its queue may be longer than that of others. Whoever asks
    /// bounds how many wait.
    pub(in crate::hub) fn admit_patiently(&self, now: Nanos, operation: Operation) -> Duration {
        self.gate(operation).admit_patiently(now, 1)
    }

    /// An operation that its throttle let through is refused after all: by a limit of how many there may be at once.
    pub(in crate::hub) fn refuse_admitted(&self, operation: Operation) {
        self.gate(operation).refuse_admitted();
    }

    /// The hub has gone down, and whoever waited with it. What jobs do on devices waits on, and goes on afterwards.
    pub(in crate::hub) fn forget_waiting(&self, now: Nanos) {
        for operation in Operation::ALL.into_iter().filter(|operation| *operation != Operation::JobDevice) {
            self.gate(operation).forget_waiting(now);
        }
    }

    /// The fault number `fault`, called `name`, limits `operation` from `now` on, beside the hub's tier.
    pub(in crate::hub) fn impose(&self, now: Nanos, fault: usize, name: &str, operation: Operation, limit: Limit) {
        self.gate(operation).impose(now, operation.name(), fault, name, limit);
        self.in_force.store(true, Ordering::Relaxed);
    }

    /// The limit of the fault number `fault` is gone.
    pub(in crate::hub) fn lift(&self, now: Nanos, fault: usize) {
        let counts = self.gates.iter().filter_map(|gate| lock(gate).lift(now, fault));
        lock(&self.lifted).extend(counts);
        let in_force = self.limits.is_some() || self.gates.iter().any(|gate| lock(gate).is_limited());
        self.in_force.store(in_force, Ordering::Relaxed);
    }

    /// Whether the day's quota has room for another message; what asks and finds none is refused.
    pub(in crate::hub) fn has_quota(&self, now: Nanos) -> bool {
        self.quota.as_ref().is_none_or(|quota| lock(quota).has_room(self.day(now)))
    }

    /// Bills what `bytes` cost: one message at least.
    pub(in crate::hub) fn bill(&self, now: Nanos, bytes: usize) {
        if let Some(quota) = &self.quota {
            let message_bytes = self.limits.as_ref().map_or(1, |limits| limits.message_bytes.max(1));
            let messages = bytes.div_ceil(message_bytes).max(1);
            lock(quota).bill(self.day(now), messages as u64);
        }
    }

    /// Counts a device that is to be registered.
    ///
    /// # Errors
    /// There are as many as there may be: the number.
    pub(in crate::hub) fn add_device(&self) -> Result<(), u64> {
        let limit = self.limits.as_ref().and_then(|limits| limits.devices).unwrap_or(u64::MAX);
        let add = |count| (count < limit).then_some(count + 1);
        self.devices.try_update(Ordering::Relaxed, Ordering::Relaxed, add).map(drop).map_err(|_| limit)
    }

    /// A device is no longer registered.
    pub(in crate::hub) fn remove_device(&self) {
        self.devices.fetch_sub(1, Ordering::Relaxed);
    }

    /// Jobs that may be active at once, where the tier says so.
    pub(in crate::hub) fn concurrent_jobs(&self) -> Option<usize> {
        self.limits.as_ref()?.concurrent_jobs
    }

    /// What a refusal says about when to come back, if it says so.
    pub(in crate::hub) fn retry_after(&self, room_in: Duration) -> Option<Duration> {
        self.limits.as_ref().is_some_and(|limits| limits.retry_after).then_some(room_in)
    }

    /// What was let through, held back and refused so far, by operation and by who limits it.
    pub(in crate::hub) fn counts(&self, now: Nanos) -> Vec<ThrottleCount> {
        let mut counts: Vec<ThrottleCount> =
            self.gates.iter().flat_map(|gate| lock(gate).counts(now).collect::<Vec<_>>()).collect();
        counts.extend(lock(&self.lifted).iter().cloned());
        counts.extend(self.quota.as_ref().map(|quota| {
            let (admitted, refused) = lock(quota).counts();
            ThrottleCount { operation: DAILY.to_owned(), admitted, refused, ..ThrottleCount::default() }
        }));
        counts
    }

    fn gate(&self, operation: Operation) -> MutexGuard<'_, Gate> {
        lock(&self.gates[operation as usize])
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
        Throttles::new(Some(limits), WallClock::new(Timestamp::from_second(DAY_S - 2).unwrap()))
    }

    #[test]
    fn what_happened_is_counted_and_what_has_no_limit_is_not() {
        let throttles = throttles(|_| {});
        let mut waits = Vec::new();
        for _ in 0..4 {
            waits.push(throttles.admit_patiently(Nanos::ZERO, Operation::TwinRead));
        }
        assert_eq!(waits, [Duration::ZERO, SECOND / 10, SECOND / 5, SECOND * 3 / 10], "never refused, never faster");
        assert!(matches!(throttles.admit(Nanos::ZERO, Operation::TwinRead, 1, true), Admission::Refuse { .. }));
        assert_eq!(throttles.admit(Nanos::ZERO, Operation::Registry, 9_999, true), Admission::Now);
        let counts = throttles.counts(Nanos::ZERO);
        assert_eq!((counts.len(), counts[0].operation.as_str()), (2, "twin_read"));
        assert_eq!((counts[0].admitted, counts[0].delayed, counts[0].refused, counts[0].wait_ms_total), (4, 3, 1, 600));
        throttles.refuse_admitted(Operation::TwinRead);
        let count = &throttles.counts(Nanos::ZERO)[0];
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
        let daily = &throttles.counts(Nanos::ZERO)[1];
        assert_eq!((daily.operation.as_str(), daily.admitted, daily.refused), ("daily_messages", 4, 1));
    }

    #[test]
    fn a_hub_that_went_down_has_nobody_waiting_but_its_jobs() {
        let throttles = throttles(|limits| {
            let limit = limits.throttles[&Operation::TwinRead];
            limits.throttles.insert(Operation::JobDevice, limit);
        });
        for operation in [Operation::TwinRead, Operation::JobDevice] {
            for _ in 0..10 {
                throttles.admit_patiently(Nanos::ZERO, operation);
            }
        }
        throttles.forget_waiting(Nanos::ZERO);
        let next = |operation| throttles.admit_patiently(Nanos::ZERO, operation);
        assert_eq!((next(Operation::TwinRead), next(Operation::JobDevice)), (SECOND / 10, SECOND));
    }

    #[test]
    fn devices_are_counted_over_all_workers() {
        let throttles = throttles(|_| {});
        assert_eq!([(); 3].map(|()| throttles.add_device()), [Ok(()), Ok(()), Err(2)]);
        throttles.remove_device();
        assert_eq!(throttles.add_device(), Ok(()));
    }
}
