//! The plan of one step: the profile's own, under another load.

use std::time::Duration;

use super::probe::{LOOK, Window};
use super::settling::{breath, settle};
use crate::policy::{
    Arrivals, CapacityOf, CapacityPlan, Comparison, DeviceIds, Load, Metric, RetryPolicy, Series, Settle, Settling,
    Threshold, Unit,
};
use crate::profile::{HubPlan, Plan};
use crate::random::Seed;

/// A step on the way measures this part of what a step that confirms does.
const SHORT_PART: u32 = 2;
/// No step is measured for less; a rate of connections takes whole seconds, of which the first and the last are none.
const LEAST: Duration = Duration::from_secs(1);
const LEAST_CONNECTING: Duration = Duration::from_secs(3);
/// Devices that a load keeps busy, and so many times as many to spare: a device that is late must not be called again.
const SPARE_DEVICES: f64 = 1.25;
/// What hub and observer are given to add to an update, whatever the thresholds say, and what they are given at most.
const OVERHEAD: Duration = Duration::from_secs(2);
const MOST_OVERHEAD: Duration = Duration::from_secs(60);
/// The phase in which a fleet comes online, as a run's status calls it.
const CONNECTING: &str = "connecting";
/// More than this a profile cannot ask for either.
const MOST_CONNECTING: u32 = 100_000;
/// What stays under way at once of a rate of connections, so that a slow hub does not slow down who connects.
const CONNECTING_S: f64 = 5.0;

/// One step's plan, and what is to be known of it before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// The plan.
    pub plan: Plan,
    /// What was changed, as `--set` says it.
    pub sets: Vec<String>,
    /// What of the run is measured, and when it must be over.
    pub window: Window,
}

impl StepPlan {
    /// The step of this number of `base` with so much `load`, at `full` length or not.
    #[must_use]
    pub fn new(base: &Plan, number: u32, load: f64, full: bool) -> Self {
        let CapacityPlan { of, measure, .. } = base.capacity;
        let least = if of == CapacityOf::ConnectRate { LEAST_CONNECTING } else { LEAST };
        let measure = if full { measure } else { measure / SHORT_PART }.max(least);
        let settle = match base.capacity.settle {
            Settling::Auto => settle(base, of, 0, load),
            Settling::Fixed(settle) => Settle { pause: settle.pause.max(breath(load)), ..settle },
        };
        let window = Window { phase: "running", lead: Duration::ZERO, measure, end: Duration::ZERO };
        let mut step = Self { plan: base.clone(), sets: Vec::new(), window };
        step.plan.seed = seed(base.seed, number);
        step.keep_to_one_hub();
        match of {
            CapacityOf::Calls => step.calls(load, settle),
            CapacityOf::Devices => step.devices(load, settle),
            CapacityOf::ConnectRate => step.connects(load, settle),
        }
        step
    }

    /// How long it takes, roughly, if the hub keeps up.
    #[must_use]
    pub fn estimate(&self) -> Duration {
        let load = match self.window.phase {
            CONNECTING => Duration::from_secs(1),
            _ => self.window.lead + self.window.measure,
        };
        let plan = &self.plan;
        plan.estimated_connect() + plan.hold + load + plan.longest_update() + Duration::from_secs(1)
    }

    fn calls(&mut self, rate: f64, first: Settle) {
        self.set_rate(rate);
        self.load(rate, first);
        self.offer(rate);
        self.set_devices(rate * first.factor.max(1.0) * self.devices_per_rate());
        if self.plan.capacity.settle == Settling::Auto {
            // Now that it is known who comes online before.
            self.set_settle(settle(&self.plan, CapacityOf::Calls, self.plan.fleet.devices, rate));
        }
    }

    /// A hub with limits or servers stays one, however many devices a load takes: with as many hubs as there are shards each
    /// would have the limits for itself, and more load would meet more of them.
    fn keep_to_one_hub(&mut self) {
        let limited = !self.plan.hub.is_ideal();
        if let HubPlan::Embedded { instances: instances @ None, .. } = &mut self.plan.hub
            && limited
        {
            *instances = Some(1);
            self.sets.push("hub.instances=1".to_owned());
        }
    }

    fn set_settle(&mut self, settle: Settle) {
        self.sets.retain(|set| !set.starts_with("load.settle="));
        self.sets.push(format!("load.settle={}", in_toml(&settle)));
        self.plan.driver.settle = Some(settle);
        self.window.lead = settle.lead();
        self.window.end = settle.lead() + self.window.measure + self.plan.longest_update() + self.plan.capacity.drain;
    }

