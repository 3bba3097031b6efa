//! `twinstorm provision` and `twinstorm cleanup`.

use std::path::PathBuf;

use clap::Args;

use super::arguments::CommandError;
use super::shared::DeviceOptions;
use super::shared::stop_on_signals;
use crate::policy::units;
use crate::run::{self, RegistryOptions, RegistrySummary, RunError, print};
use crate::verdict::ExitCode;

/// Creates a profile's devices on the hub that the environment names; those that are there already are left alone.
#[derive(Debug, Args)]
pub(super) struct Provision {
    #[command(flatten)]
    common: Common,
    /// Register certificates by the CA that signed them, which the hub has to know, rather than by their thumbprints
    #[arg(long)]
    ca_signed: bool,
}

/// Deletes the devices that `provision` created with this fleet.id_prefix and this key, whichever profile it was for, and
/// no other; with `--devices N` (or fleet.devices set) only the first N of them.
#[derive(Debug, Args)]
pub(super) struct Cleanup {
    #[command(flatten)]
    common: Common,
}

/// What both take.
#[derive(Debug, Args)]
struct Common {
    /// A built-in profile's name (see `twinstorm profile list`) or a file
    profile: String,
    #[command(flatten)]
    options: DeviceOptions,
    /// Keep a random key for each device in this CSV file (mode 0600), to be used as fleet.devices_file; without it, keys
    /// derive from TWINSTORM_FLEET_KEY
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Identities per second (default: as many as the hub takes)
    #[arg(long, value_name = "R")]
    rate: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Confirm that you may put load on a hub that is not on this machine
    #[arg(long = "i-own-this-hub")]
    owns_hub: bool,
}

impl Provision {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        finish(run::provision(self.common.options(self.ca_signed, true)?))
    }
}

impl Cleanup {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let planned_only = self.common.options.says_how_many();
        finish(run::cleanup(self.common.options(false, planned_only)?))
    }
}

impl Common {
    fn options(self, by_authority: bool, planned_only: bool) -> Result<RegistryOptions, CommandError> {
        let rate = self.rate.map(|rate| match units::parse_rate(&rate) {
            Ok(rate) if rate > 0.0 => Ok(rate),
            Ok(_) => Err(CommandError::usage("--rate must be above 0")),
            Err(error) => Err(CommandError::usage(format!("--rate: {error}"))),
        });
        if let Some(kind @ ("embedded" | "null")) = self.options.hub.as_deref() {
            return Err(CommandError::usage(format!(
                "--hub {kind}: such a hub creates its devices itself; leave --hub out, and name the hub in \
                 IOTHUB_CONNECTION_STRING"
            )));
        }
        Ok(RegistryOptions {
            plan: self.options.plan(&self.profile)?.without_embedded_hub(),
            planned_only,
            keys: self.keys,
            rate: rate.transpose()?,
            by_authority,
            dry_run: self.dry_run,
            owns_hub: self.owns_hub,
            stop: stop_on_signals()?,
        })
    }
}

fn finish(done: Result<RegistrySummary, RunError>) -> Result<ExitCode, CommandError> {
    match done {
        Ok(RegistrySummary { table, exit }) => {
            print::line(table);
            Ok(exit)
        }
        Err(error) => Err(CommandError { code: error.exit_code(), message: error.to_string() }),
    }
}
