//! `twinstorm drive`.

use clap::Args;

use super::arguments::CommandError;
use super::shared::{Shared, Thresholds};
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// Waits until a profile's devices are online on the hub that the environment names, updates and observes them.
#[derive(Debug, Args)]
pub(super) struct Drive {
    /// A built-in profile's name (see `twinstorm profile list`) or a file
    profile: String,
    #[command(flatten)]
    thresholds: Thresholds,
    #[command(flatten)]
    shared: Shared,
}

impl Drive {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let plan = self.shared.plan(&self.profile, &self.thresholds.exprs)?;
        self.shared.execute(plan.without_embedded_hub(), Roles::DRIVER)
    }
}
