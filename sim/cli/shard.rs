//! `twinstorm shard`: how a run starts a shard as a process of its own; of no use by hand.

use clap::Args;

use super::arguments::CommandError;
use crate::measure::raise_descriptor_limit;
use crate::shard::serve_shard_process;
use crate::verdict::ExitCode;

/// Serves a run as one of its shards.
#[derive(Debug, Args)]
pub(super) struct ShardCommand {
    /// Talk to a parent process over standard input and output
    #[arg(long, required = true)]
    control: bool,
}

impl ShardCommand {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        raise_descriptor_limit().map_err(CommandError::other)?;
        serve_shard_process().map_err(|error| CommandError::other(format!("the parent's channel broke: {error}")))?;
        Ok(ExitCode::Success)
    }
}
