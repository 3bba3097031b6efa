//! The updates of a plan as a run of it would have them on a hub without limits: who is called when, and how long his
//! device takes. Both are drawn as a run draws them, from the plan's seed, so that the last device of a roll-out is the
//! one that will be last, and no average.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::bound::Bound;
use crate::device::Delays;
use crate::policy::{Arrival, Arrivals, DeviceRange, Load};
use crate::profile::Plan;

/// So many updates are drawn; of more, each draw stands for several.
pub(super) const DRAWN: u64 = 1_000_000;
/// So many of a wave are followed through a hub's limits, each for its neighbours too.
const FOLLOWED: u64 = 2_000;

/// A wave of a roll-out.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// Its updates.
    pub updates: u64,
    /// How long it takes on a hub without limits, in seconds.
    pub own_s: f64,
    /// What keeps it from being shorter there.
    pub bound: Bound,
    /// How many of its updates come one after another, each as one before has been seen to end; 1 in an open load.
    pub rounds: u64,
    /// Those that are followed, in the order of their calls.
    pub(super) followed: Vec<Followed>,
    /// Their reports, in the order in which they are made.
    pub(super) reports: Vec<Reported>,
}

/// An update that is followed, and stands for those that are called with it or shortly before. Times are seconds from
/// the start of its wave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Followed {
    /// How many it stands for.
    pub(super) updates: f64,
    /// When it is called.
    pub(super) called_s: f64,
    /// How long after that the last of them ends.
    pub(super) longest_s: f64,
}

/// A report of an update that is followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reported {
    /// When it is made, in seconds from the start of its wave.
    pub(super) at_s: f64,
    /// Which of those that are followed it is of.
    pub(super) of: usize,
    /// How many reports it stands for.
    pub(super) reports: f64,
}

/// The waves of `plan`, of which so many processes have a part, in order; one without a roll-out. `progress` reports
/// come before the second of each update.
pub(super) fn waves(plan: &Plan, shards: u32, progress: f64) -> Vec<Wave> {
    let (driver, devices) = (&plan.driver, plan.fleet.devices);
    let updates = driver.settling() + plan.updates();
    let sizes = driver.rollout.as_ref().map_or_else(
        || vec![updates],
        |rollout| (0..rollout.len()).map(|wave| rollout.places(wave)).map(|its| its.end - its.start).collect(),
    );
    let whole = DeviceRange { start: 0, end: devices };
    let mut arrivals = Arrivals::new(plan.seed, &driver.load, devices, updates, whole)
        .settled_by(&driver.load, driver.settle.as_ref())
        .in_waves(plan.seed, &driver.load, driver.rollout.as_ref());
    let mut draws = Draws { plan, every: updates.div_ceil(DRAWN).max(1), last: Delays([Duration::ZERO; 3]) };
    let together = driver.via.job_devices().map(|devices| u64::from(devices.max(1)) * u64::from(shards));
    sizes.into_iter().map(|size| wave(plan, size, arrivals.by_ref(), &mut draws, together, progress)).collect()
}

/// What devices draw for their updates.
struct Draws<'a> {
    plan: &'a Plan,
    /// One in so many updates is drawn.
    every: u64,
    last: Delays,
}

impl Draws<'_> {
    /// How long after its call an update makes each of its reports.
    fn reports(&mut self, arrival: &Arrival) -> [Duration; 3] {
        let (firmware, devices) = (&self.plan.firmware, u64::from(self.plan.fleet.devices.max(1)));
        if arrival.update.is_multiple_of(self.every) {
            let nth = u32::try_from(arrival.update / devices).unwrap_or(u32::MAX);
            self.last = Delays::draw(firmware, self.plan.seed, arrival.device, nth);
        }
        let Delays([wait, mut download, apply]) = self.last;
        if firmware.downloads().is_some() {
            download = firmware.longest_download();
        }
        [wait, wait + download, wait + download + apply]
    }
}

