//! Thresholds while a run goes on: once a second each is judged by what there is so far, and one that is to end the run
//! does.

use std::time::Duration;

use super::coordinator::Coordinator;
use super::so_far::{Asked, Standing};
use crate::measure::{RunResult, ThresholdAbort, Usage};
use crate::policy::{DeviceRange, ThresholdRule};
use crate::profile::Plan;
use crate::report::human_value;
use crate::shard::{Roles, StopReason};
use crate::verdict::{ThresholdLight, light};

/// What the coordinator knows of its thresholds.
#[derive(Debug)]
pub(super) struct Watch {
    rules: Vec<ThresholdRule>,
    asked: Asked,
    /// How each stands, in the order of the plan. From the end of the load on they stay as they were.
    pub(super) lights: Vec<ThresholdLight>,
    /// Those that were told of: one that comes and goes is told of once.
    told: Vec<bool>,
    /// The one that ended the run.
    pub(super) abort: Option<ThresholdAbort>,
}

/// What a look at the thresholds shows for the first time.
#[derive(Debug, Default, PartialEq)]
struct News {
    /// What to say.
    warnings: Vec<String>,
    /// Which one ends the run, with its value.
    ends: Option<(String, f64)>,
}

impl Watch {
    /// Those of `plan`. Where nobody drives there is nothing to judge.
    pub(super) fn of(plan: &Plan, roles: Roles, shards: &[DeviceRange]) -> Self {
        let rules = if roles.driver { plan.thresholds.clone() } else { Vec::new() };
        Self {
            asked: Asked::by(rules.iter().map(|rule| &rule.threshold), plan, roles, shards),
            lights: rules.iter().map(|rule| ThresholdLight::unknown(&rule.threshold)).collect(),
            told: vec![false; rules.len()],
            abort: None,
            rules,
        }
    }

    /// Judges them by what the run has come to `so_far`, so long `since` the start of the load.
    fn look(&mut self, since: Duration, so_far: &RunResult) -> News {
        let mut news = News::default();
        for (rule, (shown, told)) in self.rules.iter().zip(self.lights.iter_mut().zip(&mut self.told)) {
            *shown = light(&rule.threshold, so_far);
            let Some(observed) = shown.observed.filter(|_| shown.is_broken()) else { continue };
            if !std::mem::replace(told, true) {
                let value = human_value(rule.threshold.metric.unit(), observed);
                news.warnings.push(format!("warning: threshold `{}` is broken: observed {value}", shown.expr));
            }
            if rule.abort && since >= rule.grace && news.ends.is_none() {
                news.ends = Some((shown.expr.clone(), observed));
            }
        }
        news
    }
}

impl Coordinator {
    /// Looks at the thresholds, while there is load.
    pub(super) fn watch_thresholds(&mut self) {
        let now = self.clock.now();
        let running = self.is_running() && self.members.are_at_work() && !self.watch.rules.is_empty();
        let Some(start) = self.load_start.filter(|start| running && *start <= now) else { return };
        let so_far = self.watch.asked.so_far(&Standing {
            plan: &self.options.plan,
            tally: &self.tally,
            waves: self.rollout.as_ref().map(|rollout| &rollout.waves),
            hub_faults: &self.hub_faults,
            load: self.load_span(now),
            now,
            own: Usage::of_self().since(self.before),
        });
        let News { warnings, ends } = self.watch.look(now.since(start), &so_far);
        for warning in warnings {
            self.live.say(&warning);
        }
        if let Some((expr, observed)) = ends {
            self.live.say(&format!("the run is aborted: threshold `{expr}` is broken"));
            self.watch.abort = Some(ThresholdAbort { expr, at_s: now.as_secs_f64(), observed });
            self.end_load(StopReason::ThresholdBroken, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Census;
    use crate::policy::Outcome;
    use crate::profile::{self, Override};
    use crate::verdict::LightState;

    fn watch(roles: Roles) -> Watch {
        let rules = "threshold=[{ expr = \"census.failed < 2\", abort = true, grace = \"10s\" }, \
                     { expr = \"census.stuck == 0\" }, { expr = \"census.failed < 4\", abort = true }]";
        let plan = profile::load("quickstart", &[Override::set(rules).unwrap()]).unwrap();
        Watch::of(&plan, roles, &[DeviceRange { start: 0, end: plan.fleet.devices }])
    }

    fn failed(count: u64) -> RunResult {
        let mut census = Census { planned: 100, ..Census::default() };
        census.add(Outcome::Failed, "", count);
        RunResult { census, ..RunResult::default() }
    }

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_breaks_is_told_once_and_ends_the_run_when_its_grace_is_over() {
        let mut watch = watch(Roles::BOTH);
        assert_eq!(watch.lights.iter().filter(|light| light.state == LightState::Unknown).count(), 3);
        assert_eq!(watch.look(second(1), &failed(1)), News::default());
        assert!(watch.lights.iter().all(|light| light.state == LightState::Holding));
        let told = vec!["warning: threshold `census.failed < 2` is broken: observed 2".to_owned()];
        assert_eq!(watch.look(second(3), &failed(2)), News { warnings: told, ends: None });
        assert_eq!(watch.look(second(9), &failed(3)), News::default());
        let ends = Some(("census.failed < 2".to_owned(), 3.0));
        assert_eq!(watch.look(second(10), &failed(3)), News { warnings: Vec::new(), ends });
    }

    #[test]
    fn the_grace_of_one_holds_no_other_back() {
        let mut watch = watch(Roles::DRIVER);
        let News { warnings, ends } = watch.look(second(0), &failed(4));
        assert_eq!((warnings.len(), ends), (2, Some(("census.failed < 4".to_owned(), 4.0))));
    }

    #[test]
    fn where_nobody_drives_there_is_nothing_to_judge() {
        assert!(watch(Roles::FLEET).lights.is_empty());
    }
}
