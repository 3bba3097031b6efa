//! The program's arguments.

use clap::{Parser, Subcommand};

use super::{
    capacity::Capacity,
    compare::Compare,
    doctor::Doctor,
    drive::Drive,
    fleet::Fleet,
    hub::HubCommand,
    plan::PlanCommand,
    profile::ProfileCommand,
    provision::{Cleanup, Provision},
    report::Report,
    run::Run,
    schema::SchemaCommand,
    shard::ShardCommand,
};
use crate::run::print;
use crate::verdict::ExitCode;

/// Load simulator for IoT hubs: brings virtual devices online over MQTT, calls `firmwareUpdate` on them, and measures
/// how long every device-twin transition takes.
#[derive(Debug, Parser)]
#[command(name = "twinstorm", version, arg_required_else_help = true, after_help = after_help())]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What stands below the help of the program, and of the commands that judge.
fn after_help() -> String {
    format!(
        "{}\n\n\
         Environment: TWINSTORM_SET_<SECTION>__<KEY> sets a value of the profile; TWINSTORM_LOG sets what is\n\
         logged (warn, info, debug, or a filter like twinstorm::hub=debug).",
        ExitCode::help()
    )
}

/// What stands below the help of `capacity`, which judges otherwise.
const fn capacity_help() -> &'static str {
    "Exit codes:\n  \
       0  there is an interval, finished or not: results.json and the table say which\n  \
       2  wrong usage or a wrong profile\n  \
      99  nothing was kept, however little\n  \
      96  not even the first loads were made by the generator: nothing is known of the hub\n  \
      97  stopped; --resume goes on\n  \
       1  anything else\n\n\
     Environment: TWINSTORM_CALIBRATION names the file that calibrations are kept in; TWINSTORM_SET_<SECTION>__<KEY>\n\
     sets a value of the profile."
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a profile: embedded hub, fleet and driver together (default: quickstart)
    #[command(after_help = after_help())]
    Run(Run),
    /// The embedded hub alone, until stopped
    Hub(HubCommand),
    /// The devices alone, until stopped
    Fleet(Fleet),
    /// The driver alone: waits until the profile's devices are online, then updates them
    #[command(after_help = after_help())]
    Drive(Drive),
    /// Look for the highest load that keeps a profile's thresholds, as an interval with its reason (default: capacity)
    #[command(after_help = capacity_help())]
    Capacity(Capacity),
    /// Make the reports of a result again, in any format
    Report(Report),
    /// Create a profile's devices on a hub that is not ours
    Provision(Provision),
    /// Delete the devices that `provision` created, and no other
    Cleanup(Cleanup),
    /// List, show and check profiles
    Profile(ProfileCommand),
    /// Tell whether new results are worse than base ones, by statistics over runs
    Compare(Compare),
    /// Tell what hub a profile needs, and how long it takes there, by the tables of Azure's tiers
    Plan(PlanCommand),
    /// Tell whether this machine can carry a profile, and what mends it where it cannot
    Doctor(Doctor),
    /// Print the JSON Schema of results.json
    Schema(SchemaCommand),
    #[command(hide = true)]
    Shard(ShardCommand),
}

impl Arguments {
    /// Does what they say, and returns the exit code.
    #[must_use]
    pub fn execute(self) -> u8 {
        let done = match self.command {
            Command::Run(command) => command.execute(),
            Command::Hub(command) => command.execute(),
            Command::Fleet(command) => command.execute(),
            Command::Drive(command) => command.execute(),
            Command::Capacity(command) => command.execute(),
            Command::Report(command) => command.execute(),
            Command::Provision(command) => command.execute(),
            Command::Cleanup(command) => command.execute(),
            Command::Profile(command) => command.execute(),
            Command::Compare(command) => command.execute(),
            Command::Plan(command) => command.execute(),
            Command::Doctor(command) => command.execute(),
            Command::Schema(command) => command.execute(),
            Command::Shard(command) => command.execute(),
        };
        match done {
            Ok(code) => code.code(),
            Err(error) => {
                print::note(format!("error: {}", error.message));
                error.code.code()
            }
        }
    }
}

/// Why a command ended without having done what it is for.
#[derive(Debug)]
pub(super) struct CommandError {
    /// What went wrong, and the way out.
    pub(super) message: String,
    /// What the program exits with.
    pub(super) code: ExitCode,
}

impl CommandError {
    pub(super) fn usage(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: ExitCode::Usage }
    }

    pub(super) fn other(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: ExitCode::Error }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
