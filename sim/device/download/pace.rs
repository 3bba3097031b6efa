//! How fast devices take what they download.

use std::cell::RefCell;
use std::time::Duration;

use crate::policy::{Limit, Throttle};
use crate::time::Nanos;

/// So long a part of a second's bytes may come at once: timers count whole milliseconds, and what one rings too late
/// must not be lost.
const BURST: Duration = Duration::from_millis(20);

/// A limit that the devices of a thread share.
#[derive(Debug)]
pub(super) struct Shared(RefCell<Throttle>);

impl Shared {
    /// So many bytes per second.
    pub(super) fn new(rate: f64) -> Self {
        Self(RefCell::new(throttle(rate)))
    }
}

/// The limits of one download.
#[derive(Debug)]
pub(super) struct Pace(Option<Throttle>);

impl Pace {
    /// So many bytes per second of its own, from `now` on.
    pub(super) fn new(rate: Option<u64>, now: Nanos) -> Self {
        Self(rate.map(|rate| {
            let mut throttle = throttle(rate as f64);
            // It begins empty, so that the whole takes no less than its size divided by the rate.
            throttle.admit_patiently(now, (rate as f64 * BURST.as_secs_f64()) as u32);
            throttle
        }))
    }

    /// How long to wait after so many bytes that came at `now`, also for the sake of others.
    pub(super) fn wait(&mut self, now: Nanos, bytes: usize, shared: Option<&Shared>) -> Duration {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let own = self.0.as_mut().map_or(Duration::ZERO, |own| own.admit_patiently(now, bytes));
        own.max(shared.map_or(Duration::ZERO, |shared| shared.0.borrow_mut().admit_patiently(now, bytes)))
    }
}

fn throttle(rate: f64) -> Throttle {
    Throttle::new(Limit { rate, burst: rate * BURST.as_secs_f64(), queue: Duration::ZERO })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_takes_its_size_divided_by_the_lower_rate() {
        let shared = Shared::new(100_000.0);
        for (n, (own, seconds)) in [(Some(50_000), 2.0), (None, 1.0), (Some(1_000_000), 1.0)].into_iter().enumerate() {
            let start = Nanos::new(10_000_000_000 * n as u64);
            let (mut pace, mut now) = (Pace::new(own, start), start);
            for _ in 0..100 {
                now = now + pace.wait(now, 1000, Some(&shared));
            }
            let took = now.since(start).as_secs_f64();
            assert!((seconds - 0.021..seconds + 0.001).contains(&took), "{own:?}: {took}");
        }
        assert_eq!(Pace::new(None, Nanos::ZERO).wait(Nanos::ZERO, 1 << 20, None), Duration::ZERO);
    }
}
