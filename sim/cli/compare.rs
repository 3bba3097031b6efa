//! `twinstorm compare`.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::arguments::CommandError;
use super::ci;
use crate::policy::Metric;
use crate::profile::ComparePlan;
use crate::report::comparison::{
    ComparisonHtml, ComparisonJson, ComparisonMarkdown, ComparisonReporter, ComparisonTerminal,
};
use crate::report::{Finding, Weight};
use crate::run::stored::{self, Stored};
use crate::run::{Output, print};
use crate::verdict::ExitCode;
use crate::verdict::compare::{Candidate, Change, CompareOptions, ComparisonResult, MetricRow, compare};

/// Tells whether new results are worse than base ones.
///
/// Each side is a results.json, a folder that holds one, or a folder of run-01, run-02, ... as `run --repeat` makes it; or
/// several of these, with commas between or by --base and --new. The unit is the run: verdicts are given on a few named
/// metrics (`[compare] metrics` of the profile, or --metric), by a rank test over runs, corrected for their number, and a
/// bootstrap interval; a change counts if it is larger than the margin besides. Everything else is shown and not judged.
/// It takes 5 runs a side to prove a change of one of the three usual metrics.
///
/// Of searches for a capacity (`twinstorm capacity`) one a side will do: the intervals that they found are held against
/// each other and the margin.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Compare {
    /// Results of what was, e.g. reports/baselines/quickstart
    #[arg(required_unless_present = "more_base")]
    base: Option<PathBuf>,
    /// Results of what is new
    #[arg(required_unless_present = "more_new")]
    new: Option<PathBuf>,
    /// More results for the base; may be repeated
    #[arg(long = "base", id = "more_base", value_name = "PATH")]
    more_base: Vec<PathBuf>,
    /// More results for the new side; may be repeated
    #[arg(long = "new", id = "more_new", value_name = "PATH")]
    more_new: Vec<PathBuf>,
    /// A metric to give a verdict on, named as on the left side of thresholds, e.g. update.total.p99; may be repeated, and
    /// replaces those that the profile names
    #[arg(long = "metric", value_name = "METRIC")]
    metrics: Vec<String>,
    /// How large a change has to be to count, e.g. 10% (default: what the profile says)
    #[arg(long, value_name = "SHARE")]
    margin: Option<String>,
    /// Only hold medians against the margin, with as little as one run a side; no statistics stand behind the verdicts
    #[arg(long)]
    margin_only: bool,
    /// What an inconclusive comparison ends with: `fail` (exit code 96: it proves nothing) or `pass` (0)
    #[arg(long, value_name = "HOW", default_value = "fail")]
    inconclusive: Inconclusive,
    /// Compare results that do not count or whose plans differ in more than the hub; every output says so
    #[arg(long)]
    force: bool,
    /// Formats: those to write with --out (default: all but the terminal's), else the one to print in place of the table;
    /// may be repeated
    #[arg(long = "format", value_name = "FORMAT")]
    formats: Vec<Format>,
    /// Folder to write comparison.json, comparison.md and comparison.html to
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const EXIT_CODES: &str = "\
Exit codes: 0 equivalent or improved; 98 regressed; 96 inconclusive (unless --inconclusive pass), or results that do not
count; 2 wrong usage, results that cannot be read, or plans that differ in more than [hub].";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Inconclusive {
    Pass,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Terminal,
    Markdown,
    Html,
    Json,
}

