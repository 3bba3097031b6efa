//! What a run is started with, and how it can end without a result.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::devices_file::DevicesFileError;
use super::embedded_hub::EmbeddedHubError;
use super::environment::EnvironmentError;
use super::keep::KeepError;
use super::live::Status;
use super::metrics_endpoint::MetricsEndpoint;
use super::output::OutputError;
use super::preflight::PreflightError;
use super::stop::StopHandle;
use crate::driver::RegistryError;
use crate::measure::RunResult;
use crate::profile::Plan;
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// What to run, and how. Made by [`RunOptions::new`] it is what a program wants that runs a plan within itself: nothing is
/// printed, nothing written, no signal taken, and the embedded hub is a part of the program. Every field may be changed.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunOptions {
    /// The plan.
    pub plan: Plan,
    /// Which actors.
    pub roles: Roles,
    /// Where results are written to, if anywhere.
    pub folder: ResultsFolder,
    /// A device to follow, by its number: everything that happens to it is written into the results' folder.
    pub trace: Option<u32>,
    /// The command that repeats this run, as reports show it.
    pub command: String,
    /// The program that can be started as a hub (`PROGRAM hub --control`) and as a shard (`PROGRAM shard --control`):
    /// `twinstorm` itself. Without one, all of the run is in this process: one shard and one embedded hub.
    pub program: Option<PathBuf>,
    /// Which run of a series it is, where it is one.
    pub part: Option<Part>,
    /// Whether the user confirmed that load may go to a hub elsewhere.
    pub owns_hub: bool,
    /// Who is told how the run goes, for whoever scrapes it; it outlives the run. What the plan says of one is for whoever
    /// opens it.
    pub metrics: Option<MetricsEndpoint>,
    /// What is shown while the run goes on.
    pub view: View,
    /// Who is told, once a second, how far the run is.
    pub observer: Option<Observer>,
    /// What stops the run before its end.
    pub stop: StopHandle,
    /// Forget so many outcomes: proves that the census notices.
    #[doc(hidden)]
    pub swallow_outcomes: u32,
}

/// A run's place in a series, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} of {}", self.number, self.of)
    }
}

/// Written as `3/5`.
impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match part {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("must be like `3/5`".to_owned()),
        }
    }
}

/// Where results are written to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ResultsFolder {
    /// Where the plan says (`report.out`). One that says nothing leaves no files.
    #[default]
    Planned,
    /// Where the plan says, or else a new folder below reports/runs in the working folder.
    Own,
    /// To this one, whatever the plan says.
    At(PathBuf),
}

/// What is shown on the terminal while a run goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum View {
    /// Nothing at all; what would be said goes to `tracing`.
    #[default]
    Quiet,
    /// A screen of its own where standard input, output and error are a terminal, else as [`View::Plain`]. What a plan
    /// with `report.narrate` tells goes to standard output.
    Shown,
    /// A line a second on standard error.
    Plain,
}

/// Who is told, once a second, how far a run is. It is called on the thread that conducts the run: what it takes long for
/// delays the run's progress, waves and end, though no measurement.
pub struct Observer(Box<dyn FnMut(&Status) + Send>);

impl Observer {
    /// One that `tell` is called for.
    pub fn new(tell: impl FnMut(&Status) + Send + 'static) -> Self {
        Self(Box::new(tell))
    }

    pub(super) fn tell(&mut self, status: &Status) {
        (self.0)(status);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl RunOptions {
    /// Runs `plan` within this process, silently.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let command = format!("twinstorm::run::execute({}, seed {})", plan.name, plan.seed.0);
        Self {
            plan,
            roles: Roles::BOTH,
            folder: ResultsFolder::Planned,
            trace: None,
            command,
            program: None,
            part: None,
            owns_hub: false,
            metrics: None,
            view: View::Quiet,
            observer: None,
            stop: StopHandle::new(),
            swallow_outcomes: 0,
        }
    }

    /// Writes the results into `folder`, in the formats that the plan names.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = ResultsFolder::At(folder.into());
        self
    }

    /// Tells `tell`, once a second, how far the run is, see [`Observer`].
    #[must_use]
    pub fn observed_by(mut self, tell: impl FnMut(&Status) + Send + 'static) -> Self {
        self.observer = Some(Observer::new(tell));
        self
    }

    /// Lets `stop` stop the run.
    #[must_use]
    pub fn stopped_by(mut self, stop: &StopHandle) -> Self {
        self.stop = stop.clone();
        self
    }
}

/// A finished run: what it measured, judged, and where that was written.
#[derive(Debug)]
pub struct FinishedRun {
    /// Everything that is known of it.
    pub result: RunResult,
    /// The folder that holds its files; `None` if none were asked for.
    pub folder: Option<PathBuf>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan cannot run here.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The environment does not tell where the hub is.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The file that names the devices is wrong.
    #[error(transparent)]
    DevicesFile(#[from] DevicesFileError),
    /// Devices cannot be created or deleted.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Results cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The embedded hub does not start.
    #[error(transparent)]
    Hub(#[from] EmbeddedHubError),
    /// A shard could not do its part.
    #[error("{0}")]
    Shard(String),
    /// The traced device is not in the fleet.
    #[error("--trace {device}: the fleet has the devices 0 to {last}")]
    Trace {
        /// Which was asked for.
        device: u32,
        /// The last there is.
        last: u32,
    },
    /// Metrics cannot be served.
    #[error("cannot serve metrics on {address}: {source}; name another address with --metrics, port 0 for a free one")]
    Metrics {
        /// Where they were wanted.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A traced device without a place to write to.
    #[error("device {device} is to be traced, which is written into the results' folder: name one")]
    TraceNowhere {
        /// Which was asked for.
        device: u32,
    },
    /// Results cannot be written after the run.
    #[error("the run is over, but not all of its results could be kept: {source}")]
    Write {
        /// Why.
        source: KeepError,
        /// What was measured is not lost: it can still be shown.
        result: Box<RunResult>,
    },
    /// Asked to stop before there was anything to stop.
    #[error("stopped before anything ran")]
    Interrupted,
    /// The system failed.
    #[error("the system failed: {0}")]
    System(#[from] io::Error),
}

impl RunError {
    /// What the command exits with.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Preflight(_)
            | Self::Environment(_)
            | Self::DevicesFile(_)
            | Self::Output(_)
            | Self::Metrics { .. }
            | Self::Trace { .. }
            | Self::TraceNowhere { .. } => ExitCode::Usage,
            Self::Interrupted => ExitCode::Aborted,
            Self::Registry(_) | Self::Write { .. } | Self::Hub(_) | Self::Shard(_) | Self::System(_) => ExitCode::Error,
        }
    }
}
