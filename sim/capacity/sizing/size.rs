//! A plan on a hub of one tier, with so many units.

use serde::Serialize;

use super::bound::Bound;
use super::buckets::Buckets;
use super::course::Course;
use super::demand::Demand;
use super::findings;
use super::messages::Messages;
use super::observer::ObserverNeed;
use super::patience::Exceeded;
use crate::hub::{HubLimits, Operation, Tier};

/// What is to be expected of a plan on one hub.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sizing {
    /// The hub's tier.
    pub tier: Tier,
    /// Its units.
    pub units: u32,
    /// Whether it can have so many devices at all; if not, the rest is what would be.
    pub fits: bool,
    /// Whether updates would be given up, as they wait for longer than the plan has patience for, whatever passes at once;
    /// then the times are those of a plan that has it.
    pub gives_up: bool,
    /// Whether devices would be thrown off, or not let in, by what they do beside their updates.
    pub throws_off: bool,
    /// How long the roll-out takes at the rates of the limits, its days of messages included, in seconds.
    pub takes_s: f64,
    /// How long it takes at least, as some of it passes at once, in seconds.
    pub at_least_s: f64,
    /// What keeps it from taking less than `takes_s`.
    pub bound: Bound,
    /// Updates per second that the hub bears in the long run, whatever the plan's own rate is.
    pub updates_per_s: f64,
    /// The operation whose limit that is.
    pub binding: Operation,
    /// At the rates of the limits.
    pub at_rates: Course,
    /// With what passes at once after a silence.
    pub with_bursts: Course,
    /// What is asked of each limit.
    pub operations: Vec<Need>,
    /// What the observer's looks need.
    pub observer: Option<ObserverNeed>,
    /// What the looks at jobs that run need; `None` without jobs that take long.
    pub job_looks: Option<ObserverNeed>,
    /// What is billed.
    pub messages: Messages,
    /// What else is to be known, in sentences.
    pub findings: Vec<String>,
}

/// What a plan asks of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Need {
    /// The operation.
    pub operation: Operation,
    /// Until every device is online and the fleet was looked at.
    pub connecting: f64,
    /// Of each update at least, on average; looks at an interval are no part of it.
    pub per_update: f64,
    /// In the whole roll-out.
    pub in_all: f64,
    /// Per second, beside the updates: telemetry, and connections that come and go.
    pub beside_per_s: f64,
    /// The limit, per second.
    pub limit_per_s: f64,
    /// What passes at once after a silence.
    pub burst: f64,
    /// What all of it takes at the limit's rate alone, in seconds.
    pub alone_s: f64,
    /// Updates per second that the limit bears; `None` where updates cost nothing of it.
    pub updates_per_s: Option<f64>,
}

