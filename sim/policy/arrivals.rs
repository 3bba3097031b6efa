//! The arrival schedule: which update is due when, and which device it calls.

use std::ops::Range;
use std::time::Duration;

use rand::Rng;

use super::due_times::DueTimes;
use super::{DeviceRange, Load, Rollout, Settle};
use crate::random::{Domain, Seed};

/// One planned update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Number of the update over the whole fleet, from 0.
    pub update: u64,
    /// Index of the device that it calls.
    pub device: u32,
    /// The wave of the roll-out that it belongs to, from 0; 0 without a roll-out.
    pub wave: u32,
    /// When the call is due, from the release of its wave (that of the first is the start of the load); zero in a closed
    /// load, which has no due times.
    pub due: Duration,
}

/// The part of the fleet's one seeded schedule that falls to a range of devices, in order of due time. The fleet is
/// called in a seeded order, again and again in the same one where there are more updates than devices. Every shard
/// walks the whole schedule and keeps its own part, so the schedule does not depend on how the fleet is split.
#[derive(Debug)]
pub struct Arrivals {
    /// Devices of the range with their places in the call order, as far as anybody is called there; by place.
    own: Vec<(u32, u32)>,
    devices: u32,
    updates: u64,
    /// Whose turn is next, and in which round over the fleet.
    turn: usize,
    round: u64,
    clock: DueTimes,
    settling: Settling,
    waves: Option<Box<Waves>>,
}

/// The updates that come before those that are measured.
#[derive(Debug, Clone, Copy, Default)]
struct Settling {
    calls: u64,
    rate: f64,
    lead: Duration,
}

/// Where a schedule is in its roll-out. Due times begin anew with each wave.
#[derive(Debug)]
struct Waves {
    rollout: Rollout,
    seed: Seed,
    load: Load,
    wave: u32,
    places: Range<u64>,
}

impl Arrivals {
    /// The part of `range` in the schedule of `updates` updates of `devices` devices.
    #[must_use]
    pub fn new(seed: Seed, load: &Load, devices: u32, updates: u64, range: DeviceRange) -> Self {
        let own = if range.is_empty() { Vec::new() } else { own_places(seed, devices, updates, range) };
        let (clock, settling) = (DueTimes::new(seed, load, 0), Settling::default());
        Self { own, devices, updates, turn: 0, round: 0, clock, settling, waves: None }
    }

    /// The same schedule of which the first updates come before `load`, to settle. Not for a roll-out or a closed load.
    #[must_use]
    pub fn settled_by(mut self, load: &Load, settle: Option<&Settle>) -> Self {
        if let (Some(settle), Some(rate)) = (settle, load.rate()) {
            let calls = settle.calls(rate).min(self.updates);
            self.settling = Settling { calls, rate: settle.rate(rate), lead: settle.lead() };
        }
        self
    }

    /// The same schedule in waves, each with due times of its own. A roll-out has no more updates than there are devices:
    /// nobody is called twice.
    #[must_use]
    pub fn in_waves(mut self, seed: Seed, load: &Load, rollout: Option<&Rollout>) -> Self {
        self.waves = rollout.map(|rollout| {
            let (rollout, load) = (rollout.clone(), *load);
            Box::new(Waves { wave: 0, places: rollout.places(0), rollout, seed, load })
        });
        self
    }

    /// How many updates there are in each wave of this part; nothing without a roll-out.
    #[must_use]
    pub fn planned_by_wave(&self) -> Vec<u64> {
        let Some(waves) = &self.waves else { return Vec::new() };
        let mut planned = vec![0; waves.rollout.waves.len()];
        for (place, _) in &self.own {
            if let Some(count) = planned.get_mut(waves.rollout.wave_of(u64::from(*place)) as usize) {
                *count += 1;
            }
        }
        planned
    }

    /// How many updates there are in this part, those to settle among them.
    #[must_use]
    pub fn planned(&self) -> u64 {
        self.among(self.updates)
    }

    /// How many of this part's updates are there to settle.
    #[must_use]
    pub fn settling(&self) -> u64 {
        self.among(self.settling.calls)
    }

