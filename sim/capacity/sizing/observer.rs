//! Whether a hub bears what is asked at an interval whatever happens: the looks of the observer, and those at jobs that
//! run. Nothing takes longer for them: where they are too many, each waits for the answer to the one before, and they become
//! rarer.

use serde::Serialize;

use super::demand::{Demand, PAGE};
use crate::hub::{HubLimits, Operation};
use crate::policy::Limit;

/// Seconds between two looks at a job that runs, at least.
const JOB_PAUSE_S: f64 = 0.25;

/// What looks at an interval need.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ObserverNeed {
    /// Which operation they are.
    pub operation: Operation,
    /// The plan's time between two looks, in seconds.
    pub every_s: f64,
    /// Operations per second at that interval.
    pub per_s: f64,
    /// What the hub allows in the long run.
    pub limit_per_s: f64,
    /// Whether all looks get through: the limit allows them, or they are over before what passes at once is used up.
    pub fits: bool,
    /// The shortest time between two looks that the hub bears in the long run, in seconds; `None` if there is none.
    pub fits_every_s: Option<f64>,
    /// Operations in the whole load, at the interval that fits; without those that every update has.
    pub in_all: f64,
}

impl ObserverNeed {
    /// What the observer of `demand` needs in a load of so many seconds, in `busy_s` of which there are updates; `None` if
    /// nothing limits it.
    pub(super) fn of(demand: &Demand, limits: &HubLimits, busy_s: f64, load_s: f64) -> Option<Self> {
        if demand.queries {
            let limit = limits.throttles.get(&Operation::Query)?;
            return Some(Self::of_queries(demand, limit, busy_s, load_s));
        }
        let limit = limits.throttles.get(&Operation::TwinRead)?;
        let borne = |(operation, each): (&Operation, &f64)| Some(limits.throttles.get(operation)?.rate / each);
        let updates_per_s =
            demand.per_update.iter().filter_map(borne).chain(demand.own_rate).fold(f64::INFINITY, f64::min);
        let each = demand.per_update.get(&Operation::TwinRead).copied().unwrap_or_default();
        let updates = demand.updates as f64;
        let looks = Looks {
            at_once: (updates_per_s * demand.update_s).min(updates),
            beside: updates_per_s * each,
            over_s: busy_s,
            looked_s: updates * demand.update_s,
        };
        Some(looks.need(Operation::TwinRead, demand.look_s.0, limit))
    }

    /// What the driver's looks at jobs that run need; `None` if it makes none, as all jobs are over at once, or nothing
    /// limits them.
    pub(super) fn of_jobs(demand: &Demand, limits: &HubLimits) -> Option<Self> {
        let together = demand.job_devices?;
        let (limit, calls) = (limits.throttles.get(&Operation::Job)?, limits.throttles.get(&Operation::JobDevice)?);
        let updates = demand.updates as f64;
        let jobs = (updates / f64::from(together.max(1))).ceil();
        // Where more is due than gets through, as many jobs run at once as may.
        let keeps_up = demand.own_rate.is_some_and(|rate| rate <= calls.rate);
        let most = limits.concurrent_jobs.filter(|_| !keeps_up).map_or(1.0, |most| most as f64);
        // What passes at once takes no time, and what is saved for that comes back between jobs that are far apart.
        let slow = if keeps_up { jobs * (f64::from(together) - calls.burst) } else { updates - calls.burst };
        let running_s = (slow > 0.0).then_some(slow / calls.rate)?;
        let at_once = most.min(jobs);
        let looks = Looks { at_once, beside: jobs / running_s, over_s: running_s, looked_s: at_once * running_s };
        Some(looks.need(Operation::Job, demand.look_s.0.max(JOB_PAUSE_S), limit))
    }

    fn of_queries(demand: &Demand, limit: &Limit, busy_s: f64, load_s: f64) -> Self {
        let every_s = demand.look_s.0;
        let per_s = queries_per_s(demand, every_s, busy_s);
        let at_once = (limit.burst - demand.first_pages as f64).max(0.0);
        let fits = per_s <= limit.rate || load_s * per_s <= at_once + load_s * limit.rate;
        let fits_every_s = fitting(demand, limit.rate, busy_s);
        let looks = (load_s / if fits { every_s } else { fits_every_s }).ceil();
        Self {
            operation: Operation::Query,
            every_s,
            per_s,
            limit_per_s: limit.rate,
            fits,
            fits_every_s: Some(fits_every_s),
            in_all: f64::from(demand.shards) * looks,
        }
    }

    /// How often it can look, in seconds.
    pub(super) fn effective_s(&self) -> f64 {
        if self.fits { self.every_s } else { self.fits_every_s.unwrap_or(f64::INFINITY) }
    }
}

/// Looks at each of several things.
struct Looks {
    /// How many there are to look at, at most.
    at_once: f64,
    /// Operations per second that there are whatever the interval is.
    beside: f64,
    /// How long there is something to look at, in seconds.
    over_s: f64,
    /// How long each is looked at, all together, in seconds.
    looked_s: f64,
}

impl Looks {
    fn need(&self, operation: Operation, every_s: f64, limit: &Limit) -> ObserverNeed {
        let per_s = self.beside + self.at_once / every_s;
        let spare = limit.rate - self.beside;
        let mut need = ObserverNeed {
            operation,
            every_s,
            per_s,
            limit_per_s: limit.rate,
            fits: per_s <= limit.rate || self.over_s * per_s <= limit.burst + self.over_s * limit.rate,
            // Of a limit that is used up anyhow too little is left to look at anything.
            fits_every_s: (spare > 0.01 * limit.rate).then(|| tenths(self.at_once / spare)),
            in_all: 0.0,
        };
        need.in_all = self.looked_s / need.effective_s();
        need
    }
}

/// Not less than `seconds`, in tenths of a second.
fn tenths(seconds: f64) -> f64 {
    ((seconds * 10.0 - 1e-6).ceil() / 10.0).max(0.0)
}

/// Pages of one look of one shard.
fn pages(demand: &Demand, every_s: f64, busy_s: f64) -> f64 {
    let reports = demand.per_update.get(&Operation::TwinUpdate).copied().unwrap_or_default() * demand.updates as f64;
    let devices = f64::from(demand.devices);
    let rows = (reports / busy_s.max(f64::EPSILON) * (every_s + demand.look_s.1)).min(devices);
    (rows / f64::from(demand.shards) / PAGE).ceil().max(1.0)
}

fn queries_per_s(demand: &Demand, every_s: f64, busy_s: f64) -> f64 {
    f64::from(demand.shards) * pages(demand, every_s, busy_s) / every_s.max(f64::EPSILON)
}

/// The shortest interval that needs no more than `rate` queries per second, in tenths of a second.
fn fitting(demand: &Demand, rate: f64, busy_s: f64) -> f64 {
    // The longer it is, the more pages a look has: up to those of the whole fleet.
    let most = (f64::from(demand.devices) / PAGE).ceil().max(1.0) as u32;
    let interval = |pages: u32| tenths(f64::from(demand.shards) * f64::from(pages) / rate);
    let fits = |every_s: &f64| queries_per_s(demand, *every_s, busy_s) <= rate * (1.0 + 1e-9);
    (1..=most).map(interval).find(fits).unwrap_or_else(|| interval(most))
}
