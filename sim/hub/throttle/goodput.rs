//! How much of a limit is made use of, while more is asked for than it allows.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::BusyThrottle;
use crate::policy::Limit;
use crate::time::Nanos;

const SECOND: Duration = Duration::from_secs(1);

/// Looks at whole seconds from the moment the limit was put on. A second counts if more was asked for in it, with what
/// waited already, than the bucket could give: what it had at its beginning, and the rate. What clients leave unused of
/// that, because all of them came at once and were sent away at once, is lost.
#[derive(Debug)]
pub(super) struct Goodput {
    limit: Limit,
    since: Nanos,
    /// The first second that is not over.
    second: u64,
    /// Units in the bucket at its beginning.
    level: f64,
    /// Units that were let into the queue before it, and go on in it or later.
    waiting: f64,
    /// That second and those after it, into which the queue reaches.
    open: BTreeMap<u64, Second>,
    busy: BusyThrottle,
}

#[derive(Debug, Default)]
struct Second {
    asked: f64,
    /// Of what was asked: let through, at once or later.
    admitted: f64,
    /// What went on in this second.
    passed: f64,
}

impl Goodput {
    /// A limit that is put on at `since`, with a full bucket.
    pub(super) fn new(limit: Limit, since: Nanos) -> Self {
        let busy = BusyThrottle::default();
        Self { limit, since, second: 0, level: limit.burst, waiting: 0.0, open: BTreeMap::new(), busy }
    }

    /// An operation of `cost` units came at `now`; `wait` if it was let through.
    pub(super) fn note(&mut self, now: Nanos, cost: u32, wait: Option<Duration>) {
        let cost = f64::from(cost);
        self.end_seconds(now);
        let second = self.open.entry(self.number(now)).or_default();
        second.asked += cost;
        if let Some(wait) = wait {
            second.admitted += cost;
            self.open.entry(self.number(now + wait)).or_default().passed += cost;
        }
    }

    /// Those who wait at `now` are gone, and will not go on.
    pub(super) fn forget_waiting(&mut self, now: Nanos) {
        self.end_seconds(now);
        self.open.retain(|second, _| *second == self.second);
        let second = self.open.entry(self.second).or_default();
        // So that nobody waits any more when it is over, but for those who come in it.
        second.admitted = second.passed - self.waiting;
    }

    /// What came of the seconds that are over at `now`.
    pub(super) fn busy(&mut self, now: Nanos) -> BusyThrottle {
        self.end_seconds(now);
        self.busy
    }

    fn number(&self, at: Nanos) -> u64 {
        at.since(self.since).as_secs()
    }

    fn end_seconds(&mut self, now: Nanos) {
        while self.second < self.number(now) {
            let Second { asked, admitted, passed } = self.open.remove(&self.second).unwrap_or_default();
            let allowed = self.level + self.limit.rate * SECOND.as_secs_f64();
            if self.waiting + asked > allowed {
                self.busy.seconds += 1;
                self.busy.allowed += allowed;
                self.busy.passed += passed;
            }
            self.level = (allowed - passed).clamp(0.0, self.limit.burst);
            self.waiting += admitted - passed;
            self.second += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Admission, Throttle};

    /// What comes of `load`, operations a second evenly spread, for ten seconds.
    fn busy(limit: Limit, load: u64) -> BusyThrottle {
        let since = Nanos::new(7_300_000_000);
        let (mut throttle, mut goodput) = (Throttle::new(limit), Goodput::new(limit, since));
        for n in 0..10 * load {
            let now = since + SECOND * u32::try_from(n).unwrap() / u32::try_from(load).unwrap();
            let wait = match throttle.admit(now, 1) {
                Admission::Now => Some(Duration::ZERO),
                Admission::Delay(wait) => Some(wait),
                Admission::Refuse { .. } => None,
            };
            goodput.note(now, 1, wait);
        }
        goodput.busy(since + 10 * SECOND)
    }

    #[test]
    fn what_is_asked_for_evenly_beyond_the_limit_is_made_use_of() {
        for queue in [Duration::ZERO, 3 * SECOND] {
            let limit = Limit { rate: 50.0, burst: 100.0, queue };
            let busy = busy(limit, 150);
            assert!(busy.seconds >= 8, "{busy:?}");
            let used = busy.goodput_pct().unwrap();
            assert!((97.0..=101.0).contains(&used), "{queue:?}: {used} {busy:?}");
        }
    }

    #[test]
    fn seconds_in_which_the_limit_is_not_reached_do_not_count() {
        let busy = busy(Limit { rate: 50.0, burst: 10.0, queue: SECOND }, 40);
        assert_eq!((busy.seconds, busy.goodput_pct()), (0, None));
    }

    #[test]
    fn those_who_are_gone_make_no_second_busy_after_them() {
        let limit = Limit { rate: 50.0, burst: 10.0, queue: 60 * SECOND };
        let (mut throttle, mut goodput) = (Throttle::new(limit), Goodput::new(limit, Nanos::ZERO));
        for _ in 0..1000 {
            let wait = throttle.admit_patiently(Nanos::ZERO, 1);
            goodput.note(Nanos::ZERO, 1, Some(wait));
        }
        assert_eq!(goodput.busy(Nanos::ZERO + 3 * SECOND).seconds, 3);
        let down = Nanos::ZERO + 3 * SECOND;
        goodput.forget_waiting(down);
        goodput.note(down + SECOND / 2, 1, Some(Duration::ZERO));
        let busy = goodput.busy(Nanos::ZERO + 9 * SECOND);
        assert_eq!(busy.seconds, 4, "in the one in which they were forgotten they were there");
        assert_eq!(goodput.waiting, 0.0);
    }

    #[test]
    fn a_crowd_that_comes_once_a_second_and_is_sent_away_leaves_room_unused() {
        let limit = Limit { rate: 50.0, burst: 10.0, queue: Duration::ZERO };
        let (mut throttle, mut goodput) = (Throttle::new(limit), Goodput::new(limit, Nanos::ZERO));
        for second in 0..10 {
            let now = Nanos::ZERO + SECOND * second;
            for _ in 0..100 {
                let passes = throttle.admit(now, 1) == Admission::Now;
                goodput.note(now, 1, passes.then_some(Duration::ZERO));
            }
        }
        let busy = goodput.busy(Nanos::ZERO + 10 * SECOND);
        assert_eq!(busy.seconds, 10);
        assert!(busy.goodput_pct().unwrap() < 30.0, "{busy:?}");
    }
}
