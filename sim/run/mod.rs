//! The coordinator: a plan becomes hub and shards, and what they measure becomes a result.

mod assemble;
mod coordinator;
pub mod environment;
mod follow;
mod hub_process;
mod live;
mod narrate;
mod options;
mod output;
mod preflight;
pub mod print;
mod signals;
mod tally;

pub use coordinator::execute;
pub use hub_process::{HubProcess, HubProcessError, serve_hub_process};
pub use options::{RunError, RunOptions, RunSummary};
pub use output::{Output, OutputError};
pub use preflight::PreflightError;
pub use signals::StopSignal;
