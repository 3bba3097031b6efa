//! `[rollout]`: in which waves the fleet is called, and when no further device is.

use std::time::Duration;

use super::document::Value;
use super::error::Problem;
use super::load::LoadSection;
use super::reader::{Field, Section};
use crate::device::FleetConfig;
use crate::policy::{AbortCriteria, Outcome, Rollout};

/// Rates grow from wave to wave; none may outgrow what a rate may be.
const MAX_RATE: f64 = 1_000_000.0;
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn read(field: &Field<'_>, fleet: &FleetConfig, load: &LoadSection) -> Result<Rollout, Problem> {
    let section = field.section(&["waves", "pause", "growth", "abort"])?;
    let waves = waves(&section.required("waves")?, fleet, load)?;
    let pause = section.optional("pause").map_or(Ok(Duration::ZERO), |field| field.duration(Duration::ZERO..=DAY))?;
    let growth = section.optional("growth").map_or(Ok(1.0), |field| growth(&field, load, waves.len()))?;
    let abort = section.optional("abort").map(|field| abort(&field)).transpose()?;
    Ok(Rollout { waves, pause, growth, abort })
}

/// The devices that have been called at the end of each wave.
fn waves(field: &Field<'_>, fleet: &FleetConfig, load: &LoadSection) -> Result<Vec<u32>, Problem> {
    let devices = fleet.devices;
    let updates = load.updates.map_or(Ok(devices), u32::try_from).ok().filter(|updates| *updates <= devices);
    let Some(whole) = updates else {
        return Err(field.problem(format_args!(
            "cannot go with more `load.updates` than `fleet.devices`, {devices}: a roll-out calls each device once"
        )));
    };
    let mut ends: Vec<u32> = Vec::new();
    for item in field.list()? {
        if ends.len() == Rollout::MAX_WAVES {
            return Err(item.problem(format_args!("is one too many: allowed are {} waves", Rollout::MAX_WAVES)));
        }
        let end = match &item.node.value {
            // A wave of less than a device has one.
            Value::Text(_) => (percent(&item)? / 100.0 * f64::from(whole) - 1e-6).ceil().max(1.0) as u32,
            Value::Integer(_) => item.integer(1..=whole)?,
            _ => return Err(item.problem("must be a share like \"10%\" or a number of devices")),
        };
        if let Some(before) = ends.last().filter(|before| end <= **before) {
            return Err(item.problem(format_args!(
                "must come to more devices than the wave before: {end} of {whole} after {before}"
            )));
        }
        ends.push(end);
    }
    if ends.is_empty() { Err(field.problem("must hold at least one wave, like \"100%\"")) } else { Ok(ends) }
}

/// A share in percent, above 0.
fn percent(field: &Field<'_>) -> Result<f64, Problem> {
    let number = field.text()?.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    number
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        .ok_or_else(|| field.problem("must be a share like \"10%\", above 0% and up to 100%"))
}

fn growth(field: &Field<'_>, load: &LoadSection, waves: usize) -> Result<f64, Problem> {
    let growth = field.number(0.01..=100.0)?;
    let Some(rate) = load.load.rate() else {
        return Err(field.problem("means nothing in a closed load, which has no rate: leave it out"));
    };
    let last = rate * growth.powi(i32::try_from(waves.saturating_sub(1)).unwrap_or(i32::MAX));
    if (0.001..=MAX_RATE).contains(&last) {
        return Ok(growth);
    }
    Err(field.problem(format_args!("leads to {last:.3} calls/s in the last wave: allowed are 0.001 to {MAX_RATE}")))
}

/// Both limits must be given, as in AWS IoT Jobs: what they should be depends on the fleet.
fn abort(field: &Field<'_>) -> Result<AbortCriteria, Problem> {
    let section = field.section(&["failed", "min_executed", "outcomes"])?;
    let failed = percent(&section.required("failed")?)?;
    let min_executed = section.required("min_executed")?.integer(1..=u64::from(u32::MAX))?;
    Ok(AbortCriteria { failed, min_executed, outcomes: outcomes(&section)? })
}

fn outcomes(section: &Section<'_>) -> Result<Vec<Outcome>, Problem> {
    let Some(field) = section.optional("outcomes") else { return Ok(AbortCriteria::usual_outcomes()) };
    let choices: Vec<(&str, Outcome)> =
        AbortCriteria::allowed_outcomes().into_iter().map(|outcome| (outcome.as_str(), outcome)).collect();
    let mut outcomes: Vec<Outcome> = field.list()?.map(|item| item.choice(&choices)).collect::<Result<_, _>>()?;
    outcomes.sort_unstable();
    outcomes.dedup();
    if outcomes.is_empty() { Err(field.problem("must name at least one outcome")) } else { Ok(outcomes) }
}