impl Format {
    /// Those that are written to files, and their names.
    const FILES: [(Self, &'static str); 3] =
        [(Self::Json, "comparison.json"), (Self::Markdown, "comparison.md"), (Self::Html, "comparison.html")];

    fn render(self, comparison: &ComparisonResult) -> Result<Vec<u8>, CommandError> {
        // https://no-color.org
        let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let reporter: &dyn ComparisonReporter = match self {
            Self::Terminal => &ComparisonTerminal { color },
            Self::Markdown => &ComparisonMarkdown,
            Self::Html => &ComparisonHtml,
            Self::Json => &ComparisonJson,
        };
        reporter.render(comparison).map_err(CommandError::other)
    }
}

impl Compare {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let printed = self.printed()?;
        let files: Vec<(Format, &str)> = Format::FILES
            .into_iter()
            .filter(|(format, _)| self.formats.is_empty() || self.formats.contains(format))
            .collect();
        let options = CompareOptions {
            metrics: self.metrics.iter().map(|name| metric(name)).collect::<Result<_, _>>()?,
            margin_pct: self.margin.as_deref().map(margin).transpose()?,
            margin_only: self.margin_only,
            inconclusive_passes: self.inconclusive == Inconclusive::Pass,
            force: self.force,
        };
        let (base, new) = (read(self.base, self.more_base)?, read(self.new, self.more_new)?);
        let comparison = compare(&base, &new, &options)
            .map_err(|error| CommandError { code: error.exit_code(), message: error.to_string() })?;
        let text = printed.render(&comparison)?;
        print::line(String::from_utf8_lossy(&text).trim_end());
        let mut summary = None;
        if let Some(folder) = self.out {
            let names: Vec<&str> = files.iter().map(|(_, name)| *name).collect();
            let output = Output::open(folder, &names).map_err(CommandError::usage)?;
            for (format, name) in files {
                let path = output.write(name, &format.render(&comparison)?).map_err(CommandError::other)?;
                print::line(format_args!("written   {}", path.display()));
                summary = summary.or((format == Format::Markdown).then_some(path));
            }
        }
        // What is printed for a program to read has to stay so.
        if printed == Format::Terminal {
            tell(&comparison, summary.as_deref())?;
        }
        Ok(ExitCode::from_code(comparison.exit_code))
    }

    /// The format that goes to standard output.
    fn printed(&self) -> Result<Format, CommandError> {
        match (&self.out, &self.formats[..]) {
            (Some(_), _) | (None, []) => Ok(Format::Terminal),
            (None, [format]) => Ok(*format),
            (None, _) => {
                Err(CommandError::usage("--format: several formats need a folder to be written to: --out DIR"))
            }
        }
    }
}

/// Tells the CI service what did not pass, with the summary that was written, if one was.
fn tell(comparison: &ComparisonResult, file: Option<&Path>) -> Result<(), CommandError> {
    let fails = comparison.exit_code != ExitCode::Success.code();
    let of = |row: &&MetricRow| fails && matches!(row.verdict, Change::Regressed | Change::Inconclusive);
    let finding = |row: &MetricRow| Finding {
        weight: Weight::Error,
        title: format!("{}: {}", row.metric, row.verdict.name()),
        message: row.reason.clone(),
    };
    let of_capacity = comparison.capacity.iter().filter(|_| fails).map(|change| Finding {
        weight: Weight::Error,
        title: format!("capacity of {}: {}", change.of, change.verdict.name()),
        message: change.reason.clone(),
    });
    let findings: Vec<Finding> = comparison.metrics.iter().filter(of).map(finding).chain(of_capacity).collect();
    let text = Format::Markdown.render(comparison)?;
    ci::tell(&findings, file, |limit| {
        // Half a table tells nothing.
        if text.len() > limit { String::new() } else { String::from_utf8_lossy(&text).into_owned() }
    });
    Ok(())
}

fn metric(name: &str) -> Result<Metric, CommandError> {
    name.parse().map_err(|error| CommandError::usage(format!("--metric {name}: {error}")))
}

fn margin(text: &str) -> Result<f64, CommandError> {
    ComparePlan::parse_margin(text).map_err(|why| CommandError::usage(format!("--margin {text}: {why}")))
}

/// All results of a side: what its argument names, and more.
fn read(named: Option<PathBuf>, more: Vec<PathBuf>) -> Result<Vec<Candidate>, CommandError> {
    let mut results = Vec::new();
    for path in named.iter().flat_map(|named| several(named)).chain(more) {
        results.extend(stored::read(&path).map_err(CommandError::usage)?);
    }
    let candidate = |stored: Stored| Candidate { path: shown(&stored.path), result: stored.result };
    Ok(results.into_iter().map(candidate).collect())
}

/// Paths with commas between, unless there is one that is called so.
fn several(named: &Path) -> Vec<PathBuf> {
    match named.to_str() {
        Some(text) if !named.exists() => text.split(',').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
        _ => vec![named.to_owned()],
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
