//! `twinstorm plan`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::arguments::CommandError;
use super::report::unprinted;
use super::shared::PlanOptions;
use crate::capacity::{Answer, Demand, sizing_json, sizing_text};
use crate::hub::Tier;
use crate::measure::raise_descriptor_limit;
use crate::policy::units;
use crate::profile::{HubPlan, Plan};
use crate::run::{self, print};
use crate::verdict::ExitCode;

/// Tells what hub a profile needs, from the tables of Azure's tiers alone: nothing runs.
///
/// How long the roll-out takes at least, what binds first, how many messages it is billed, and which tiers and units are
/// enough: for `--deadline`, or without one to keep up with the profile's own rate.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct PlanCommand {
    /// A built-in profile's name (see `twinstorm profile list`) or a file
    #[arg(default_value = "quickstart")]
    profile: String,
    /// The hub's tier: F1, S1, S2 or S3 (default: the profile's own; without one all are told of in short)
    #[arg(long, value_name = "TIER", value_parser = parse_tier)]
    tier: Option<Tier>,
    /// Units of the tier (F1: 1; S1 and S2: up to 200; S3: up to 10) (default: 1, or with the profile's own tier as many as
    /// the profile says)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=200))]
    units: Option<u32>,
    /// When the roll-out is to be over, counted from its start, e.g. 4h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_deadline)]
    deadline: Option<Duration>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    options: PlanOptions,
}

const EXIT_CODES: &str = "\
Exit codes: 0 told; 99 the hub that was asked for, or without one any, misses the deadline; 2 wrong usage, or a wrong profile.";

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for people
    Text,
    /// JSON for programs
    Json,
}

impl PlanCommand {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let plan = self.options.plan(&self.profile)?;
        if let Some(broker) = plan.hub.broker() {
            return Err(CommandError::usage(format!(
                "`plan` sizes IoT hubs by the tables of Azure's tiers, and {} is a plain broker (hub.kind = \"mqtt\"), which \
                 has none: `twinstorm capacity` measures what it can bear, and `--hub azure` sizes a hub for this profile",
                broker.url
            )));
        }
        let hub = self.hub(&plan)?;
        // As a run does before it is cut into processes. What cannot run here has the shards that it asks for, or one.
        raise_descriptor_limit().map_err(CommandError::other)?;
        let shards = run::shards_here(&plan).unwrap_or_else(|_| plan.shards.unwrap_or(1));
        let answer = Answer::of(&Demand::of(&plan, shards), hub, self.deadline.map(|deadline| deadline.as_secs_f64()));
        let text = match self.format {
            Format::Text => sizing_text(&answer),
            Format::Json => sizing_json(&answer).map_err(CommandError::other)? + "\n",
        };
        print::product(text.as_bytes()).map_err(unprinted)?;
        Ok(if answer.met == Some(false) { ExitCode::ThresholdBroken } else { ExitCode::Success })
    }

    /// The hub that is asked for: by flags, else by the profile.
    fn hub(&self, plan: &Plan) -> Result<Option<(Tier, u32)>, CommandError> {
        let own = match plan.hub {
            HubPlan::Embedded { tier, units, .. } => tier.map(|tier| (tier, units)),
            HubPlan::Null { .. } | HubPlan::Azure | HubPlan::Mqtt(_) => None,
        };
        let (tier, units) = match (self.tier, self.units, own) {
            (Some(tier), units, own) => {
                let own = own.filter(|(its, _)| *its == tier).map(|(_, units)| units);
                (tier, units.or(own).unwrap_or(1))
            }
            (None, units, Some((tier, own))) => (tier, units.unwrap_or(own)),
            (None, None, None) => return Ok(None),
            (None, Some(units), None) => {
                return Err(CommandError::usage(format!(
                    "--units {units}: of which tier? Say --tier, as the profile has none (hub.tier)"
                )));
            }
        };
        if tier.units().contains(&units) {
            return Ok(Some((tier, units)));
        }
        let (name, most) = (tier.name(), tier.units().end().to_owned());
        Err(CommandError::usage(format!("--units {units}: a hub of the tier {name} has from 1 to {most}")))
    }
}

fn parse_tier(name: &str) -> Result<Tier, String> {
    Tier::parse(name).ok_or_else(|| format!("allowed are {}", Tier::ALL.map(Tier::name).join(", ")))
}

fn parse_deadline(text: &str) -> Result<Duration, String> {
    let deadline = units::parse_duration(text)?;
    if deadline.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(deadline) }
}
