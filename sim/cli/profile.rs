//! `twinstorm profile`.

use clap::{Args, Subcommand};

use super::arguments::CommandError;
use super::shared::{PlanOptions, prospect};
use crate::measure::raise_descriptor_limit;
use crate::profile;
use crate::run::{self, print};
use crate::shard::Roles;
use crate::verdict::ExitCode;

/// Lists, shows and checks profiles.
#[derive(Debug, Args)]
pub(super) struct ProfileCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the built-in profiles
    List,
    /// Print a built-in profile: a commented file to start one's own from
    Show {
        /// Its name
        name: String,
    },
    /// Check a profile and say what it would do
    Check {
        /// A file or a built-in profile's name
        profile: String,
        #[command(flatten)]
        options: PlanOptions,
    },
}

impl ProfileCommand {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        match self.action {
            Action::List => {
                for (name, description) in profile::list().map_err(CommandError::other)? {
                    let plan = profile::load(name, &[]).map_err(CommandError::other)?;
                    let mark = if plan.drill.is_some() { "drill: " } else { "" };
                    print::line(format!("{name:<20}{mark}{description}"));
                }
            }
            Action::Show { name } => match profile::source(&name) {
                Some(text) => print::line(text.trim_end()),
                None => {
                    let names: Vec<&str> = profile::list().map_err(CommandError::other)?.iter().map(|p| p.0).collect();
                    let names = names.join(", ");
                    return Err(CommandError::usage(format!(
                        "there is no built-in profile `{name}`: there are {names}"
                    )));
                }
            },
            Action::Check { profile, options } => {
                let plan = options.plan(&profile)?;
                // As a run does before it is cut into processes.
                raise_descriptor_limit().map_err(CommandError::other)?;
                let diagnosis = run::diagnose(&plan, Roles::BOTH).map_err(CommandError::other)?;
                print::line(format!("{} is a valid profile: {}", profile, plan.summary()));
                prospect(&plan, &diagnosis).iter().for_each(print::line);
            }
        }
        Ok(ExitCode::Success)
    }
}
