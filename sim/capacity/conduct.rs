//! A search from its first step to its last: each is a run of its own, whose result is kept.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::judge::{Judgement, judge};
use super::options::{CapacityError, CapacityOptions, Found, News};
use super::probe::Probe;
use super::search::{Next, Search, Trial};
use super::step::StepPlan;
use crate::measure::{CapacityCause, CapacityStep, RunResult, StepPurpose};
use crate::policy::{CapacityPlan, FirmwareStatus, Load, Series, Statistic, units};
use crate::profile::Plan;
use crate::report;
use crate::run::{self, Output, RunError, RunOptions, StopHandle, View};
use crate::time::{Clock, Nanos};

/// Where the steps' folders lie.
const STEPS: &str = "steps";
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

/// Searches. Blocks until it is over.
///
/// # Errors
/// [`CapacityError`]; what was found until then lies in the folder.
pub fn find(options: CapacityOptions, mut tell: impl FnMut(News<'_>)) -> Result<Found, CapacityError> {
    check(&options.plan)?;
    let clock = Clock::start();
    let files = report::files(&options.plan.report.formats);
    let names: Vec<&str> = files.iter().map(|file| file.name).collect();
    let output = match &options.folder {
        Some(folder) => Output::open(folder.clone(), &names)?,
        None => Output::open_own(&options.plan.name, clock.wall().at(clock.now()), &names)?,
    };
    let mut conduct = Conduct::new(options, output, clock)?;
    if !conduct.steps.is_empty() {
        tell(News::Resumed(&conduct.steps));
    }
    let ending = conduct.go(&mut tell)?;
    let result = conduct.result(&ending)?;
    run::keep(&conduct.output, &files, &result)?;
    Ok(Found { result, folder: conduct.output.folder().to_owned() })
}

/// Whether a plan can be searched with at all.
fn check(plan: &Plan) -> Result<(), CapacityError> {
    let refuse =
        |why: &str| Err(CapacityError::Plan(format!("the capacity of `{}` cannot be looked for: {why}", plan.name)));
    match plan {
        _ if !plan.driver.update_id => {
            refuse("its updates carry no id, and its devices are called again and again; set firmware.update_id")
        }
        _ if plan.driver.rollout.is_some() => refuse("it calls the fleet in waves; leave [rollout] out"),
        _ if plan.drill.is_some() => refuse("it is a drill; leave [drill] out"),
        _ if plan.driver.via.job_devices().is_some() => refuse("it calls by jobs; set load.via to \"calls\""),
        _ => match plan.driver.load {
            Load::Closed { .. } => refuse("its load is closed; set load.kind to \"open\""),
            Load::Open { ramp: Some(_), .. } => refuse("its load has a ramp; leave load.ramp out"),
            Load::Open { ramp: None, .. } if plan.thresholds.is_empty() => {
                refuse("it has no thresholds to keep; add a [[threshold]], or --threshold EXPR")
            }
            Load::Open { ramp: None, .. } => Ok(()),
        },
    }
}

/// How a search ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending {
    /// Whether it found what it was to.
    pub(super) found: bool,
    /// What else is to be known, in sentences.
    pub(super) notes: Vec<String>,
}

/// A search that goes on.
pub(super) struct Conduct {
    pub(super) options: CapacityOptions,
    pub(super) output: Output,
    pub(super) clock: Clock,
    pub(super) search: Search,
    pub(super) steps: Vec<CapacityStep>,
    /// When it began, earlier parts of it included, ...
    pub(super) started_at: Timestamp,
    /// ... and what these took, in seconds.
    pub(super) before: f64,
    /// How much longer than estimated the last step took.
    slower: Duration,
}

impl Conduct {
    fn new(options: CapacityOptions, output: Output, clock: Clock) -> Result<Self, CapacityError> {
        let CapacityPlan { of, start, limit, precision, .. } = options.plan.capacity;
        let search = Search::new(of, start, limit, precision);
        let started_at = clock.wall().at(Nanos::ZERO);
        let (steps, slower) = (Vec::new(), Duration::ZERO);
        let mut conduct = Self { options, output, clock, search, steps, started_at, before: 0.0, slower };
        conduct.take_up()?;
        Ok(conduct)
    }

    pub(super) fn trial(&self, step: &CapacityStep) -> Trial {
        let full = self.options.plan.capacity.measure.as_secs_f64();
        Trial { load: step.load, full: step.measured_s >= full - 1e-3, kept: step.kept }
    }

