//! What a search is started with, what it tells, and how it can end without a capacity.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::measure::{CapacityCeiling, CapacityStep, RunResult, StepPurpose};
use crate::profile::Plan;
use crate::run::{KeepError, OutputError, ResultsFileError, RunError, Status, StopHandle};
use crate::verdict::ExitCode;

/// What to search, and how.
#[derive(Debug)]
pub struct CapacityOptions {
    /// The plan whose thresholds are to be kept, and whose `capacity` says how it is gone about.
    pub plan: Plan,
    /// The program that can be started as a hub and as a shard; without one all of it is in this process.
    pub program: Option<PathBuf>,
    /// Where results go; `None`: a new folder below reports/runs.
    pub folder: Option<PathBuf>,
    /// Whether to go on with the search whose results lie there.
    pub resume: bool,
    /// The command that repeats this search, as reports show it, and how that of a step begins.
    pub command: String,
    /// The command that runs the plan, without what makes a step of it.
    pub run_command: String,
    /// Whether the user confirmed that load may go to a hub elsewhere.
    pub owns_hub: bool,
    /// The highest load that this machine's generator makes, if that is known.
    pub ceiling: Option<CapacityCeiling>,
    /// What stops the search before its end.
    pub stop: StopHandle,
    /// Who is told how far a step is, once a second.
    pub watch: Option<Watch>,
}

/// Who is told, once a second, how far the step of this number is. It is called as a run's observer is.
#[derive(Clone)]
pub struct Watch(Arc<Tell>);

type Tell = dyn Fn(u32, &Status) + Send + Sync;

impl Watch {
    /// One that `tell` is called for.
    pub fn new(tell: impl Fn(u32, &Status) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The step of this number is so far.
    pub(super) fn tell(&self, number: u32, status: &Status) {
        (self.0)(number, status);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// What a search tells while it goes on.
#[derive(Debug)]
pub enum News<'a> {
    /// All that is found goes to this folder.
    Folder(&'a Path),
    /// Steps that were made before count.
    Resumed(&'a [CapacityStep]),
    /// A step begins.
    Begins {
        /// Its number.
        number: u32,
        /// Its load.
        load: f64,
        /// What for.
        purpose: StepPurpose,
        /// What it is going to take, roughly.
        estimate: Duration,
        /// How many steps come after it, and what they take together, if none contradicts another; `None` as long as that
        /// is not known.
        then: Option<(usize, Duration)>,
    },
    /// It has ended.
    Ended(&'a CapacityStep),
}

/// A finished search.
#[derive(Debug)]
pub struct Found {
    /// The run that the interval's lower end was confirmed by, or the lowest that was tried if nothing was kept, with the
    /// capacity.
    pub result: RunResult,
    /// The folder that holds its files and the steps'.
    pub folder: PathBuf,
}

/// Why there is no capacity.
#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    /// The plan is none to search with.
    #[error("{0}")]
    Plan(String),
    /// Results cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The folder holds a search that is not to be lost.
    #[error(
        "{0} holds a search that is not finished ({1} steps): go on with it by --resume and the flags that it was begun \
         with, or name another folder with --out"
    )]
    Unfinished(PathBuf, usize),
    /// There is nothing to go on with.
    #[error("{0} holds no search to go on with: {1}")]
    NothingToResume(PathBuf, String),
    /// The search there is of another plan.
    #[error(
        "{folder} holds a search of another plan: {difference}; go on with the same, or name another folder with --out"
    )]
    AnotherPlan {
        /// The folder.
        folder: PathBuf,
        /// Where the two differ.
        difference: String,
    },
    /// A step could not be run.
    #[error("step {number}, {load} {unit}: {source}{}", way_on(*number))]
    Step {
        /// Its number.
        number: u32,
        /// Its load.
        load: f64,
        /// What that is counted in.
        unit: &'static str,
        /// Why.
        source: Box<RunError>,
    },
    /// A step's result cannot be read again.
    #[error(transparent)]
    Results(#[from] ResultsFileError),
    /// Not all files of the result could be kept.
    #[error("the search is over, but not all of its results could be kept: {0}")]
    Keep(#[from] KeepError),
    /// It was stopped before its first step had ended.
    #[error("stopped before anything was found")]
    Stopped,
    /// The system failed.
    #[error("the system failed: {0}")]
    System(#[from] io::Error),
}

/// What is left when a step could not be run.
const fn way_on(number: u32) -> &'static str {
    if number > 1 { "; what was found before is kept, and --resume goes on with it" } else { "" }
}

impl CapacityError {
    /// What the command exits with.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Plan(_)
            | Self::Output(_)
            | Self::Unfinished(..)
            | Self::NothingToResume(..)
            | Self::AnotherPlan { .. } => ExitCode::Usage,
            Self::Step { source, .. } => source.exit_code(),
            Self::Stopped => ExitCode::Aborted,
            Self::Results(_) | Self::Keep(_) | Self::System(_) => ExitCode::Error,
        }
    }
}
