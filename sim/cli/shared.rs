//! What `run`, `fleet` and `drive` have in common.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;

use super::arguments::CommandError;
use super::ci;
use crate::measure::{RunResult, raise_descriptor_limit};
use crate::policy::ReportFormat;
use crate::profile::{self, Override, Plan};
use crate::random::Seed;
use crate::report::{self, RESULTS, Reporter as _, SUMMARY};
use crate::run::{
    self, Diagnosis, FinishedRun, MetricsEndpoint, Part, ResultsFolder, RunError, RunOptions, StopHandle, View, print,
};
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// What changes a profile's values, as far as its devices and their hub are concerned.
#[derive(Debug, Args)]
pub(super) struct DeviceOptions {
    /// Devices in the fleet (fleet.devices)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    devices: Option<String>,
    /// The hub: `embedded`, `azure` for the one that the environment names, `null` for one that only acknowledges (hub.kind),
    /// or the address of a plain MQTT broker, `mqtt://host:port`, `mqtts://...`, `ws://...`, `wss://...` (hub.url)
    #[arg(long, value_name = "HUB")]
    pub(super) hub: Option<String>,
    /// Set a value of the profile, e.g. `--set load.rate=200` (a TOML value or bare text); lists are reached into by number
    /// or name: `--set fault.0.at=3s`, `--set fault.offline.at=3s`
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

/// What changes a profile's values.
#[derive(Debug, Args)]
pub(super) struct PlanOptions {
    #[command(flatten)]
    devices: DeviceOptions,
    /// Calls per second of an open load (load.rate)
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    rate: Option<String>,
    /// Seed of every random choice (seed)
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    seed: Option<String>,
}

/// What must hold beside what the profile asks for, where there is something to judge.
#[derive(Debug, Args)]
pub(super) struct Thresholds {
    /// What must hold as well, e.g. `--threshold "update.total.p99 < 60s"`; may be repeated. It is added to the profile's own,
    /// all of which still hold (`--set threshold=[]` takes those away). To add one that ends the run as soon as it breaks:
    /// `--set 'threshold.+={ expr = "census.failed < 5", abort = true }'`
    #[arg(long = "threshold", value_name = "EXPR")]
    pub(super) exprs: Vec<String>,
}

/// Options of `run`, `fleet` and `drive`.
#[derive(Debug, Args)]
pub(super) struct Shared {
    #[command(flatten)]
    plan: PlanOptions,
    /// Folder for the results (default: reports/runs/PROFILE-TIME)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Formats to write beside results.json, e.g. `--format html,junit`, which may be given more than once; `json` alone
    /// for nothing beside it (report.formats; default: all but events)
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Option<Vec<String>>,
    /// Serve metrics at http://ADDR/metrics while the run goes on, e.g. 127.0.0.1:9464; port 0 for a free one
    /// (report.metrics)
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
    /// Write every timestamp and decision about this device's update (its number, from 0) into the results' folder
    #[arg(long, value_name = "DEVICE")]
    trace: Option<u32>,
    /// Show how far the run is by a line a second on standard error, also on a terminal that could show more
    #[arg(long)]
    plain: bool,
    /// Confirm that you may put load on a hub that is not on this machine
    #[arg(long = "i-own-this-hub")]
    owns_hub: bool,
}

impl DeviceOptions {
    /// Loads the profile with every override; those of the environment yield to those of the command line.
    pub(super) fn plan(&self, profile: &str) -> Result<Plan, CommandError> {
        self.with(profile, &[], &[])
    }

    /// Whether the number of devices was asked for, rather than being the profile's.
    pub(super) fn says_how_many(&self) -> bool {
        let sets = |set: &String| set.split('=').next().is_some_and(|key| key.trim() == "fleet.devices");
        self.devices.is_some()
            || self.set.iter().any(sets)
            || std::env::var_os(format!("{}FLEET__DEVICES", Override::ENVIRONMENT)).is_some()
    }

