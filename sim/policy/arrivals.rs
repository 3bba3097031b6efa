//! The arrival schedule: which update is due when, and which device it calls.

use std::time::Duration;

use rand::Rng;
use rand_distr::{Distribution, Exp1};

use super::{ArrivalKind, DeviceRange, Load, Ramp};
use crate::random::{Domain, Seed, Stream};

/// One planned update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Number of the update over the whole fleet, from 0.
    pub update: u64,
    /// Index of the device that it calls.
    pub device: u32,
    /// When the call is due, from the start of the load; zero in a closed load, which has no due times.
    pub due: Duration,
}

/// The part of the fleet's one seeded schedule that falls to a range of devices, in order of due time. Each device is
/// called once. Every shard walks the whole schedule and keeps its own part, so the schedule does not depend on how
/// the fleet is split.
#[derive(Debug)]
pub struct Arrivals {
    order: Vec<u32>,
    range: DeviceRange,
    next: usize,
    clock: DueTimes,
}

impl Arrivals {
    /// The part of `range` in the schedule for `devices` devices.
    #[must_use]
    pub fn new(seed: Seed, load: &Load, devices: u32, range: DeviceRange) -> Self {
        Self { order: call_order(seed, devices), range, next: 0, clock: DueTimes::new(seed, load) }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        while let Some(&device) = self.order.get(self.next) {
            let update = self.next as u64;
            self.next += 1;
            let due = self.clock.next();
            if self.range.contains(device) {
                return Some(Arrival { update, device, due });
            }
        }
        None
    }
}

/// A seeded shuffle of the fleet (Fisher-Yates), so that each moment's calls spread over all shards.
fn call_order(seed: Seed, devices: u32) -> Vec<u32> {
    let mut random = seed.stream(Domain::CallOrder, 0, 0);
    let mut order: Vec<u32> = (0..devices).collect();
    for last in (1..order.len()).rev() {
        // Multiply-shift: the bias is below 2^-32 for fleets of 32-bit size.
        let pick = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, pick as usize);
    }
    order
}

/// Due times by rescaling time: an arrival process of unit rate, mapped through the inverse of the expected number of
/// calls by time t. So constant and Poisson arrivals share one ramp.
#[derive(Debug)]
struct DueTimes {
    random: Stream,
    kind: Option<ArrivalKind>,
    rate: f64,
    ramp: Option<Ramp>,
    expected: f64,
}

impl DueTimes {
    fn new(seed: Seed, load: &Load) -> Self {
        let random = seed.stream(Domain::Arrivals, 0, 0);
        match *load {
            Load::Open { rate, arrivals, ramp } => Self { random, kind: Some(arrivals), rate, ramp, expected: 0.0 },
            Load::Closed { .. } => Self { random, kind: None, rate: 1.0, ramp: None, expected: 0.0 },
        }
    }

    fn next(&mut self) -> Duration {
        let due = match self.kind {
            None => 0.0,
            // The first call of a constant load is due at once, the first of a Poisson load after a gap.
            Some(ArrivalKind::Constant) => {
                let due = self.inverse(self.expected);
                self.expected += 1.0;
                due
            }
            Some(ArrivalKind::Poisson) => {
                let gap: f64 = Exp1.sample(&mut self.random);
                self.expected += gap;
                self.inverse(self.expected)
            }
        };
        Duration::from_secs_f64(due)
    }

    /// The time by which `calls` calls are expected.
    fn inverse(&self, calls: f64) -> f64 {
        let Some(Ramp { from, over }) = self.ramp else {
            return calls / self.rate;
        };
        let over = over.as_secs_f64();
        let during = f64::midpoint(from, self.rate) * over;
        if calls >= during {
            return over + (calls - during) / self.rate;
        }
        // calls = from * t + slope / 2 * t^2, solved for t in the form that stays exact when the slope is small.
        let slope = (self.rate - from) / over;
        2.0 * calls / (from + (from * from + 2.0 * slope * calls).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(rate: f64, arrivals: ArrivalKind, ramp: Option<Ramp>) -> Load {
        Load::Open { rate, arrivals, ramp }
    }

    fn all(seed: u64, load: &Load, devices: u32) -> Vec<Arrival> {
        Arrivals::new(Seed(seed), load, devices, DeviceRange { start: 0, end: devices }).collect()
    }

    #[test]
    fn a_seed_fixes_the_schedule() {
        let load = open(100.0, ArrivalKind::Poisson, None);
        assert_eq!(all(7, &load, 1000), all(7, &load, 1000));
        assert_ne!(all(7, &load, 1000), all(8, &load, 1000));
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_scatter() {
        let arrivals = all(7, &open(100.0, ArrivalKind::Poisson, None), 10_000);
        let last = arrivals.last().unwrap().due.as_secs_f64();
        assert!((97.0..103.0).contains(&last), "10,000 arrivals at 100/s took {last} s");
        let gaps: Vec<f64> = arrivals.windows(2).map(|w| (w[1].due - w[0].due).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "exponential gaps scatter by their mean");
    }

    #[test]
    fn a_ramp_climbs_linearly() {
        let ramp = Ramp { from: 10.0, over: Duration::from_secs(10) };
        let arrivals = all(7, &open(110.0, ArrivalKind::Constant, Some(ramp)), 1000);
        let in_second = |second: u64| arrivals.iter().filter(|a| a.due.as_secs() == second).count();
        assert!((14..=16).contains(&in_second(0)), "{}", in_second(0));
        assert!((64..=66).contains(&in_second(5)), "{}", in_second(5));
        assert!((109..=111).contains(&in_second(12)), "{}", in_second(12));
    }

    proptest! {
        #[test]
        fn shards_share_one_schedule(seed: u64, devices in 1..400_u32, cut in 0..400_u32) {
            let load = open(50.0, ArrivalKind::Poisson, None);
            let cut = cut.min(devices);
            let mut parts: Vec<Arrival> = Vec::new();
            for range in [DeviceRange { start: 0, end: cut }, DeviceRange { start: cut, end: devices }] {
                parts.extend(Arrivals::new(Seed(seed), &load, devices, range));
            }
            parts.sort_by_key(|arrival| arrival.update);
            let whole = all(seed, &load, devices);
            prop_assert_eq!(&parts, &whole);
            let mut called: Vec<u32> = whole.iter().map(|arrival| arrival.device).collect();
            called.sort_unstable();
            prop_assert_eq!(called, (0..devices).collect::<Vec<_>>());
        }
    }
}