impl Sizing {
    /// That of `demand` on a hub of `tier` with so many `units`; those beyond [`Tier::units`] are left out.
    #[must_use]
    pub fn of(demand: &Demand, tier: Tier, units: u32) -> Self {
        let units = units.clamp(*tier.units().start(), *tier.units().end());
        let limits = HubLimits::of(tier, units);
        let buckets = |bursts| Buckets::new(&limits, bursts, |operation| demand.unit(operation));
        let (at_rates, with_bursts) = (Course::of(demand, buckets(false)), Course::of(demand, buckets(true)));
        let observer = ObserverNeed::of(demand, &limits, at_rates.busy_s(demand), at_rates.load_s(demand));
        let job_looks = ObserverNeed::of_jobs(demand, &limits);
        let look_s = observer.map(|observer| observer.effective_s()).filter(|look_s| look_s.is_finite());
        let at_rates = at_rates.seen_every(look_s.unwrap_or(demand.look_s.0), demand);
        let load_s = at_rates.load_s(demand);
        let messages = Messages::of(demand, &limits, load_s, observer.as_ref());
        let operations = needs(demand, &limits, load_s, [observer, job_looks]);
        let tightest = operations.iter().filter_map(|need| Some((need.updates_per_s?, need.operation)));
        let tightest = tightest.min_by(|a, b| a.0.total_cmp(&b.0));
        // Every update has its reports.
        let (updates_per_s, binding) = tightest.unwrap_or((f64::INFINITY, Operation::TwinUpdate));
        let takes_s = messages.takes_s(at_rates.total_s);
        let fits = limits.devices.is_none_or(|most| u64::from(demand.devices) <= most);
        let bound = match takes_s > at_rates.total_s {
            _ if !fits => Bound::Devices,
            true => Bound::Quota,
            false => at_rates.bound(),
        };
        let any = |of: [Exceeded; 2]| {
            of.into_iter().any(|which| demand.patience.is_exceeded(which, &with_bursts.waits, &limits))
        };
        let mut sizing = Self {
            tier,
            units,
            fits,
            gives_up: any([Exceeded::Stage, Exceeded::Call]),
            // Who says something when a day's messages are used up is thrown off, too.
            throws_off: any([Exceeded::Message, Exceeded::Reconnect])
                || messages.telemetry > 0 && messages.days > messages.own_days(),
            takes_s,
            at_least_s: with_bursts.total_s.max(messages.least_s()),
            bound,
            updates_per_s,
            binding,
            at_rates,
            with_bursts,
            operations,
            observer,
            job_looks,
            messages,
            findings: Vec::new(),
        };
        sizing.findings = findings::of(demand, &sizing, &limits);
        sizing
    }

    /// What is asked of the limit of `operation`.
    #[must_use]
    pub fn need(&self, operation: Operation) -> Option<&Need> {
        self.operations.iter().find(|need| need.operation == operation)
    }

    /// Whether all of it can be done in so many seconds, at the rates of the limits.
    #[must_use]
    pub fn meets(&self, deadline_s: f64) -> bool {
        !self.gives_up && self.would_meet(deadline_s)
    }

    /// Whether it could if nothing were given up: with more patience, or with calls at the hub's own pace.
    #[must_use]
    pub fn would_meet(&self, deadline_s: f64) -> bool {
        self.fits && !self.throws_off && self.takes_s <= deadline_s
    }

    /// Whether the hub bears so many updates per second, if that is known, what goes on beside them, and all of the
    /// messages in a day.
    #[must_use]
    pub fn keeps_up_with(&self, updates_per_s: Option<f64>) -> bool {
        let beside = self.operations.iter().all(|need| need.beside_per_s <= need.limit_per_s);
        let is_borne = self.fits && !self.gives_up && !self.throws_off && beside && self.messages.days == 1;
        is_borne && updates_per_s.is_none_or(|rate| self.updates_per_s >= rate)
    }
}

/// The limits that are drawn on in a load of so many seconds, also by looks at an interval.
fn needs(demand: &Demand, limits: &HubLimits, load_s: f64, looks: [Option<ObserverNeed>; 2]) -> Vec<Need> {
    let need = |operation: Operation| {
        let limit = limits.throttles.get(&operation)?;
        let per_update = demand.per_update.get(&operation).copied().unwrap_or_default();
        let connecting = match operation {
            Operation::Query => demand.first_pages as f64,
            _ => demand.connecting.get(&operation).copied().unwrap_or_default(),
        };
        let looks: f64 = looks.iter().flatten().filter(|its| its.operation == operation).map(|its| its.in_all).sum();
        let beside = demand.beside.in_all(operation, load_s);
        let in_all = connecting + per_update * demand.updates as f64 + beside + looks;
        (in_all > 0.0).then(|| Need {
            operation,
            connecting,
            per_update,
            in_all,
            beside_per_s: demand.beside.per_s.get(&operation).copied().unwrap_or_default(),
            limit_per_s: limit.rate,
            burst: limit.burst,
            alone_s: in_all / limit.rate,
            updates_per_s: (per_update > 0.0).then(|| limit.rate / per_update),
        })
    };
    Operation::ALL.into_iter().filter_map(need).collect()
}
