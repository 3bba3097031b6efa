//! `twinstorm capacity`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;

use super::arguments::CommandError;
use super::ci;
use super::shared::{PlanOptions, Thresholds, command_line, program, stop_on_signals, table};
use crate::capacity::{self, Calibration, CalibrationError, Calibrations, CapacityOptions, Found, News, Watch};
use crate::measure::{CapacityCause, CapacityCeiling, MachineDescription, RunResult, raise_descriptor_limit};
use crate::policy::{CapacityOf, ReportFormat, units};
use crate::profile::{HubPlan, Override, Plan};
use crate::report::{self, RESULTS, SUMMARY};
use crate::run::print::{self, Notes};
use crate::run::progress_line;
use crate::verdict::ExitCode;

/// Looks for the highest load that keeps a profile's thresholds.
#[derive(Debug, Args)]
pub(super) struct Capacity {
    /// A built-in profile's name (see `twinstorm profile list`) or a file [default: capacity]
    profile: Option<String>,
    /// What of: `calls` (method calls per second), `devices` (that stay connected), or `connect-rate` (capacity.of)
    #[arg(long, value_name = "WHAT")]
    of: Option<String>,
    /// The load of the first step, e.g. 10/s, or a number of devices (capacity.start)
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    start: Option<String>,
    /// No step has more load (capacity.limit)
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    limit: Option<String>,
    /// How wide the interval may be, e.g. 5% (capacity.precision)
    #[arg(long, value_name = "SHARE")]
    precision: Option<String>,
    /// How long a step is measured that confirms an end of the interval; others half as long (capacity.measure)
    #[arg(long, value_name = "TIME")]
    measure: Option<String>,
    /// How long the search may take, e.g. 10m; it then tells the best interval so far (capacity.budget)
    #[arg(long, value_name = "TIME")]
    budget: Option<String>,
    /// Go on with the search in --out, which was stopped or ran out of time
    #[arg(long, requires = "out")]
    resume: bool,
    /// Find out what this machine's generator makes, against a hub that only acknowledges, and remember it: results that
    /// come close to it are marked from then on. It is kept in ~/.local/state/twinstorm/calibration.json, or in the file that
    /// TWINSTORM_CALIBRATION names, for this machine and this version
    #[arg(long, conflicts_with_all = ["hub", "exprs"])]
    calibrate: bool,
    #[command(flatten)]
    thresholds: Thresholds,
    #[command(flatten)]
    plan: PlanOptions,
    /// Folder for the results (default: reports/runs/PROFILE-TIME); each step's are in its steps/NN
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Formats to write beside results.json, e.g. `--format html,junit` (report.formats; default: all but events)
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Option<Vec<String>>,
    /// Confirm that you may put load on a hub that is not on this machine
    #[arg(long = "i-own-this-hub")]
    owns_hub: bool,
}

/// The profile unless another is named.
const PROFILE: &str = "capacity";
/// Flags with a value that make no difference to a single step.
const OF_THE_SEARCH: [&str; 8] =
    ["--of", "--start", "--limit", "--precision", "--measure", "--budget", "--out", "--seed"];
/// What is remembered of a generator is known to so many times the precision that was asked for.
const ROUGHLY: f64 = 2.0;

impl Capacity {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let plan = self.plan()?;
        if self.calibrate && !matches!(plan.hub, HubPlan::Null { .. }) {
            return Err(CommandError::usage(
                "--calibrate is for the hub that only acknowledges: leave --set hub.kind out",
            ));
        }
        raise_descriptor_limit().map_err(CommandError::other)?;
        let has_summary = plan.report.formats.contains(&ReportFormat::Markdown);
        let of = plan.capacity.of;
        let calibrations = Calibrations::of_environment(|name| std::env::var(name).ok());
        let machine = MachineDescription::read();
        let ceiling = if self.calibrate { None } else { ceiling(&calibrations, &plan, &machine) };
        let options = CapacityOptions {
            command: command_line(Some(plan.seed), &["--resume"], &["--out"]),
            run_command: self.run_command(),
            folder: self.out.clone().or_else(|| plan.report.out.clone()),
            resume: self.resume,
            program: Some(program()?),
            owns_hub: self.owns_hub,
            ceiling,
            stop: stop_on_signals()?,
            watch: Some(watch()?),
            plan: plan.clone(),
        };
        let command = options.command.clone();
        let found = capacity::find(options, |news| tell(of, &news));
        let Found { result, folder } =
            found.map_err(|error| CommandError { code: error.exit_code(), message: error.to_string() })?;
        let remembers = !self.calibrate || remember(calibrations, &plan, machine, command, &result)?;
        print::line(format_args!("{}\nresults   {}", table(&result)?, folder.join(RESULTS).display()));
        ci::tell_of(&result, Some(folder.join(SUMMARY)).filter(|_| has_summary).as_deref());
        // A calibration of which nothing is left has not done what it was for.
        let exit = ExitCode::from_code(result.exit_code);
        Ok(if remembers || exit != ExitCode::Success { exit } else { ExitCode::Invalid })
    }

    fn plan(&self) -> Result<Plan, CommandError> {
        let formats = self.format.as_ref().map(|names| names.join(","));
        let null = self.calibrate.then(|| "null".to_owned());
        let flags = [
            ("--of", "capacity.of", &self.of),
            ("--start", "capacity.start", &self.start),
            ("--limit", "capacity.limit", &self.limit),
            ("--precision", "capacity.precision", &self.precision),
            ("--measure", "capacity.measure", &self.measure),
            ("--budget", "capacity.budget", &self.budget),
            ("--format", "report.formats", &formats),
            ("--calibrate", "hub.kind", &null),
        ];
        let thresholds: Vec<Override> = self.thresholds.exprs.iter().map(|expr| Override::threshold(expr)).collect();
        self.plan.with(self.profile.as_deref().unwrap_or(PROFILE), &flags, &thresholds)
    }

    /// The command that runs the plan once.
    fn run_command(&self) -> String {
        let command = command_line(None, &["--resume", "--calibrate"], &OF_THE_SEARCH);
        let profile = if self.profile.is_some() { String::new() } else { format!(" {PROFILE}") };
        let hub = if self.calibrate { " --hub null" } else { "" };
        command.replacen("twinstorm capacity", &format!("twinstorm run{profile}{hub}"), 1)
    }
}