    /// Makes the schedule offer just this rate: so many calls that come independently of one another take a little more or less
    /// time than they do in the mean, by more than a search is precise.
    fn offer(&mut self, rate: f64) {
        let updates = self.plan.updates();
        let span = Arrivals::spans(self.plan.seed, &self.plan.driver.load, updates, None);
        let Some((first, last)) = span.first().filter(|_| updates > 1) else { return };
        let offered = (updates - 1) as f64 / last.saturating_sub(*first).as_secs_f64();
        if offered.is_finite() && (offered / rate - 1.0).abs() > 1e-3 {
            self.sets.retain(|set| !set.starts_with("load.rate="));
            self.set_rate(rate * rate / offered);
        }
    }

    /// Devices that a rate of one call a second keeps busy, with some to spare.
    fn devices_per_rate(&self) -> f64 {
        (self.plan.longest_update() + self.overhead()).as_secs_f64() * SPARE_DEVICES
    }

    /// What hub and observer add to an update, at most, before its device is called again: what the thresholds allow.
    fn overhead(&self) -> Duration {
        let longest = self.plan.longest_update();
        let allowed = self.plan.thresholds.iter().filter_map(|rule| {
            let Threshold { metric, comparison, limit } = &rule.threshold;
            let Metric::Series(series, _) = metric else { return None };
            let upper = matches!(comparison, Comparison::Less | Comparison::LessOrEqual);
            let limit =
                Duration::try_from_secs_f64(*limit).ok().filter(|_| upper && metric.unit() == Unit::Duration)?;
            match series {
                Series::UpdateOverhead => Some(limit),
                Series::UpdateTotal => Some(limit.saturating_sub(longest)),
                _ => None,
            }
        });
        allowed.min().unwrap_or_default().clamp(OVERHEAD, MOST_OVERHEAD)
    }

    /// Calls for as long as is measured, after what lets the hub settle.
    fn load(&mut self, rate: f64, settle: Settle) {
        self.set_settle(settle);
        self.set_updates(rate * self.window.measure.as_secs_f64());
    }

    fn devices(&mut self, devices: f64, settle: Settle) {
        self.plan.fleet.devices = whole(devices);
        self.sets.push(format!("fleet.devices={}", self.plan.fleet.devices));
        // Few devices cannot take every rate.
        let most = devices / self.devices_per_rate();
        let rate = self.plan.driver.load.rate().unwrap_or(most);
        if rate > most {
            self.set_rate(most);
        }
        self.load(rate.min(most), Settle { factor: 1.0, ..settle });
        // However few calls there are: connections are held for as long as they are watched, which begins with the first look.
        let lasts = self.plan.driver.lasts.max(self.window.lead + self.window.measure + LOOK * 2);
        self.plan.driver.lasts = lasts;
        self.plan.fleet.spontaneous_for = lasts;
        self.sets.push(format!("load.lasts={}ms", lasts.as_millis()));
    }

    fn connects(&mut self, rate: f64, settle: Settle) {
        let fleet = &mut self.plan.fleet;
        fleet.connect_rate = rate;
        fleet.connect_in_flight = whole(rate * CONNECTING_S).clamp(fleet.connect_in_flight, MOST_CONNECTING);
        fleet.connect_settle = Some(settle);
        // Who is refused stays away: what comes again would count as new.
        fleet.retry_connect = RetryPolicy::NEVER.into();
        fleet.devices = whole(settle.calls(rate) as f64 + rate * self.window.measure.as_secs_f64());
        self.sets.push(format!("fleet.connect_rate={rate}"));
        self.sets.push(format!("fleet.connect_in_flight={}", fleet.connect_in_flight));
        self.sets.push(format!("fleet.connect_settle={}", in_toml(&settle)));
        self.sets.push(format!("fleet.devices={}", fleet.devices));
        self.sets.push("retry.connect=none".to_owned());
        let end = settle.lead() + self.window.measure + self.plan.capacity.drain;
        self.window = Window { phase: CONNECTING, lead: settle.lead(), end, ..self.window };
        // As few calls as can be: connecting is what is measured.
        let most = f64::from(self.plan.fleet.devices);
        let rate = self.plan.driver.load.rate().unwrap_or(1.0);
        self.set_updates(rate.min(most));
    }

