//! What comes before a step is measured, so that nothing that a hub has saved for bursts makes it pass, and nothing that waits from
//! before makes it break.

use std::time::Duration;

use super::blame::REPORTS;
use crate::device::Image;
use crate::hub::Operation;
use crate::policy::{CapacityOf, Limit, Settle, Settling};
use crate::profile::{HubPlan, Plan};

/// What warms up a hub that has no limits, or none that binds.
const WARM_UP: Settle = Settle { over: Duration::from_secs(2), factor: 1.0, pause: Duration::ZERO };
/// A hub elsewhere lets bursts pass for a minute or two (8.3), then queues, for which no time is documented.
const ELSEWHERE: Settle = Settle { over: Duration::from_secs(60), factor: 3.0, pause: Duration::from_secs(15) };
/// Limits that save up for no longer than this are used up at twice the load, others at three times.
const SHORT_BURST: f64 = 5.0;
/// What a limit that only refuses has saved up is used up with so much to spare, as nothing waits there.
const TO_SPARE: f64 = 1.15;
/// What a limit that lets wait has saved up is used up but for this part: what is drawn beyond it would wait all through a step.
const LEFT: f64 = 0.02;
/// A load below this part of a limit does not need what is saved up.
const NEAR: f64 = 0.8;
/// From the last report of a fleet that comes online to the first call it may be so long, in seconds.
const LULL_S: f64 = 2.0;
/// What comes before a step takes this long at least, in seconds: a profile cannot ask for less.
const LEAST_S: f64 = 0.001;
/// Nothing is used up for longer than this, in seconds.
const LONGEST_S: f64 = 300.0;
/// How finely what a limit has is followed, in seconds; a longer time in as many parts as there is room for.
const STEP_S: f64 = 0.005;

/// What uses up all that the limit of the plan's hub which binds such a `load` has saved up for bursts. So many `devices` come online
/// before, and each reports once.
///
/// A limit that refuses what is too much is drawn on for longer than it needs, and then left alone for a moment. One that lets wait
/// is drawn on for just as long as it takes, and the load that is measured follows at once: what waits longer waits all through
/// a step near the limit, and what pauses saves up again.
#[must_use]
pub fn settle(plan: &Plan, of: CapacityOf, devices: u32, load: f64) -> Settle {
    let limits = match &plan.hub {
        HubPlan::Azure => return ELSEWHERE,
        HubPlan::Mqtt(_) => return WARM_UP,
        other => other.limits(),
    };
    // How often one of what is counted draws on each.
    let drawn: &[(Operation, f64)] = match of {
        CapacityOf::Calls => &[(Operation::Method, 1.0), (Operation::TwinUpdate, REPORTS)],
        CapacityOf::ConnectRate => &[(Operation::Connect, 1.0), (Operation::TwinUpdate, 1.0)],
        // What devices are called for is little.
        CapacityOf::Devices => return WARM_UP,
    };
    let throttles = limits.map(|limits| limits.throttles).unwrap_or_default();
    let drawn = drawn.iter().filter_map(|(operation, often)| Some((*operation, *throttles.get(operation)?, *often)));
    let Some((operation, limit, often)) =
        drawn.min_by(|one, other| (one.1.rate / one.2).total_cmp(&(other.1.rate / other.2)))
    else {
        return WARM_UP;
    };
    let Limit { rate, burst, queue } = limit;
    let factor = if burst / rate <= SHORT_BURST { 2.0 } else { 3.0 };
    let is_report = operation == Operation::TwinUpdate;
    if !is_report && queue.is_zero() {
        // A whole second more: what has been used up already costs little, and what has not been spoils the step.
        let over = burst / rate * TO_SPARE / (factor - 1.0) + 1.0;
        return Settle { over: in_millis(over), factor, pause: breath(rate) };
    }
    if load * often < rate * NEAR {
        return WARM_UP;
    }
    // Devices that come online quickly use some of it up, and until the load begins it is saved up again.
    let online = f64::from(devices) * (1.0 - rate / plan.fleet.connect_rate).max(0.0);
    let spent = if is_report { (online.min(burst) - rate * LULL_S).max(0.0) } else { 0.0 };
    let lags = if is_report && of == CapacityOf::Calls { lags(plan).to_vec() } else { vec![0.0] };
    let drain = Drain { rate, burst, saved: burst - spent, load, factor, lags };
    Settle { over: in_millis(drain.time().max(LEAST_S)), factor, pause: Duration::ZERO }
}

