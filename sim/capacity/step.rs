//! The plan of one step: the profile's own, under another load.

use std::time::Duration;

use crate::hub::Operation;
use crate::policy::{CapacityOf, CapacityPlan, DeviceIds, Limit, Settle, Settling};
use crate::profile::{HubPlan, Plan};

/// What warms up a hub that has no limits.
const WARM_UP: Settle = Settle { over: Duration::from_secs(2), factor: 1.0, pause: Duration::ZERO };
/// A hub elsewhere lets bursts pass for a minute or two (8.3), then queues, for which no time is documented.
const ELSEWHERE: Settle = Settle { over: Duration::from_secs(60), factor: 3.0, pause: Duration::from_secs(15) };
/// Limits that save up for no longer than this are used up at twice the load, others at three times.
const SHORT_BURST: f64 = 5.0;
/// What is saved up is used up with so much to spare.
const TO_SPARE: f64 = 1.15;
/// A step on the way measures this part of what a step that confirms does.
const SHORT_PART: u32 = 2;
/// Devices that a load keeps busy, and so many times as many to spare: a device that is late must not be called again.
const SPARE_DEVICES: f64 = 1.25;
/// What hub and observer add to an update, at most, before its device is called again.
const OVERHEAD: Duration = Duration::from_secs(2);
/// What stays under way at once of a rate of connections, so that a slow hub does not slow down who connects.
const CONNECTING_S: f64 = 5.0;

/// One step's plan, and what is to be known of it before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// The plan.
    pub plan: Plan,
    /// What was changed, as `--set` says it.
    pub sets: Vec<String>,
    /// From the start of the load to the start of what is measured.
    pub lead: Duration,
    /// How long is measured.
    pub measure: Duration,
    /// From the start of the load: what is unfinished then is given up.
    pub end: Duration,
}

impl StepPlan {
    /// The step of `base` with so much `load`, at `full` length or not.
    #[must_use]
    pub fn new(base: &Plan, load: f64, full: bool) -> Self {
        let CapacityPlan { of, measure, drain, .. } = base.capacity;
        let measure = if full { measure } else { (measure / SHORT_PART).max(Duration::from_secs(1)) };
        let settle = match base.capacity.settle {
            Settling::Auto => settle(&base.hub, of),
            Settling::Fixed(settle) => settle,
        };
        let mut step =
            Self { plan: base.clone(), sets: Vec::new(), lead: Duration::ZERO, measure, end: Duration::ZERO };
        match of {
            CapacityOf::Calls => step.calls(load, settle),
            CapacityOf::Devices => step.devices(load, settle),
            CapacityOf::ConnectRate => step.connects(load, settle),
        }
        step.lead = step.plan.driver.lead();
        let last = step.plan.updates() as f64 / step.plan.driver.peak_rate().unwrap_or(1.0).max(f64::MIN_POSITIVE);
        let last = Duration::from_secs_f64(last).max(measure);
        step.end = step.lead + last + step.plan.longest_update() + drain;
        step
    }

    /// How long it takes, roughly, if the hub keeps up.
    #[must_use]
    pub fn estimate(&self) -> Duration {
        self.plan.estimated_connect()
            + self.plan.hold
            + self.lead
            + self.measure
            + self.plan.longest_update()
            + Duration::from_secs(1)
    }

    fn calls(&mut self, rate: f64, settle: Settle) {
        let busy = rate * settle.factor.max(1.0) * (self.plan.longest_update() + OVERHEAD).as_secs_f64();
        self.set_rate(rate);
        self.set_settle(settle);
        self.set_updates(rate * self.measure.as_secs_f64());
        self.set_devices(busy * SPARE_DEVICES);
    }

    fn devices(&mut self, devices: f64, settle: Settle) {
        self.plan.fleet.devices = whole(devices);
        self.sets.push(format!("fleet.devices={}", self.plan.fleet.devices));
        self.set_settle(Settle { factor: 1.0, ..settle });
        let rate = self.plan.driver.load.rate().unwrap_or(1.0);
        self.set_updates(rate * self.measure.as_secs_f64());
    }