    /// Updates with numbers below this one are there to settle, in every part.
    #[must_use]
    pub const fn first_measured(&self) -> u64 {
        self.settling.calls
    }

    /// How many of the schedule's first `updates` are in this part.
    fn among(&self, updates: u64) -> u64 {
        let devices = u64::from(self.devices.max(1));
        let (rounds, rest) = (updates / devices, updates % devices);
        self.own.iter().map(|&(place, _)| rounds + u64::from(u64::from(place) < rest)).sum()
    }

    /// When each update of the whole schedule is due, in order, if it is no roll-out; all at once in a closed load.
    pub fn due_times(seed: Seed, load: &Load, updates: u64) -> impl Iterator<Item = Duration> + use<> {
        let mut clock = DueTimes::new(seed, load, 0);
        (0..updates).map(move |update| clock.due(update))
    }

    /// When the first and the last update of each wave are due, from its release; without a roll-out there is one wave.
    /// Nothing in a closed load.
    #[must_use]
    pub fn spans(seed: Seed, load: &Load, updates: u64, rollout: Option<&Rollout>) -> Vec<(Duration, Duration)> {
        if load.rate().is_none() {
            return Vec::new();
        }
        let span = |load: &Load, wave, updates: u64| {
            let mut clock = DueTimes::new(seed, load, wave);
            updates.checked_sub(1).map(|last| (clock.due(0), clock.due(last)))
        };
        let Some(rollout) = rollout else { return span(load, 0, updates).into_iter().collect() };
        let of = |wave| {
            let places = rollout.places(wave);
            span(&rollout.load(load, wave), wave, places.end - places.start)
        };
        (0..rollout.len()).filter_map(of).collect()
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if self.turn == self.own.len() {
            (self.turn, self.round) = (0, self.round + 1);
        }
        let &(place, device) = self.own.get(self.turn)?;
        let update = self.round * u64::from(self.devices) + u64::from(place);
        if update >= self.updates {
            return None;
        }
        self.turn += 1;
        let Some(waves) = &mut self.waves else {
            let Settling { calls, rate, lead } = self.settling;
            let due = match update.checked_sub(calls) {
                Some(measured) => lead + self.clock.due(measured),
                None => Duration::from_secs_f64(update as f64 / rate),
            };
            return Some(Arrival { update, device, wave: 0, due });
        };
        if let Some(clock) = waves.enter(update) {
            self.clock = clock;
        }
        Some(Arrival { update, device, wave: waves.wave, due: self.clock.due(update - waves.places.start) })
    }
}

impl Waves {
    /// Goes on to the wave of the place `update`; the due times of that wave where it is another one.
    fn enter(&mut self, update: u64) -> Option<DueTimes> {
        if self.places.contains(&update) {
            return None;
        }
        self.wave = self.rollout.wave_of(update);
        self.places = self.rollout.places(self.wave);
        Some(DueTimes::new(self.seed, &self.rollout.load(&self.load, self.wave), self.wave))
    }
}

/// The devices of `range` that are called at all, with their places in the call order. The order of the whole fleet,
/// four bytes a device, is needed for no longer than this.
fn own_places(seed: Seed, devices: u32, updates: u64, range: DeviceRange) -> Vec<(u32, u32)> {
    let order = call_order(seed, devices);
    let called = usize::try_from(updates).unwrap_or(usize::MAX);
    let places = order.into_iter().take(called).enumerate();
    let mut own: Vec<(u32, u32)> =
        places.filter(|(_, device)| range.contains(*device)).map(|(place, device)| (place as u32, device)).collect();
    own.shrink_to_fit();
    own
}