/// How long after its call each report of an update comes, on average, in seconds.
fn lags(plan: &Plan) -> [f64; 3] {
    let firmware = &plan.firmware;
    let download = firmware.image.as_ref().map_or_else(|| firmware.download.mean(), Image::duration);
    let wait = firmware.wait.mean();
    [wait, wait + download, wait + download + firmware.apply.mean()].map(|lag| lag.as_secs_f64())
}

/// A limit that a load draws on, at first at a multiple of its rate.
struct Drain {
    rate: f64,
    burst: f64,
    saved: f64,
    load: f64,
    factor: f64,
    /// How long after its call each draw comes.
    lags: Vec<f64>,
}

impl Drain {
    /// How long the multiple has to last so that next to nothing is left once the load itself draws all that it does.
    fn time(&self) -> f64 {
        let (mut short, mut long) = (0.0, LONGEST_S);
        for _ in 0..40 {
            let middle = (short + long) / 2.0;
            if self.left(middle) > self.saved * LEFT { short = middle } else { long = middle }
        }
        long
    }

    /// What is left by then, if the multiple lasts for `over`.
    fn left(&self, over: f64) -> f64 {
        let end = over + self.lags.last().copied().unwrap_or_default();
        let step = STEP_S.max(end / 20_000.0);
        let drawn = |at: f64| -> f64 {
            let each = |lag: &f64| match at - lag {
                since if since < 0.0 => 0.0,
                since if since < over => self.load * self.factor,
                _ => self.load,
            };
            self.lags.iter().map(each).sum()
        };
        let steps = (end / step).ceil() as u32;
        let after =
            |has: f64, number: u32| (has + (self.rate - drawn(f64::from(number) * step)) * step).min(self.burst);
        (0..steps).fold(self.saved, after)
    }
}

/// The least pause at such a rate: a limit that has nothing left at all would refuse the first call that is measured, just for
/// being the first, and what it saves up in a longer one lets more pass than it allows.
pub(super) fn breath(rate: f64) -> Duration {
    in_millis(2.0 / rate)
}

/// How much too high what is found of a hub elsewhere may be for what it saves up in the pause of each step, as a part of it, and
/// how long a step is to be measured so that it is no more than `precision`; `None` where there is no such pause.
pub(super) fn saved_elsewhere(plan: &Plan) -> Option<(f64, Duration)> {
    let is_unknown = matches!(plan.hub, HubPlan::Azure) && plan.capacity.settle == Settling::Auto;
    let part = ELSEWHERE.pause.as_secs_f64() / plan.capacity.measure.as_secs_f64();
    (is_unknown && plan.capacity.of != CapacityOf::Devices && part > plan.capacity.precision)
        .then(|| (part, ELSEWHERE.pause.div_f64(plan.capacity.precision)))
}