    fn connects(&mut self, rate: f64, settle: Settle) {
        self.plan.fleet.connect_rate = rate;
        self.plan.fleet.connect_in_flight = whole(rate * CONNECTING_S).max(self.plan.fleet.connect_in_flight);
        self.plan.fleet.connect_settle = Some(settle);
        let devices = settle.calls(rate) as f64 + rate * self.measure.as_secs_f64();
        self.plan.fleet.devices = whole(devices);
        self.sets.push(format!("fleet.connect_rate={rate}"));
        self.sets.push(format!("fleet.connect_in_flight={}", self.plan.fleet.connect_in_flight));
        self.sets.push(format!("fleet.connect_settle={}", in_toml(&settle)));
        self.sets.push(format!("fleet.devices={}", self.plan.fleet.devices));
        // As few calls as there are devices for: connecting is what is measured.
        let rate = self.plan.driver.load.rate().unwrap_or(1.0);
        self.set_updates(rate.min(devices));
    }

    fn set_rate(&mut self, rate: f64) {
        if let crate::policy::Load::Open { rate: of, .. } = &mut self.plan.driver.load {
            *of = rate;
        }
        self.sets.push(format!("load.rate={rate}"));
    }

    fn set_settle(&mut self, settle: Settle) {
        self.plan.driver.settle = Some(settle);
        self.sets.push(format!("load.settle={}", in_toml(&settle)));
    }

    fn set_updates(&mut self, updates: f64) {
        let updates = updates.round().max(1.0) as u64;
        self.plan.driver.updates = Some(updates);
        self.sets.push(format!("load.updates={updates}"));
    }

    /// No fewer than the profile has.
    fn set_devices(&mut self, devices: f64) {
        let devices = whole(devices.ceil()).max(self.plan.fleet.devices);
        if devices != self.plan.fleet.devices {
            self.plan.fleet.devices = devices;
            self.sets.push(format!("fleet.devices={devices}"));
        }
    }
}

fn whole(devices: f64) -> u32 {
    (devices.round().max(1.0) as u32).min(DeviceIds::MAX_DEVICES)
}

fn in_toml(settle: &Settle) -> String {
    let Settle { over, factor, pause } = settle;
    format!("{{ over = \"{}ms\", factor = {factor:?}, pause = \"{}ms\" }}", over.as_millis(), pause.as_millis())
}

/// What uses up all that the limits of `hub` have saved up for bursts, as far as a load of this kind draws on them, and what
/// lets the rest of it get through.
///
/// What a limit of `rate` has saved up (`burst`) is gone after `burst / rate / (factor - 1)` of a load of `factor` times that
/// rate. A load below the limit may leave some of it, and does not need it.
#[must_use]
pub fn settle(hub: &HubPlan, of: CapacityOf) -> Settle {
    let limits = match hub {
        HubPlan::Azure => return ELSEWHERE,
        other => other.limits(),
    };
    let drawn: &[Operation] = match of {
        CapacityOf::Calls | CapacityOf::Devices => &[Operation::Method, Operation::TwinUpdate],
        CapacityOf::ConnectRate => &[Operation::Connect, Operation::TwinUpdate],
    };
    let drawn: Vec<Limit> = limits
        .iter()
        .flat_map(|limits| drawn.iter().filter_map(|operation| limits.throttles.get(operation)))
        .copied()
        .collect();
    let Some(longest) = drawn.iter().map(|limit| limit.burst / limit.rate).max_by(f64::total_cmp) else {
        return WARM_UP;
    };
    let factor = if longest <= SHORT_BURST { 2.0 } else { 3.0 };
    let over = Duration::try_from_secs_f64(longest * TO_SPARE / (factor - 1.0)).unwrap_or(Duration::from_secs(3_600));
    let queue = drawn.iter().map(|limit| limit.queue).max().unwrap_or_default();
    // A whole second more: what has been used up already costs little, and what has not been spoils the step.
    let over = Duration::from_millis(u64::try_from(over.as_millis()).unwrap_or(u64::MAX)) + Duration::from_secs(1);
    Settle { over, factor, pause: queue }
}