/// A seeded shuffle of the fleet (Fisher-Yates), so that each moment's calls spread over all shards.
pub(super) fn call_order(seed: Seed, devices: u32) -> Vec<u32> {
    let mut random = seed.stream(Domain::CallOrder, 0, 0);
    let mut order: Vec<u32> = (0..devices).collect();
    for last in (1..order.len()).rev() {
        // Multiply-shift: the bias is below 2^-32 for fleets of 32-bit size.
        let pick = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, pick as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::{ArrivalKind, Ramp};
    use super::*;
    use proptest::prelude::*;

    fn open(rate: f64, arrivals: ArrivalKind, ramp: Option<Ramp>) -> Load {
        Load::Open { rate, arrivals, ramp }
    }

    fn all(seed: u64, load: &Load, devices: u32) -> Vec<Arrival> {
        some(seed, load, devices, u64::from(devices))
    }

    fn some(seed: u64, load: &Load, devices: u32, updates: u64) -> Vec<Arrival> {
        Arrivals::new(Seed(seed), load, devices, updates, DeviceRange { start: 0, end: devices }).collect()
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

    #[test]
    fn the_span_is_that_of_the_first_and_the_last_call() {
        for kind in [ArrivalKind::Constant, ArrivalKind::Poisson] {
            let load = open(100.0, kind, None);
            let schedule = some(7, &load, 10, 35);
            let ends = (schedule[0].due, schedule[34].due);
            assert_eq!(Arrivals::spans(Seed(7), &load, 35, None), [ends]);
            assert!(Arrivals::due_times(Seed(7), &load, 35).eq(schedule.iter().map(|arrival| arrival.due)));
        }
        assert_eq!(Arrivals::spans(Seed(7), &Load::Closed { in_flight: 3 }, 35, None), []);
    }

    #[test]
    fn what_settles_comes_first_and_moves_the_load_as_a_whole() {
        let settle = Settle { over: Duration::from_secs(3), factor: 2.0, pause: Duration::from_secs(1) };
        for kind in [ArrivalKind::Constant, ArrivalKind::Poisson] {
            let load = open(10.0, kind, None);
            let part = |start, end, settle: Option<&Settle>, updates| {
                Arrivals::new(Seed(7), &load, 7, updates, DeviceRange { start, end }).settled_by(&load, settle)
            };
            let all: Vec<Arrival> = part(0, 7, Some(&settle), 60 + 50).collect();
            let due = |update: usize| all[update].due;
            assert_eq!(
                (due(0), due(1), due(59)),
                (Duration::ZERO, Duration::from_millis(50), Duration::from_millis(2_950))
            );
            let alone: Vec<Arrival> = part(0, 7, None, 50).collect();
            assert!(all[60..].iter().zip(&alone).all(|(after, alone)| after.due == settle.lead() + alone.due));
            let parts = [part(0, 3, Some(&settle), 110), part(3, 7, Some(&settle), 110)];
            assert_eq!(parts.iter().map(Arrivals::settling).sum::<u64>(), 60);
            for part in parts {
                let (settling, planned, first) = (part.settling(), part.planned(), part.first_measured());
                let arrivals: Vec<Arrival> = part.collect();
                assert_eq!(arrivals.len() as u64, planned);
                assert_eq!(arrivals.iter().filter(|arrival| arrival.update < first).count() as u64, settling);
            }
        }
    }

    fn rollout(waves: &[u32], growth: f64) -> Rollout {
        Rollout { waves: waves.to_vec(), pause: Duration::ZERO, growth, abort: None }
    }

    #[test]
    fn each_wave_has_due_times_of_its_own_at_its_own_rate() {
        let (load, waves) = (open(10.0, ArrivalKind::Constant, None), rollout(&[5, 20, 60], 2.0));
        let whole = DeviceRange { start: 0, end: 100 };
        let arrivals: Vec<Arrival> =
            Arrivals::new(Seed(7), &load, 100, 60, whole).in_waves(Seed(7), &load, Some(&waves)).collect();
        assert_eq!(arrivals.len(), 60);
        let millis = |place: usize| (arrivals[place].wave, arrivals[place].due.as_millis());
        assert_eq!([0, 4, 5, 19, 20, 59].map(millis), [(0, 0), (0, 400), (1, 0), (1, 700), (2, 0), (2, 975)]);
        let spans = Arrivals::spans(Seed(7), &load, 60, Some(&waves));
        assert_eq!(spans[2], (arrivals[20].due, arrivals[59].due));
        // The order and the first wave are those of the load without a roll-out.
        let plain = some(7, &load, 100, 60);
        assert!(plain.iter().map(|a| a.device).eq(arrivals.iter().map(|a| a.device)));
        assert_eq!(plain[..5], arrivals[..5]);
    }

    proptest! {
        #[test]
        fn any_number_of_shards_shares_the_same_waves(
            seed: u64,
            sizes in proptest::collection::vec(1..40_u32, 1..6),
            beyond in 0..30_u32,
            cuts in proptest::collection::vec(0..200_u32, 0..5),
            growth in 0.5..3.0_f64,
        ) {
            let load = open(50.0, ArrivalKind::Poisson, None);
            let ends: Vec<u32> = sizes.iter().scan(0, |sum, size| { *sum += size; Some(*sum) }).collect();
            let waves = rollout(&ends, growth);
            let (updates, devices) = (waves.updates(), waves.waves[waves.waves.len() - 1] + beyond);
            let part = |range| {
                Arrivals::new(Seed(seed), &load, devices, updates, range).in_waves(Seed(seed), &load, Some(&waves))
            };
            let mut edges: Vec<u32> = cuts.into_iter().map(|cut| cut.min(devices)).chain([devices]).collect();
            edges.sort_unstable();
            let (mut parts, mut start, mut planned) = (Vec::new(), 0, vec![0; sizes.len()]);
            for end in edges {
                let its = part(DeviceRange { start, end });
                its.planned_by_wave().iter().zip(&mut planned).for_each(|(count, sum)| *sum += count);
                parts.extend(its);
                start = end;
            }
            parts.sort_by_key(|arrival: &Arrival| arrival.update);
            let whole: Vec<Arrival> = part(DeviceRange { start: 0, end: devices }).collect();
            prop_assert_eq!(&parts, &whole);
            prop_assert!(planned.iter().copied().eq(sizes.iter().map(|size| u64::from(*size))));
            for (wave, span) in Arrivals::spans(Seed(seed), &load, updates, Some(&waves)).into_iter().enumerate() {
                let its: Vec<_> = whole.iter().filter(|arrival| arrival.wave == wave as u32).collect();
                prop_assert_eq!((its[0].due, its[its.len() - 1].due), span);
                prop_assert!(its.is_sorted_by_key(|arrival| arrival.due));
                prop_assert_eq!(its.len(), sizes[wave] as usize);
            }
        }

        #[test]
        fn any_number_of_shards_shares_one_schedule(
            seed: u64,
            devices in 1..300_u32,
            updates in 0..1000_u64,
            cuts in proptest::collection::vec(0..300_u32, 0..6),
            poisson: bool,
        ) {
            let load = open(50.0, if poisson { ArrivalKind::Poisson } else { ArrivalKind::Constant }, None);
            let mut ends: Vec<u32> = cuts.into_iter().map(|cut| cut.min(devices)).chain([devices]).collect();
            ends.sort_unstable();
            let mut parts: Vec<Arrival> = Vec::new();
            let mut start = 0;
            for end in ends {
                let part = Arrivals::new(Seed(seed), &load, devices, updates, DeviceRange { start, end });
                let (planned, before) = (part.planned(), parts.len() as u64);
                parts.extend(part);
                prop_assert_eq!(parts.len() as u64 - before, planned);
                start = end;
            }
            parts.sort_by_key(|arrival| arrival.update);
            prop_assert_eq!(&parts, &some(seed, &load, devices, updates));
            prop_assert!(parts.iter().map(|arrival| arrival.update).eq(0..updates));
            prop_assert!(parts.is_sorted_by_key(|arrival| arrival.due));
            // Each device once in a round, in the same order in every round, whatever the number of updates.
            let order: Vec<u32> = all(seed, &load, devices).iter().map(|arrival| arrival.device).collect();
            prop_assert!(parts.iter().map(|arrival| arrival.device).eq(order.iter().copied().cycle().take(parts.len())));
            let mut called = order;
            called.sort_unstable();
            prop_assert_eq!(called, (0..devices).collect::<Vec<_>>());
        }
    }
}