/// Whole milliseconds, as `--set` says them; an hour at most.
fn in_millis(seconds: f64) -> Duration {
    Duration::from_millis((seconds.min(3_600.0) * 1e3) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Override};

    fn plan(name: &str, sets: &[&str]) -> Plan {
        let sets: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        profile::load(name, &sets).unwrap()
    }

    fn calls(load: f64, sets: &[&str]) -> Settle {
        settle(&plan("capacity", sets), CapacityOf::Calls, 0, load)
    }

    #[test]
    fn what_a_limit_that_refuses_has_saved_up_is_used_up_with_some_to_spare() {
        assert_eq!(calls(40.0, &[]), WARM_UP);
        // A burst of a second, at twice the rate: what is drawn beyond the limit in a second and a bit.
        let short = calls(40.0, &["hub.throttle.methods={ rate = 40, burst = 40 }"]);
        assert_eq!((short.factor, short.pause), (2.0, Duration::from_millis(50)));
        assert!(short.over >= Duration::from_secs(1) && short.over < Duration::from_secs(4), "{short:?}");
        assert_eq!(calls(40.0, &["hub.kind=azure"]), ELSEWHERE);
        let methods = plan("capacity", &["hub.throttle.methods={ rate = 40, burst = 40 }"]);
        assert_eq!(settle(&methods, CapacityOf::ConnectRate, 0, 40.0), WARM_UP);
        assert_eq!(settle(&methods, CapacityOf::Devices, 0, 400.0), WARM_UP);
    }

    #[test]
    fn a_tier_s_minute_s_worth_is_used_up_but_for_a_little() {
        // Three changes of a twin an update: 50 a second are the limit.
        let tier = calls(16.7, &["hub.tier=S1"]);
        let drawn = (16.7 * 3.0 * tier.factor - 50.0) * tier.over.as_secs_f64();
        assert!((2_850.0..3_000.0).contains(&drawn) && tier.pause.is_zero(), "{tier:?}");
        assert_eq!(calls(8.0, &["hub.tier=S1"]), WARM_UP, "it needs none of it");
        let online = settle(&plan("capacity", &["hub.tier=S1"]), CapacityOf::Calls, 1_000, 16.7);
        assert!(online.over < tier.over, "a part is gone as devices come online: {online:?}");
        // What is saved up within a second is there again when the load begins, however many came online before.
        let quick = ["hub.throttle.twin_writes={ rate = 60, burst = 60, queue = \"2s\" }"];
        assert_eq!(settle(&plan("capacity", &quick), CapacityOf::Calls, 1_000, 20.0), calls(20.0, &quick));
    }

    /// What a limit has once all draws of a load come as they will go on to come, and when that is; followed call by call.
    fn left(Settle { over, factor, pause }: Settle, load: f64, limit: (f64, f64), lags: &[f64]) -> f64 {
        let (rate, burst) = limit;
        let calls = (load * factor * over.as_secs_f64()).round() as u32;
        let lead = (over + pause).as_secs_f64();
        let end = lead + lags.last().unwrap();
        let first = (0..calls).map(|call| f64::from(call) / (load * factor));
        let then = (0..10_000).map(|call| lead + f64::from(call) / load);
        let mut draws: Vec<f64> =
            first.chain(then).flat_map(|call| lags.iter().map(move |lag| call + lag)).filter(|at| *at < end).collect();
        draws.sort_by(f64::total_cmp);
        let (mut has, mut before) = (burst, 0.0);
        for at in draws {
            has = f64::min(has + (at - before) * rate, burst) - 1.0;
            before = at;
        }
        has
    }

    #[test]
    fn near_the_limit_a_load_meets_neither_what_was_saved_nor_what_waits() {
        for (sets, rate, often) in [
            (&["hub.throttle.methods={ rate = 40, burst = 40, queue = \"10s\" }"][..], 40.0, 1.0),
            (&["hub.throttle.twin_writes={ rate = 120, burst = 120, queue = \"2s\" }"], 120.0, 3.0),
            (&["hub.throttle.twin_writes={ rate = 120, burst = 120 }"], 120.0, 3.0),
            (
                &["hub.throttle.twin_writes={ rate = 120, burst = 120, queue = \"2s\" }", "firmware.apply=3s"],
                120.0,
                3.0,
            ),
            (&["hub.throttle.twin_writes={ rate = 60, burst = 600, queue = \"2s\" }", "firmware.wait=2s"], 60.0, 3.0),
        ] {
            let plan = plan("capacity", sets);
            let burst = if rate == 60.0 { 600.0 } else { rate };
            let lags = if often == 1.0 { vec![0.0] } else { lags(&plan).to_vec() };
            for part in [0.95, 1.0, 1.05, 1.5] {
                let load = rate / often * part;
                let has = left(settle(&plan, CapacityOf::Calls, 0, load), load, (rate, burst), &lags);
                // A call more or less, and what a load of one and a half draws within a step of the reckoning.
                assert!((-5.0..burst * 0.1 + 5.0).contains(&has), "{has} of {burst} at {load}/s: {sets:?}");
            }
        }
    }

    #[test]
    fn a_hub_elsewhere_that_is_measured_for_a_moment_may_live_on_what_it_saved() {
        let told = |sets: &[&str]| saved_elsewhere(&plan("capacity", sets));
        assert_eq!(told(&["hub.kind=azure", "capacity.measure=20s"]), Some((0.75, Duration::from_secs(300))));
        assert_eq!(told(&["hub.kind=azure", "capacity.measure=5m"]), None);
        assert_eq!(told(&["capacity.measure=20s"]), None);
        let own = "capacity.settle={ over = \"1s\", factor = 2 }";
        assert_eq!(told(&["hub.kind=azure", "capacity.measure=20s", own]), None);
    }
}
