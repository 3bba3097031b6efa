//! `twinstorm run`.

use std::io::{self, IsTerminal as _};

use clap::Args;

use super::arguments::CommandError;
use super::shared::{Shared, Thresholds, program, stop_on_signals, without};
use crate::profile::Plan;
use crate::report;
use crate::run::{self, Part, Repeat, print};
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// Runs a profile.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// A built-in profile's name (see `twinstorm profile list`) or a file
    #[arg(default_value = "quickstart")]
    profile: String,
    /// Run it so many times, one after another, for `twinstorm compare`: the same plan and the same seed, so that the runs
    /// differ by the hub and by chance alone, each in a process of its own, with its results in DIR/run-01, DIR/run-02, ...
    /// A run that is stopped or that cannot be made ends the series; the exit code is the gravest of all runs'
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=999))]
    repeat: Option<u32>,
    /// Which run of a series this is
    #[arg(long, value_name = "K/N", hide = true, conflicts_with = "repeat")]
    part: Option<Part>,
    #[command(flatten)]
    thresholds: Thresholds,
    #[command(flatten)]
    shared: Shared,
}

impl Run {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let plan = self.shared.plan(&self.profile, &self.thresholds.exprs)?;
        match self.repeat {
            Some(runs) => self.repeat(&plan, runs),
            None => self.shared.execute_part(plan, Roles::BOTH, self.part),
        }
    }

    fn repeat(self, plan: &Plan, runs: u32) -> Result<ExitCode, CommandError> {
        let options = Repeat {
            program: program()?,
            arguments: without(&["--out", "--repeat"], std::env::args().skip(1)),
            runs,
            name: plan.name.clone(),
            out: self.shared.out().or(plan.report.out.as_ref()).cloned(),
            stop: stop_on_signals()?,
        };
        let repeated = run::repeat(&options)
            .map_err(|error| CommandError { code: error.exit_code(), message: error.to_string() })?;
        let results: Vec<_> = repeated.results.iter().map(|stored| &stored.result).collect();
        let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let table = report::repeats(&results, runs, repeated.exit.code(), &plan.compare.metrics, color);
        print::line(format_args!("\n{table}\nresults   {}", repeated.folder.display()));
        Ok(repeated.exit)
    }
}
