//! The coordinator: a plan becomes hub and shards, and what they measure becomes a result.
//!
//! [`execute`] runs a plan; [`diagnose`] tells beforehand what the machine lacks for it; [`provision`] and [`cleanup`] create
//! and delete a plan's devices on a hub elsewhere. Where that hub is, and what opens it, stands in [`environment`]'s variables.

mod address;
mod assemble;
mod broker;
mod carrier;
mod checks;
mod child;
mod coordinator;
mod devices_file;
mod doctor;
mod drill;
mod embedded_hub;
pub mod environment;
mod events_file;
mod farewell;
mod faults;
mod follow;
mod hub_faults;
#[doc(hidden)]
pub mod hub_keys;
mod hub_listening;
mod hub_process;
mod hub_threads;
mod hubs;
mod images;
mod keep;
mod keys_file;
mod launch;
mod live;
mod members;
mod metrics_endpoint;
mod narrate;
mod needs;
mod operator_command;
mod options;
mod outages;
mod output;
mod peaks;
mod placement;
mod preflight;
#[doc(hidden)]
pub mod print;
mod publish;
mod rate;
mod registry;
mod repeat;
mod results_file;
mod rollout;
mod signals;
mod so_far;
mod stop;
pub mod stored;
mod tally;
mod thresholds;
mod trace_file;

pub use crate::shard::Roles;
pub use checks::{Finding, Grade};
pub use coordinator::execute;
pub use devices_file::DevicesFileError;
pub use doctor::{Diagnosis, diagnose};
pub use embedded_hub::EmbeddedHubError;
#[doc(hidden)]
pub use hub_process::serve_hub_process;
pub use keep::{KeepError, keep};
pub use live::{Health, Mishap, Pulse, SeriesRow, Status, progress_line};
pub use metrics_endpoint::MetricsEndpoint;
pub use options::{FinishedRun, Observer, Part, ResultsFolder, RunError, RunOptions, View};
pub use output::{Output, OutputError};
pub use placement::Impossible;
pub use preflight::{PreflightError, shards_here};
pub use registry::{RegistryOptions, RegistrySummary, cleanup, provision};
pub use repeat::{Repeat, RepeatError, Repeated, repeat};
pub use results_file::{ResultsFileError, find_results, read_results};
pub use signals::{stop_on_signals, stop_with_parent};
pub use stop::StopHandle;
