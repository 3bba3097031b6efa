//! One step of a search: a run of its own, watched and judged.

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::Duration;

use super::conduct::Conduct;
use super::judge::{Judgement, judge};
use super::options::CapacityError;
use super::probe::Probe;
use super::step::StepPlan;
use crate::driver::OBSERVER_THROTTLED;
use crate::measure::{CapacityCause, CapacityStep, RunResult, StepPurpose};
use crate::policy::{FirmwareStatus, Outcome, Series, Statistic};
use crate::run::{self, RunError, RunOptions, StopHandle, View};

/// Of a step of which less than one in so many updates completed next to nothing came.
const OUT: u64 = 10;
/// The series that a step's percentiles are told of, where they were measured.
const TOLD: [Series; 6] = [
    Series::MethodResponse,
    Series::UpdateOverhead,
    Series::UpdateTotal,
    Series::TwinAck(FirmwareStatus::Completed),
    Series::Connect,
    Series::Ping,
];
/// What is told of them.
const FIGURES: [Statistic; 3] = [Statistic::Percentile(5_000), Statistic::Percentile(9_900), Statistic::Max];

/// What may be to blame for how a step came out, other than its load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing.
    None,
    /// Next to nothing came of it: the hub may have gone.
    HubGone,
    /// The generator was late though the machine was hardly used: something else may have used it.
    Disturbed,
}

/// How a step came out.
pub(super) enum Attempt {
    /// It was made.
    Made(CapacityStep, Doubt),
    /// The user stopped it.
    Stopped,
    /// The search's time ran out meanwhile.
    OutOfTime,
    /// It showed nothing to judge it by, for this reason.
    Unjudged(String),
}

impl Conduct {
    /// One step.
    pub(super) fn step(
        &self,
        number: u32,
        load: f64,
        purpose: StepPurpose,
        step: &StepPlan,
    ) -> Result<Attempt, CapacityError> {
        let (clock, began, left) = (self.clock, self.clock.now(), self.left());
        // Both the user and the probe may stop it, and it is to be known who did.
        let stop = StopHandle::new();
        let probe = Probe::new(step.window, stop.clone());
        let (watcher, watch) = (probe.clone(), self.options.watch.clone());
        let is_late = move || left.is_some_and(|left| clock.now().since(began) > left);
        let folder = if number == 1 { self.first_step_folder() } else { self.step_folder(number) };
        let mut run = RunOptions::new(step.plan.clone())
            .in_folder(folder)
            .observed_by(move |status| {
                watcher.look(status);
                if let Some(watch) = &watch {
                    watch.tell(number, status);
                }
                if is_late() {
                    watcher.run_out_of_time();
                }
            })
            .stopped_by(&stop);
        run.program.clone_from(&self.options.program);
        run.owns_hub = self.options.owns_hub;
        run.view = View::Quiet;
        run.command = step
            .sets
            .iter()
            .fold(format!("{} --seed {}", self.options.run_command, step.plan.seed.0), |command, set| {
                format!("{command} --set '{set}'")
            });
        let done = while_forwarding(&self.options.stop, &stop, || run::execute(run))?;
        if self.options.stop.is_stopped() {
            return Ok(Attempt::Stopped);
        }
        if probe.is_out_of_time() {
            return Ok(Attempt::OutOfTime);
        }
        let took_s = self.clock.now().since(began).as_secs_f64();
        let of = self.options.plan.capacity.of;
        let mut made = CapacityStep {
            number,
            load,
            purpose,
            measured_s: step.window.measure.as_secs_f64(),
            kept: false,
            cause: None,
            cause_detail: String::new(),
            achieved: None,
            throttled_pct: None,
            p50_us: BTreeMap::new(),
            p99_us: BTreeMap::new(),
            max_us: BTreeMap::new(),
            cpu_percent: probe.cpu_percent(),
            took_s,
            left_out: false,
        };
        let result = match done {
            Ok(run) => run.result,
            Err(error) => {
                // What was kept before shows that it can be run at all: this is what comes of so much load.
                let cause = self.search.low().and_then(|_| too_much(&error));
                let Some(cause) = cause else {
                    return Err(CapacityError::Step { number, load, unit: of.unit(), source: Box::new(error) });
                };
                (made.cause, made.cause_detail) = (Some(cause), error.to_string());
                let doubt = if cause == CapacityCause::Errors { Doubt::HubGone } else { Doubt::None };
                return Ok(Attempt::Made(made, doubt));
            }
        };
        let Judgement { broken, achieved, throttled_pct, is_disturbed } = match judge(step, load, &result, &probe) {
            Ok(judgement) => judgement,
            Err(why) => return Ok(Attempt::Unjudged(why)),
        };
        made.kept = broken.is_none();
        (made.achieved, made.throttled_pct) = (achieved, throttled_pct);
        if let Some((cause, detail)) = broken {
            (made.cause, made.cause_detail) = (Some(cause), detail);
        }
        [made.p50_us, made.p99_us, made.max_us] = FIGURES.map(|figure| told(&result, figure));
        let is_out = made.cause == Some(CapacityCause::Errors)
            && result.census.count(Outcome::Completed) * OUT < result.census.planned;
        let doubt = match (is_out, is_disturbed) {
            (true, _) => Doubt::HubGone,
            (false, true) => Doubt::Disturbed,
            (false, false) => Doubt::None,
        };
        Ok(Attempt::Made(made, doubt))
    }
}

/// Whether so much load is why a run could not be made.
fn too_much(error: &RunError) -> Option<CapacityCause> {
    match error {
        RunError::Preflight(_) => Some(CapacityCause::Generator),
        RunError::Shard(error) if error.contains(OBSERVER_THROTTLED) => Some(CapacityCause::Throttled),
        // The user did not stop it, so that the probe did: nothing had come of it by then.
        RunError::Shard(_) | RunError::Registry(_) | RunError::Interrupted => Some(CapacityCause::Errors),
        _ => None,
    }
}

/// Calls `work` while what stops `from` also stops `to`.
fn while_forwarding<T>(from: &StopHandle, to: &StopHandle, work: impl FnOnce() -> T) -> io::Result<T> {
    // Many short steps must not leave a thread each behind: it ends with the work, by `over`.
    let over = StopHandle::new();
    let (from, to, ended) = (from.clone(), to.clone(), over.clone());
    let waiter = thread::Builder::new().name("stop".to_owned()).spawn(move || {
        if from.wait_for_either(&ended).is_ok() && from.is_stopped() {
            to.stop();
        }
    })?;
    let done = work();
    over.stop();
    // It has nothing left to do, and panics at nothing.
    let _ = waiter.join();
    Ok(done)
}

/// A figure of each series that is told of, in microseconds.
fn told(result: &RunResult, figure: Statistic) -> BTreeMap<String, u64> {
    let of = |series: Series| {
        let value = result.series.get(&series)?.statistic(figure)?;
        Some((series.name().to_owned(), Duration::from_secs_f64(value).as_micros() as u64))
    };
    TOLD.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_too_short_for_a_percentile_has_the_longest_that_it_saw() {
        let mut result = RunResult::default();
        let data = result.series.entry(Series::MethodResponse).or_default();
        (1..=50).for_each(|ms| data.record(Duration::from_millis(ms)));
        let [p50, p99, max] = FIGURES.map(|figure| told(&result, figure).get("method.response").copied());
        assert!(p50.is_some_and(|p50| p50.abs_diff(25_000) < 100), "{p50:?}");
        assert!(max.is_some_and(|max| max.abs_diff(50_000) < 100), "{max:?}");
        assert_eq!(p99, None);
    }
}
