//! `twinstorm run`.

use clap::Args;

use super::arguments::CommandError;
use super::shared::{Shared, Thresholds};
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// Runs a profile.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// A built-in profile's name (see `twinstorm profile list`) or a file
    #[arg(default_value = "quickstart")]
    profile: String,
    #[command(flatten)]
    thresholds: Thresholds,
    #[command(flatten)]
    shared: Shared,
}

impl Run {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let plan = self.shared.plan(&self.profile, &self.thresholds.exprs)?;
        self.shared.execute(plan, Roles::BOTH)
    }
}