    /// Makes steps until nothing more is to be learnt, or until there is no time left.
    fn go(&mut self, tell: &mut impl FnMut(News<'_>)) -> Result<Ending, CapacityError> {
        loop {
            let (load, full, purpose) = match self.search.next() {
                Next::Done { found } => return Ok(self.done(found)),
                Next::Try { load, full, purpose } => (load, full, purpose),
            };
            if self.options.stop.is_stopped() {
                return self.stopped();
            }
            let step = StepPlan::new(&self.options.plan, load, full);
            let estimate = step.estimate() + self.slower;
            if let Some(budget) = self.options.plan.capacity.budget
                && self.clock.now().since(Nanos::ZERO) + estimate > budget
            {
                return self.out_of_time(budget);
            }
            let number = u32::try_from(self.steps.len() + 1).unwrap_or(u32::MAX);
            tell(News::Begins { number, load, purpose, estimate });
            let Some(made) = self.step(number, load, purpose, &step)? else { return self.stopped() };
            self.slower = Duration::from_secs_f64(made.took_s).saturating_sub(step.estimate());
            self.search.note(self.trial(&made));
            tell(News::Ended(&made));
            self.steps.push(made);
            // Whatever happens next, this is kept.
            self.keep_so_far()?;
        }
    }

    /// Nothing more is to be learnt.
    fn done(&self, found: bool) -> Ending {
        let (steps, of) = (self.search.trials(), self.options.plan.capacity.of);
        let least = steps.iter().map(|trial| trial.load).fold(f64::INFINITY, f64::min);
        let note = match self.search.low() {
            _ if found => None,
            Some(_) => Some(format!("{} steps contradicted one another too much to come to an end", steps.len())),
            None => {
                let unit = of.unit_of(least);
                Some(format!("nothing was kept down to {least} {unit}: are the thresholds what such a hub can keep?"))
            }
        };
        Ending { found, notes: note.into_iter().collect() }
    }

    fn stopped(&self) -> Result<Ending, CapacityError> {
        if self.steps.is_empty() {
            return Err(CapacityError::Stopped);
        }
        let note = format!("it was stopped: `--resume --out {}` goes on with it", self.output.folder().display());
        Ok(Ending { found: false, notes: vec![note] })
    }

    fn out_of_time(&self, budget: Duration) -> Result<Ending, CapacityError> {
        let time = units::format_duration(budget);
        if self.steps.is_empty() {
            let why = format!("capacity.budget, {time}, is too short for a single step");
            return Err(CapacityError::Plan(why));
        }
        let folder = self.output.folder().display();
        let note = format!("its time, {time}, ran out: `--resume --out {folder}` goes on with it");
        Ok(Ending { found: false, notes: vec![note] })
    }

    /// One step; `None` if the user stopped it.
    fn step(
        &self,
        number: u32,
        load: f64,
        purpose: StepPurpose,
        step: &StepPlan,
    ) -> Result<Option<CapacityStep>, CapacityError> {
        let began = self.clock.now();
        // Both the user and the probe may stop it, and it is to be known who did.
        let stop = StopHandle::new();
        let probe = Probe::new(step.window, stop.clone());
        let watcher = probe.clone();
        let mut run = RunOptions::new(step.plan.clone())
            .in_folder(self.step_folder(number))
            .observed_by(move |status| watcher.look(status))
            .stopped_by(&stop);
        run.program.clone_from(&self.options.program);
        run.owns_hub = self.options.owns_hub;
        run.view = View::Quiet;
        run.command =
            step.sets.iter().fold(self.options.run_command.clone(), |command, set| format!("{command} --set '{set}'"));
        let done = while_forwarding(&self.options.stop, &stop, || run::execute(run))?;
        if self.options.stop.is_stopped() {
            return Ok(None);
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
                return Ok(Some(made));
            }
        };
        let Judgement { broken, achieved, throttled_pct } =
            judge(step, load, &result, &probe).map_err(CapacityError::Plan)?;
        made.kept = broken.is_none();
        (made.achieved, made.throttled_pct) = (achieved, throttled_pct);
        if let Some((cause, detail)) = broken {
            (made.cause, made.cause_detail) = (Some(cause), detail);
        }
        [made.p50_us, made.p99_us, made.max_us] = FIGURES.map(|figure| told(&result, figure));
        Ok(Some(made))
    }

    pub(super) fn steps_folder(&self) -> PathBuf {
        self.output.folder().join(STEPS)
    }

    pub(super) fn step_folder(&self, number: u32) -> PathBuf {
        self.steps_folder().join(format!("{number:02}"))
    }
}

/// Whether so much load is why a run could not be made.
const fn too_much(error: &RunError) -> Option<CapacityCause> {
    match error {
        RunError::Preflight(_) => Some(CapacityCause::Generator),
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
