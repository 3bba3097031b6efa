//! `twinstorm doctor`.

use clap::Args;

use super::arguments::CommandError;
use super::shared::{PlanOptions, prospect};
use crate::measure::raise_descriptor_limit;
use crate::run::{self, Grade, print};
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// Tells whether this machine can carry a plan, and what mends it where it cannot.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// A built-in profile's name (see `twinstorm profile list`) or a file
    #[arg(default_value = "quickstart")]
    profile: String,
    #[command(flatten)]
    options: PlanOptions,
}

impl Doctor {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let plan = self.options.plan(&self.profile)?;
        // As a run does before it starts.
        raise_descriptor_limit().map_err(CommandError::other)?;
        let diagnosis = run::diagnose(&plan, Roles::BOTH).map_err(CommandError::other)?;
        print::line(format!("{}: {}", plan.name, plan.summary()));
        prospect(&plan, &diagnosis).iter().for_each(print::line);
        print::line("");
        for finding in &diagnosis.findings {
            print::line(format!("  {:<6} {:<20} {}", finding.grade, finding.what, finding.text));
            if !finding.mend.is_empty() {
                print::line(format!("  {:<6} {:<20} mend: {}", "", "", finding.mend));
            }
        }
        print::line("");
        let tight = diagnosis.findings.iter().filter(|finding| finding.grade == Grade::Tight).count();
        if !diagnosis.can_run() {
            print::line("This machine cannot carry the plan.");
            return Ok(ExitCode::Usage);
        }
        print::line(match tight {
            0 => "This machine can carry the plan.".to_owned(),
            1 => "This machine can carry the plan, if tightly: one limit should be mended.".to_owned(),
            count => format!("This machine can carry the plan, if tightly: {count} limits should be mended."),
        });
        Ok(ExitCode::Success)
    }
}
