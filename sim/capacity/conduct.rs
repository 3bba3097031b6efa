//! A search from its first step to its last: each is a run of its own, whose result is kept.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::attempt::{Attempt, Doubt};
use super::options::{CapacityError, CapacityOptions, Found, News};
use super::search::{Next, Search, Trial};
use super::step::StepPlan;
use crate::measure::{CapacityCause, CapacityStep, MachineDescription, StepPurpose};
use crate::policy::{CapacityPlan, Load, units};
use crate::profile::Plan;
use crate::report::{self, RESULTS};
use crate::run::{self, Output};
use crate::time::{Clock, Nanos};

/// Where the steps' folders lie.
const STEPS: &str = "steps";

/// So many times in a row a step is made again that something else than its load may have made late.
const MOST_DISTURBED: u32 = 2;

/// Searches. Blocks until it is over.
///
/// # Errors
/// [`CapacityError`]; what was found until then lies in the folder.
pub fn find(options: CapacityOptions, mut tell: impl FnMut(News<'_>)) -> Result<Found, CapacityError> {
    check(&options)?;
    let clock = Clock::start();
    let files = report::files(&options.plan.report.formats);
    let names: Vec<&str> = files.iter().map(|file| file.name).collect();
    let output = match &options.folder {
        Some(folder) => Output::open(folder.clone(), &names)?,
        None => Output::open_own(&options.plan.name, clock.wall().at(clock.now()), &names)?,
    };
    tell(News::Folder(output.folder()));
    let mut conduct = Conduct::new(options, output, clock)?;
    if !conduct.steps.is_empty() {
        tell(News::Resumed(&conduct.steps));
    }
    let ended = conduct.go(&mut tell);
    if conduct.steps.is_empty() {
        conduct.forget_first_step();
    }
    let ending = ended?;
    let result = conduct.result(&ending)?;
    run::keep(&conduct.output, &files, &result)?;
    Ok(Found { result, folder: conduct.output.folder().to_owned() })
}

/// Whether there can be a search at all.
fn check(options: &CapacityOptions) -> Result<(), CapacityError> {
    check_plan(&options.plan)?;
    let CapacityPlan { start, budget, .. } = options.plan.capacity;
    match (budget, &options.folder) {
        (_, Some(folder)) if options.resume && !folder.join(RESULTS).is_file() => {
            Err(CapacityError::NothingToResume(folder.clone(), "no results.json".to_owned()))
        }
        (Some(budget), _) if !options.resume && StepPlan::new(&options.plan, 1, start, false).estimate() > budget => {
            let time = units::format_duration(budget);
            Err(CapacityError::Plan(format!("capacity.budget, {time}, is too short for a single step")))
        }
        _ => Ok(()),
    }
}

/// Whether a plan can be searched with.
fn check_plan(plan: &Plan) -> Result<(), CapacityError> {
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
    /// Whether there was more to try.
    pub(super) cut_short: bool,
    /// Whether that is because the hub has gone.
    pub(super) lost: bool,
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
    /// What is to be known of those, in sentences.
    pub(super) notes: Vec<String>,
    /// What this is.
    pub(super) machine: MachineDescription,
    /// Whether the last step may say more of a hub that has gone than of its load.
    pub(super) in_doubt: bool,
    /// How many steps in a row something else than their load made late.
    disturbed: u32,
    /// How much longer than estimated the last step took.
    slower: Duration,
}

impl Conduct {
    fn new(options: CapacityOptions, output: Output, clock: Clock) -> Result<Self, CapacityError> {
        let CapacityPlan { of, start, limit, precision, .. } = options.plan.capacity;
        let search = Search::new(of, start, limit, precision);
        let started_at = clock.wall().at(Nanos::ZERO);
        let mut conduct = Self {
            options,
            output,
            clock,
            search,
            steps: Vec::new(),
            started_at,
            before: 0.0,
            notes: Vec::new(),
            machine: MachineDescription::read(),
            in_doubt: false,
            disturbed: 0,
            slower: Duration::ZERO,
        };
        conduct.take_up()?;
        Ok(conduct)
    }

    pub(super) fn trial(step: &CapacityStep) -> Trial {
        Trial { load: step.load, full: step.purpose.is_full(), kept: step.kept }
    }

    /// Makes steps until nothing more is to be learnt, or until there is no time left.
    fn go(&mut self, tell: &mut impl FnMut(News<'_>)) -> Result<Ending, CapacityError> {
        loop {
            let (load, full, purpose) = match (self.check(), self.search.next()) {
                (Some(load), _) => (load, false, StepPurpose::Check),
                (None, Next::Done { found }) => return Ok(self.done(found)),
                (None, Next::Try { load, full, purpose }) => (load, full, purpose),
            };
            if self.options.stop.is_stopped() {
                return self.stopped();
            }
            let number = u32::try_from(self.steps.len() + 1).unwrap_or(u32::MAX);
            let step = StepPlan::new(&self.options.plan, number, load, full);
            let estimate = step.estimate() + self.slower;
            if self.left().is_some_and(|left| estimate > left) {
                return self.out_of_time();
            }
            tell(News::Begins { number, load, purpose, estimate, then: self.then(load) });
            let (mut made, doubt) = match self.step(number, load, purpose, &step)? {
                Attempt::Made(made, doubt) => (made, doubt),
                Attempt::Stopped => return self.stopped(),
                Attempt::OutOfTime => return self.out_of_time(),
                Attempt::Unjudged(why) if self.steps.is_empty() => return Err(CapacityError::Plan(why)),
                Attempt::Unjudged(why) => {
                    let unit = self.options.plan.capacity.of.unit_of(load);
                    let note = format!("it could not go on with {load} {unit}: {why}");
                    return Ok(Ending { notes: vec![note], cut_short: true, ..Ending::default() });
                }
            };
            if number == 1 {
                self.replace_earlier()?;
            }
            self.slower = Duration::from_secs_f64(made.took_s).saturating_sub(step.estimate());
            tell(News::Ended(&made));
            let is_check = purpose == StepPurpose::Check;
            let is_out = doubt == Doubt::HubGone && (is_check || self.least_kept().is_some());
            let (is_doubtful, is_gone) = (is_out && !is_check, is_out && is_check);
            // It is made again, unless that has not helped.
            let is_disturbed = doubt == Doubt::Disturbed && !is_check && self.disturbed < MOST_DISTURBED;
            self.disturbed = if is_disturbed { self.disturbed + 1 } else { 0 };
            made.left_out = is_out || is_disturbed;
            self.steps.push(made);
            if is_gone {
                self.leave_out();
            } else if is_check {
                self.take_in();
            }
            self.in_doubt = is_doubtful;
            self.search = self.search.after(self.counted().map(Self::trial));
            // Whatever happens next, this is kept.
            self.keep_so_far()?;
            if is_gone {
                return Ok(self.lost());
            }
        }
    }

    /// The load with which it is looked whether the hub is still there: nothing came of the last step, where this was kept.
    fn check(&self) -> Option<f64> {
        self.least_kept().filter(|_| self.in_doubt)
    }

    /// The least load that was kept.
    fn least_kept(&self) -> Option<f64> {
        self.counted().filter(|step| step.kept).map(|step| step.load).min_by(f64::total_cmp)
    }

    /// The hub is there: what was in doubt counts.
    fn take_in(&mut self) {
        self.steps.iter_mut().rev().take(2).for_each(|step| step.left_out = false);
    }

    /// The hub has gone: none of the last steps that met errors says anything of its load.
    fn leave_out(&mut self) {
        let met_errors = |step: &&mut CapacityStep| !step.kept && step.cause == Some(CapacityCause::Errors);
        self.steps.iter_mut().rev().take_while(met_errors).for_each(|step| step.left_out = true);
    }

    /// The steps that count, in order: each is a trial of the search.
    pub(super) fn counted(&self) -> impl Iterator<Item = &CapacityStep> {
        self.steps.iter().filter(|step| !step.left_out)
    }

    fn lost(&self) -> Ending {
        let folder = self.output.folder().display();
        let (load, why) = self.steps.last().map(|step| (step.load, step.cause_detail.as_str())).unwrap_or_default();
        let unit = self.options.plan.capacity.of.unit_of(load);
        let note = format!(
            "the hub was gone: not even {load} {unit} came about any more, which were kept before ({why}); steps that met nothing but errors \
             do not count, and `--resume --out {folder}` goes on once it is back"
        );
        Ending { notes: vec![note], cut_short: true, lost: true, ..Ending::default() }
    }

    /// Nothing more is to be learnt.
    fn done(&self, found: bool) -> Ending {
        let (steps, of) = (self.search.trials(), self.options.plan.capacity.of);
        let least = steps.iter().map(|trial| trial.load).fold(f64::INFINITY, f64::min);
        let note = match self.search.low() {
            _ if found => None,
            Some(_) => Some(format!("{} steps contradicted one another too much to come to an end", steps.len())),
            None if self.steps.iter().any(|step| step.kept) => {
                Some("steps contradicted one another too much to tell a load that is kept".to_owned())
            }
            None => {
                let unit = of.unit_of(least);
                Some(format!("nothing was kept down to {least} {unit}: are the thresholds what such a hub can keep?"))
            }
        };
        Ending { found, notes: note.into_iter().collect(), ..Ending::default() }
    }

    fn stopped(&self) -> Result<Ending, CapacityError> {
        if self.steps.is_empty() {
            return Err(CapacityError::Stopped);
        }
        let note = format!("it was stopped: `--resume --out {}` goes on with it", self.output.folder().display());
        Ok(Ending { notes: vec![note], cut_short: true, ..Ending::default() })
    }

    /// What is left of the time that the search may take, where it has a bound.
    pub(super) fn left(&self) -> Option<Duration> {
        let budget = self.options.plan.capacity.budget?;
        Some(budget.saturating_sub(self.clock.now().since(Nanos::ZERO)))
    }

    /// How many steps come after that with so much `load`, and how long they take.
    fn then(&self, load: f64) -> Option<(usize, Duration)> {
        let (short, full) = self.search.to_go()?;
        let takes = |full| StepPlan::new(&self.options.plan, 1, load, full).estimate() + self.slower;
        let (steps, of_short, of_full) = (short + full, takes(false), takes(true));
        Some((steps, of_short * u32::try_from(short).ok()? + of_full * u32::try_from(full).ok()?))
    }

    fn out_of_time(&self) -> Result<Ending, CapacityError> {
        let time = units::format_duration(self.options.plan.capacity.budget.unwrap_or_default());
        if self.steps.is_empty() {
            let why = format!("capacity.budget, {time}, ran out in the first step; give it more, or measure for less");
            return Err(CapacityError::Plan(why));
        }
        let folder = self.output.folder().display();
        let note = format!("its time, {time}, ran out: `--resume --out {folder}` goes on with it");
        Ok(Ending { notes: vec![note], cut_short: true, ..Ending::default() })
    }

    pub(super) fn steps_folder(&self) -> PathBuf {
        self.output.folder().join(STEPS)
    }

    pub(super) fn step_folder(&self, number: u32) -> PathBuf {
        self.steps_folder().join(format!("{number:02}"))
    }
}