    fn set_rate(&mut self, rate: f64) {
        if let Load::Open { rate: of, .. } = &mut self.plan.driver.load {
            *of = rate;
        }
        self.sets.push(format!("load.rate={rate}"));
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

/// Each step draws anew: what comes again with the same draws confirms nothing.
fn seed(base: Seed, number: u32) -> Seed {
    // A profile's integers have a sign.
    Seed(base.0.wrapping_add(u64::from(number.saturating_sub(1))) & i64::MAX as u64)
}

fn whole(devices: f64) -> u32 {
    (devices.round().max(1.0) as u32).min(DeviceIds::MAX_DEVICES)
}

fn in_toml(settle: &Settle) -> String {
    let Settle { over, factor, pause } = settle;
    format!("{{ over = \"{}ms\", factor = {factor:?}, pause = \"{}ms\" }}", over.as_millis(), pause.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Override};

    fn plan(name: &str, sets: &[&str]) -> Plan {
        let sets: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        profile::load(name, &sets).unwrap()
    }

    #[test]
    fn what_a_step_changes_is_what_its_command_sets() {
        for (name, sets) in [
            ("capacity", &["hub.throttle.methods={ rate = 40 }"][..]),
            ("capacity-s1", &[]),
            ("capacity", &["load.arrivals=poisson"]),
            ("capacity-devices", &["capacity.settle={ over = \"1500ms\", factor = 2.5, pause = \"70ms\" }"]),
            ("capacity-connects", &["hub.throttle.connects={ rate = 7, burst = 3 }"]),
        ] {
            let base = plan(name, sets);
            for (load, full) in [(41.77, true), (10.0, false), (3_456.0, true)] {
                let step = StepPlan::new(&base, 4, load, full);
                let seed = format!("seed={}", step.plan.seed.0);
                let own = step.sets.iter().map(String::as_str).chain([seed.as_str()]);
                let all: Vec<&str> = sets.iter().copied().chain(own).collect();
                assert_eq!(plan(name, &all), step.plan, "{all:?}");
            }
        }
    }

    #[test]
    fn a_load_of_calls_has_the_devices_that_it_keeps_busy() {
        let base = plan("capacity", &["capacity.measure=8s", "capacity.settle={ over = \"2s\", factor = 3 }"]);
        let step = StepPlan::new(&base, 1, 100.0, true);
        // 0.3 s of stages, a look, and two seconds to spare; three hundred calls a second at first.
        assert_eq!((step.plan.fleet.devices, step.plan.updates(), step.plan.driver.settling()), (957, 800, 600));
        assert_eq!(StepPlan::new(&base, 1, 100.0, false).plan.updates(), 400);
        assert_eq!(StepPlan::new(&base, 1, 1.0, true).plan.fleet.devices, 100, "no fewer than the profile has");
        let few = StepPlan::new(&plan("capacity-devices", &[]), 1, 10.0, true);
        assert!(few.plan.driver.load.rate().unwrap() < 4.0, "ten devices cannot take 20/s");
    }

    #[test]
    fn calls_that_come_by_chance_offer_the_step_s_load_all_the_same() {
        let step = StepPlan::new(&plan("capacity", &["load.arrivals=poisson"]), 1, 40.0, false);
        let [(first, last)] = Arrivals::spans(step.plan.seed, &step.plan.driver.load, step.plan.updates(), None)[..]
        else {
            panic!("one wave")
        };
        let offered = (step.plan.updates() - 1) as f64 / (last - first).as_secs_f64();
        assert!((offered - 40.0).abs() < 0.04, "{offered}");
    }

    #[test]
    fn a_hub_with_limits_or_servers_is_one_hub_whatever_the_load() {
        for sets in
            [&["hub.throttle.methods={ rate = 40 }"][..], &["hub.tier=S1"], &["hub.service={ methods = \"5ms\" }"]]
        {
            let step = StepPlan::new(&plan("capacity", sets), 1, 5_000.0, true);
            assert_eq!(step.plan.hub.instances(), Some(1), "{sets:?}");
        }
        for sets in [&[][..], &["hub.slow.method_request=5ms"]] {
            assert_eq!(StepPlan::new(&plan("capacity", sets), 1, 5_000.0, true).plan.hub.instances(), None, "{sets:?}");
        }
        let two = ["hub.instances=2", "hub.throttle.methods={ rate = 40 }"];
        assert_eq!(
            StepPlan::new(&plan("capacity", &two), 1, 10.0, true).plan.hub.instances(),
            Some(2),
            "as it is told"
        );
    }

    #[test]
    fn every_step_draws_anew() {
        let base = plan("capacity", &["seed=7"]);
        let seeds = [1, 2, 9].map(|number| StepPlan::new(&base, number, 10.0, true).plan.seed.0);
        assert_eq!(seeds, [7, 8, 15]);
    }
}
