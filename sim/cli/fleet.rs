//! `twinstorm fleet`.

use clap::Args;

use super::arguments::CommandError;
use super::shared::Shared;
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// Brings a profile's devices online on the hub that the environment names, and keeps them there until stopped.
#[derive(Debug, Args)]
pub(super) struct Fleet {
    /// A built-in profile's name (see `twinstorm profile list`) or a file
    profile: String,
    #[command(flatten)]
    shared: Shared,
}

impl Fleet {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let plan = self.shared.plan(&self.profile, &[])?;
        self.shared.execute(plan.without_embedded_hub(), Roles::FLEET)
    }
}
