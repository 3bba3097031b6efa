//! The coordinator: a plan becomes hub and shards, and what they measure becomes a result.

mod address;
mod assemble;
mod carrier;
mod checks;
mod child;
mod coordinator;
mod devices_file;
mod doctor;
pub mod environment;
mod follow;
pub mod hub_keys;
mod hub_process;
mod hubs;
mod launch;
mod live;
mod members;
mod narrate;
mod needs;
mod options;
mod output;
mod placement;
mod preflight;
pub mod print;
mod signals;
mod tally;

pub use checks::{Finding, Grade};
pub use coordinator::execute;
pub use devices_file::DevicesFileError;
pub use doctor::{Diagnosis, diagnose};
pub use hub_process::{HubProcessError, serve_hub_process};
pub use options::{RunError, RunOptions, RunSummary};
pub use output::{Output, OutputError};
pub use placement::Impossible;
pub use preflight::PreflightError;
pub use signals::StopSignal;