    /// The same with `more` flags, the keys that they stand for, and their values, and with what is added `last`.
    fn with(
        &self,
        profile: &str,
        more: &[(&str, &str, &Option<String>)],
        last: &[Override],
    ) -> Result<Plan, CommandError> {
        let mut overrides = Override::from_environment(std::env::vars());
        // An address is that of a plain broker.
        let is_address = self.hub.as_ref().is_some_and(|hub| hub.contains("://"));
        let (kind, url) = match is_address {
            true => (Some("mqtt".to_owned()), self.hub.clone()),
            false => (self.hub.clone(), None),
        };
        let own =
            [("--devices", "fleet.devices", &self.devices), ("--hub", "hub.kind", &kind), ("--hub", "hub.url", &url)];
        for (flag, key, value) in own.iter().chain(more) {
            if let Some(value) = value {
                overrides.push(Override::flag(flag, key, value));
            }
        }
        for set in &self.set {
            overrides.push(Override::set(set).map_err(CommandError::usage)?);
        }
        overrides.extend_from_slice(last);
        profile::load(profile, &overrides).map_err(CommandError::usage)
    }
}

impl PlanOptions {
    /// Loads the profile with every override; those of the environment yield to those of the command line.
    pub(super) fn plan(&self, profile: &str) -> Result<Plan, CommandError> {
        self.with(profile, &[], &[])
    }

    /// The same with `more` flags, the keys that they stand for, and their values, and with what is added `last`.
    pub(super) fn with(
        &self,
        profile: &str,
        more: &[(&str, &str, &Option<String>)],
        last: &[Override],
    ) -> Result<Plan, CommandError> {
        let own = [("--rate", "load.rate", &self.rate), ("--seed", "seed", &self.seed)];
        self.devices.with(profile, &[&own, more].concat(), last)
    }
}

impl Shared {
    /// Loads the profile with every override, and adds these `thresholds` to it.
    pub(super) fn plan(&self, profile: &str, thresholds: &[String]) -> Result<Plan, CommandError> {
        let formats = self.format.as_ref().map(|names| names.join(","));
        let flags = [("--format", "report.formats", &formats), ("--metrics", "report.metrics", &self.metrics)];
        // Behind `--set`, which may replace the profile's own.
        let thresholds: Vec<Override> = thresholds.iter().map(|expr| Override::threshold(expr)).collect();
        self.plan.with(profile, &flags, &thresholds)
    }

    /// Where results go, if that was said.
    pub(super) fn out(&self) -> Option<&PathBuf> {
        self.out.as_ref()
    }

    /// Runs `plan` with `roles`.
    pub(super) fn execute(self, plan: Plan, roles: Roles) -> Result<ExitCode, CommandError> {
        self.execute_part(plan, roles, None)
    }