fn wave(
    plan: &Plan,
    size: u64,
    arrivals: impl Iterator<Item = Arrival>,
    draws: &mut Draws<'_>,
    together: Option<u64>,
    progress: f64,
) -> Wave {
    let mut calls = Calls::new(plan, together);
    let mut wave = Wave {
        updates: size,
        own_s: 0.0,
        bound: Bound::Device,
        rounds: calls.rounds(size),
        followed: Vec::new(),
        reports: Vec::new(),
    };
    let each = size.div_ceil(FOLLOWED).max(1);
    let (mut called, mut group, mut ends) = (Duration::ZERO, 0, Duration::ZERO);
    for (number, arrival) in (0..size).zip(arrivals) {
        let reports = draws.reports(&arrival);
        called = calls.next(number, arrival.due, reports[2]);
        (group, ends) = (group + 1, ends.max(called + reports[2]));
        if group < each && number + 1 < size {
            continue;
        }
        let (updates, of) = (group as f64, wave.followed.len());
        let amounts = [updates, updates * (1.0 + progress), updates];
        wave.reports.extend(reports.into_iter().zip(amounts).map(|(after, reports)| Reported {
            at_s: (called + after).as_secs_f64(),
            of,
            reports,
        }));
        let called_s = called.as_secs_f64();
        wave.followed.push(Followed { updates, called_s, longest_s: ends.as_secs_f64() - called_s });
        wave.own_s = wave.own_s.max(ends.as_secs_f64());
        (group, ends) = (0, Duration::ZERO);
    }
    // Those of one moment stay in the order of their stages.
    wave.reports.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let called_s = called.as_secs_f64();
    if called_s > wave.own_s - called_s {
        wave.bound = calls.bound();
    }
    let downloaded_s = downloads_per_s(plan).map_or(0.0, |rate| size as f64 / rate);
    if downloaded_s > wave.own_s {
        (wave.own_s, wave.bound) = (downloaded_s, Bound::FleetBandwidth);
    }
    wave
}

/// When the updates of a wave are called.
enum Calls {
    /// As the schedule says.
    Each,
    /// So many together, with the first of them: by a job.
    Together { devices: u64, due: Duration },
    /// The next as one of so many has ended: when those end that are in progress.
    Closed { places: u64, ends: BinaryHeap<Reverse<Duration>> },
}

impl Calls {
    fn new(plan: &Plan, together: Option<u64>) -> Self {
        match (plan.driver.load, together) {
            (Load::Closed { in_flight }, _) => {
                // A device has one update at a time.
                let places = u64::from(in_flight.min(plan.fleet.devices).max(1));
                Self::Closed { places, ends: BinaryHeap::new() }
            }
            (Load::Open { .. }, Some(devices)) => Self::Together { devices, due: Duration::ZERO },
            (Load::Open { .. }, None) => Self::Each,
        }
    }

    /// When the next is called, which is the wave's `number`th, due at `due`, and takes so long.
    fn next(&mut self, number: u64, due: Duration, takes: Duration) -> Duration {
        match self {
            Self::Each => due,
            Self::Together { devices, due: first } => {
                if number.is_multiple_of(*devices) {
                    *first = due;
                }
                *first
            }
            Self::Closed { places, ends } => {
                let free = if (ends.len() as u64) < *places { None } else { ends.pop() };
                let called = free.map_or(Duration::ZERO, |Reverse(end)| end);
                ends.push(Reverse(called + takes));
                called
            }
        }
    }

    fn rounds(&self, size: u64) -> u64 {
        if let Self::Closed { places, .. } = self { size.div_ceil(*places).max(1) } else { 1 }
    }

    const fn bound(&self) -> Bound {
        if matches!(self, Self::Closed { .. }) { Bound::InFlight } else { Bound::Schedule }
    }
}

/// Updates per second for which the fleet's bandwidth suffices, where that is known.
pub(super) fn downloads_per_s(plan: &Plan) -> Option<f64> {
    let Some(crate::device::Image::Hub { size, download }) = &plan.firmware.image else { return None };
    Some(download.fleet_bandwidth? as f64 / (*size).max(1) as f64)
}
