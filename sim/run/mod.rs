//! The coordinator: a plan becomes hub and shards, and what they measure becomes a result.

mod assemble;
mod coordinator;
pub mod environment;
mod hub_process;
mod live;
mod narrate;
mod output;
mod preflight;
mod signals;
mod tally;

pub use coordinator::{RunError, RunOptions, RunSummary, execute};
pub use hub_process::{HubProcess, HubProcessError, serve_hub_process};
pub use output::{Output, OutputError};
pub use preflight::PreflightError;
pub use signals::wait_for_signal;