    /// The same as this part of a series, if it is one: a line then is all that is said of its end.
    pub(super) fn execute_part(self, plan: Plan, roles: Roles, part: Option<Part>) -> Result<ExitCode, CommandError> {
        let program = program()?;
        let command = command_line(Some(plan.seed), &[], &["--out", "--part"]);
        // What concerns the whole process is decided here, by the program, and not by whoever runs a plan.
        raise_descriptor_limit().map_err(CommandError::other)?;
        let stop = stop_on_signals()?;
        let metrics = plan.report.metrics.map(MetricsEndpoint::open).transpose();
        let metrics = metrics.map_err(|error| CommandError { code: error.exit_code(), message: error.to_string() })?;
        if let Some(metrics) = &metrics {
            print::note(format_args!("metrics on http://{}/metrics", metrics.address()));
        }
        if part.is_some() {
            run::stop_with_parent(&stop).map_err(CommandError::other)?;
        }
        let has_summary = plan.report.formats.contains(&ReportFormat::Markdown);
        let mut options = RunOptions::new(plan);
        options.roles = roles;
        options.folder = self.out.map_or(ResultsFolder::Own, ResultsFolder::At);
        options.trace = self.trace;
        options.command = command;
        options.program = Some(program);
        options.part = part;
        options.owns_hub = self.owns_hub;
        options.view = if self.plain { View::Plain } else { View::Shown };
        options.stop = stop;
        options.metrics = metrics.clone();
        options.swallow_outcomes = swallow_outcomes();
        match run::execute(options) {
            Ok(FinishedRun { result, folder }) if part.is_some() => {
                print::line(report::one_line(&result, &folder.unwrap_or_default().join(RESULTS)));
                Ok(ExitCode::from_code(result.exit_code))
            }
            Ok(FinishedRun { result, folder }) => {
                let table = table(&result)?;
                let file = folder.as_ref().map(|folder| format!("\nresults   {}", folder.join(RESULTS).display()));
                print::line(format_args!("{table}{}", file.unwrap_or_default()));
                let summary = folder.filter(|_| has_summary).map(|folder| folder.join(SUMMARY));
                ci::tell_of(&result, summary.as_deref());
                Ok(ExitCode::from_code(result.exit_code))
            }
            Err(error) => {
                if let RunError::Write { result, .. } = &error {
                    print::line(table(result)?);
                    ci::tell_of(result, None);
                }
                Err(CommandError { code: error.exit_code(), message: error.to_string() })
            }
        }
    }
}

/// What a run of `plan` would be beside its summary: what the hub is given, and which processes would be started.
pub(super) fn prospect(plan: &Plan, diagnosis: &Diagnosis) -> Vec<String> {
    let given = plan.hub.given();
    let hub = (!given.is_empty()).then(|| format!("the hub has {}", given.join("; ")));
    let start = (!diagnosis.processes.is_empty()).then(|| format!("would start {}", diagnosis.processes));
    let note = diagnosis.note.as_ref().map(|note| format!("note: {note}"));
    [hub, start, note].into_iter().flatten().collect()
}

/// This program's own file.
pub(super) fn program() -> Result<PathBuf, CommandError> {
    std::env::current_exe()
        .map_err(|error| CommandError::other(format!("cannot find this program's own file: {error}")))
}

/// From now on the first signal stops what is under way, and the second exits.
pub(super) fn stop_on_signals() -> Result<StopHandle, CommandError> {
    run::stop_on_signals().map_err(|error| CommandError::other(format!("cannot wait for signals: {error}")))
}

/// What a run's end shows on the terminal.
pub(super) fn table(result: &RunResult) -> Result<String, CommandError> {
    // https://no-color.org
    let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let table = report::Terminal { color }.render(result).map_err(CommandError::other)?;
    Ok(String::from_utf8_lossy(&table).into_owned())
}

/// The command that repeats this run, with what the environment overrides and its `seed`, which the profile may say
/// otherwise by then; not into the same folder, where it would replace these results. Neither flags nor the values of a plan
/// hold secrets, so none can be in it. It is without the flags `without_value`, and without those `with_value` and theirs.
pub(super) fn command_line(seed: Option<Seed>, without_value: &[&str], with_value: &[&str]) -> String {
    let mut overrides: Vec<String> = std::env::vars()
        .filter(|(name, _)| name.starts_with(Override::ENVIRONMENT))
        .map(|(name, value)| format!("{name}={}", quote(&value)))
        .collect();
    overrides.sort();
    overrides.push("twinstorm".to_owned());
    let arguments = std::env::args().skip(1).filter(|argument| !without_value.contains(&argument.as_str()));
    overrides.extend(repeating(arguments, with_value, seed));
    overrides.join(" ")
}

/// The words that repeat what `arguments` did.
fn repeating(arguments: impl Iterator<Item = String>, leave_out: &[&str], seed: Option<Seed>) -> Vec<String> {
    let (mut words, mut says_seed) = (Vec::new(), false);
    for argument in without(leave_out, arguments) {
        says_seed |= argument == "--seed" || argument.starts_with("--seed=");
        words.push(quote(&argument));
    }
    if let Some(seed) = seed.filter(|_| !says_seed) {
        // Behind `--` it would be no flag.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, format!("--seed {}", seed.0));
    }
    words
}

/// `arguments` without these flags and their values.
pub(super) fn without(flags: &[&str], arguments: impl Iterator<Item = String>) -> Vec<String> {
    let (mut left, mut is_value) = (Vec::new(), false);
    for argument in arguments {
        let is_flag = flags.contains(&argument.as_str());
        let with_value = argument.split_once('=').is_some_and(|(flag, _)| flags.contains(&flag));
        if !is_value && !is_flag && !with_value {
            left.push(argument);
        }
        is_value = !is_value && is_flag;
    }
    left
}

fn quote(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// A hook for the test that the census can fail: forget so many outcomes.
fn swallow_outcomes() -> u32 {
    std::env::var("TWINSTORM_TEST_SWALLOW_OUTCOMES").ok().and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_repeated_with_its_seed_and_into_a_folder_of_its_own() {
        for (given, words) in [
            ("run", "run --seed 7"),
            ("run q --out dir --rate 5", "run q --rate 5 --seed 7"),
            ("run --rate 5 -- q", "run --rate 5 --seed 7 -- q"),
            ("run --out=dir --seed=7", "run --seed=7"),
            ("run --part 3/5 q --out dir/run-03", "run q --seed 7"),
            ("run --seed 7 --set a={}", "run --seed 7 --set 'a={}'"),
            ("run --seed 7 --threshold census.failed==0", "run --seed 7 --threshold census.failed==0"),
            ("run --seed 7 --threshold=census.failed<1", "run --seed 7 '--threshold=census.failed<1'"),
        ] {
            let given = given.split(' ').map(str::to_owned);
            assert_eq!(repeating(given, &["--out", "--part"], Some(Seed(7))).join(" "), words);
        }
    }
}