/// What is known of this machine's generator.
fn ceiling(
    calibrations: &Result<Calibrations, CalibrationError>,
    plan: &Plan,
    machine: &MachineDescription,
) -> Option<CapacityCeiling> {
    // Where nothing can be kept, nothing was.
    let Ok(calibrations) = calibrations else { return None };
    let (of, transport) = (plan.capacity.of, plan.fleet.transport);
    let known = match calibrations.recall(of, transport, machine) {
        Ok(known) => known,
        Err(error) => {
            print::note(format_args!("note      {error}"));
            return None;
        }
    };
    if known.is_none() {
        print::note(
            "note      what this machine's generator makes is not known: `twinstorm capacity --calibrate` finds out",
        );
    }
    known.map(|known| CapacityCeiling { load: known.load, measured_at: known.measured_at, near: false })
}

/// Keeps what a calibration has found, if it has found the generator's end; whether it has.
fn remember(
    calibrations: Result<Calibrations, CalibrationError>,
    plan: &Plan,
    machine: MachineDescription,
    command: String,
    result: &RunResult,
) -> Result<bool, CommandError> {
    let found = result.capacity.as_ref().filter(|capacity| capacity.finished);
    let found = found.filter(|capacity| capacity.cause == Some(CapacityCause::Generator));
    // One whose steps contradicted one another knows it too roughly to mark others by.
    let found = found.filter(|capacity| capacity.width.is_none_or(|width| width <= capacity.precision * ROUGHLY));
    let Some(load) = found.and_then(|capacity| capacity.low) else {
        print::note("nothing is remembered: the search did not come to the generator's end, or not closely enough");
        return Ok(false);
    };
    let calibrations = calibrations.map_err(CommandError::other)?;
    let calibration = Calibration {
        of: plan.capacity.of,
        load,
        transport: plan.fleet.transport,
        observe: plan.driver.observe.kind,
        measured_at: result.started_at,
        machine,
        command,
    };
    calibrations.remember(&calibration).map_err(CommandError::other)?;
    print::note(format_args!("remembered in {}", calibrations.path().display()));
    Ok(true)
}

/// How often a step says how far it is, in seconds.
const PACE_S: u64 = 10;

/// What tells how far a step is, now and then: a terminal that takes no lines must not hold it up.
fn watch() -> Result<Watch, CommandError> {
    let notes = Notes::start().map_err(CommandError::other)?;
    let said = Mutex::new((notes, (0, 0)));
    Ok(Watch::new(move |number, status| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (number, status.elapsed.as_secs() / PACE_S);
        if now.1 > 0 && now != said.1 {
            said.0.say(format!("step {number:02}  {}", progress_line(status)));
            said.1 = now;
        }
    }))
}

/// A time to be expected, to the second.
fn about(time: Duration) -> String {
    units::format_duration(Duration::from_secs(time.as_secs().max(1)))
}

/// Tells how the search goes.
fn tell(of: CapacityOf, news: &News<'_>) {
    match news {
        News::Folder(folder) => print::note(format_args!("results   in {}", folder.display())),
        News::Resumed(steps) => {
            let count = steps.iter().filter(|step| !step.left_out).count();
            let were = if steps.len() == 1 { "step was" } else { "steps were" };
            print::note(format_args!("{} {were} made before, {count} of which count", steps.len()));
        }
        News::Begins { number, load, purpose, estimate, then } => {
            let (unit, purpose, takes) = (of.unit_of(*load), purpose.name(), about(*estimate));
            let then = match then {
                Some((1, time)) => format!(", then 1 step of {}", about(*time)),
                Some((steps, time)) if *steps > 1 => format!(", then {steps} steps of {} together", about(*time)),
                _ => String::new(),
            };
            print::note(format_args!("step {number:02}  {load} {unit} ({purpose}), about {takes}{then} ..."));
        }
        News::Ended(step) => {
            print::note(report::capacity_step(of, step));
        }
    }
}
