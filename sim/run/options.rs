//! What a run is started with, and how it can end without a result.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::devices_file::DevicesFileError;
use super::environment::EnvironmentError;
use super::hub_process::HubProcessError;
use super::keep::KeepError;
use super::metrics_endpoint::MetricsEndpoint;
use super::output::OutputError;
use super::preflight::PreflightError;
use crate::driver::RegistryError;
use crate::measure::RunResult;
use crate::profile::Plan;
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// What to run.
#[derive(Debug)]
pub struct RunOptions {
    /// The plan.
    pub plan: Plan,
    /// Which actors.
    pub roles: Roles,
    /// Where results go; by default a new folder below reports/runs.
    pub out: Option<PathBuf>,
    /// A device to follow.
    pub trace: Option<u32>,
    /// The command that repeats this run.
    pub command: String,
    /// The program that can be started as a hub.
    pub program: PathBuf,
    /// Whether the user confirmed that load may go to a hub elsewhere.
    pub owns_hub: bool,
    /// Who is told how the run goes, for whoever scrapes it; it outlives the run. What the plan says of one is for whoever
    /// opens it.
    pub metrics: Option<MetricsEndpoint>,
    /// What is shown while the run goes on.
    pub view: View,
    /// Forget so many outcomes: proves that the census notices.
    pub swallow_outcomes: u32,
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

/// A finished run: what it measured, judged, and where that was written.
#[derive(Debug)]
pub struct FinishedRun {
    /// Everything that is known of it.
    pub result: RunResult,
    /// The folder that holds its files.
    pub folder: PathBuf,
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
    Hub(#[from] HubProcessError),
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
            | Self::Trace { .. } => ExitCode::Usage,
            Self::Interrupted => ExitCode::Aborted,
            Self::Registry(_) | Self::Write { .. } | Self::Hub(_) | Self::Shard(_) | Self::System(_) => ExitCode::Error,
        }
    }
}
