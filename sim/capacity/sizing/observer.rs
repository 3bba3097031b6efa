//! Whether a hub bears the queries of an observer, which ask at an interval whatever happens.

use serde::Serialize;

use super::demand::{Demand, PAGE};
use crate::hub::Operation;
use crate::policy::Limit;

/// What the observer's queries need.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ObserverNeed {
    /// The plan's time between two looks, in seconds.
    pub every_s: f64,
    /// Queries per second, the pages of all looks.
    pub queries_per_s: f64,
    /// What the hub allows in the long run.
    pub limit_per_s: f64,
    /// Whether all looks get through: the limit allows them, or the whole roll-out is over before what passes at once is
    /// used up.
    pub fits: bool,
    /// The shortest time between two looks that the hub bears in the long run, in seconds.
    pub fits_every_s: f64,
}

impl ObserverNeed {
    /// Those of `demand` in a load of so many seconds; `None` if its observer makes no queries, or nothing limits them.
    pub(super) fn of(demand: &Demand, limit: Option<&Limit>, load_s: f64) -> Option<Self> {
        let limit = limit.filter(|_| demand.queries)?;
        let every_s = demand.look_s.0;
        let queries_per_s = queries_per_s(demand, every_s, load_s);
        let at_once = (limit.burst - demand.first_pages as f64).max(0.0);
        let fits = queries_per_s <= limit.rate || load_s * queries_per_s <= at_once + load_s * limit.rate;
        Some(Self {
            every_s,
            queries_per_s,
            limit_per_s: limit.rate,
            fits,
            fits_every_s: fitting(demand, limit.rate, load_s),
        })
    }

    /// How often it can look, in seconds.
    pub(super) const fn effective_s(&self) -> f64 {
        if self.fits { self.every_s } else { self.fits_every_s }
    }
}

/// Pages of one look of one shard.
fn pages(demand: &Demand, every_s: f64, load_s: f64) -> f64 {
    let reports = demand.per_update.get(&Operation::TwinUpdate).copied().unwrap_or_default() * demand.updates as f64;
    let devices = f64::from(demand.devices);
    let rows = (reports / load_s.max(f64::EPSILON) * (every_s + demand.look_s.1)).min(devices);
    (rows / f64::from(demand.shards) / PAGE).ceil().max(1.0)
}

fn queries_per_s(demand: &Demand, every_s: f64, load_s: f64) -> f64 {
    f64::from(demand.shards) * pages(demand, every_s, load_s) / every_s.max(f64::EPSILON)
}

/// The shortest interval that needs no more than `rate` queries per second, in tenths of a second.
fn fitting(demand: &Demand, rate: f64, load_s: f64) -> f64 {
    // The longer it is, the more pages a look has: up to those of the whole fleet.
    let most = (f64::from(demand.devices) / PAGE).ceil().max(1.0) as u32;
    let interval = |pages: u32| {
        let exact = f64::from(demand.shards) * f64::from(pages) / rate;
        (exact * 10.0 - 1e-6).ceil() / 10.0
    };
    let fits = |every_s: &f64| queries_per_s(demand, *every_s, load_s) <= rate * (1.0 + 1e-9);
    (1..=most).map(interval).find(fits).unwrap_or_else(|| interval(most))
}
