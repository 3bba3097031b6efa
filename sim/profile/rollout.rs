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
    let abort = section.optional("abort").map(|field| abort(&field, &waves)).transpose()?;
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

/// Both limits must be given, as in AWS IoT Jobs: what they should be depends on the fleet. Criteria that no wave could
/// ever meet would look like a safeguard and be none.
fn abort(field: &Field<'_>, waves: &[u32]) -> Result<AbortCriteria, Problem> {
    let section = field.section(&["failed", "min_executed", "outcomes"])?;
    let failed = percent(&section.required("failed")?)?;
    let min = section.required("min_executed")?;
    let min_executed = min.integer(1..=u64::from(u32::MAX))?;
    let updates = waves.last().copied().map_or(0, u64::from);
    if min_executed > updates {
        return Err(min.problem(format_args!(
            "must not exceed the updates of all waves, {updates}: the roll-out would be over before so many were executed"
        )));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Select;
    use crate::profile::{Plan, parse};

    fn plan(text: &str) -> Plan {
        parse("my.toml", text, &[]).unwrap()
    }

    fn waves(fleet: u32, waves: &str) -> Vec<u32> {
        plan(&format!("[fleet]\ndevices = {fleet}\n[rollout]\nwaves = {waves}")).driver.rollout.unwrap().waves
    }

    #[test]
    fn waves_are_shares_or_numbers_of_devices() {
        assert_eq!(waves(1000, "['1%', '10%', '100%']"), [10, 100, 1000]);
        assert_eq!(waves(1000, "[10, 100, 1000]"), [10, 100, 1000]);
        assert_eq!(waves(1000, "[7, '12.5 %']"), [7, 125]);
        assert_eq!(waves(30, "['1%', '10%', '33.3%', '100%']"), [1, 3, 10, 30]);
        let few = plan("[load]\nupdates = 50\n[rollout]\nwaves = ['10%', '80%']");
        assert_eq!((few.driver.rollout.as_ref().unwrap().waves.as_slice(), few.updates()), (&[5, 40][..], 40));
    }

    #[test]
    fn what_is_left_out_is_harmless() {
        let plan = plan("[rollout]\nwaves = ['1%', '100%']\nabort = { failed = '7.5%', min_executed = 3 }");
        let abort = AbortCriteria { failed: 7.5, min_executed: 3, outcomes: AbortCriteria::usual_outcomes() };
        let expected = Rollout { waves: vec![10, 1000], pause: Duration::ZERO, growth: 1.0, abort: Some(abort) };
        assert_eq!(plan.driver.rollout, Some(expected));
        assert!(plan.summary().contains("100 method calls/s, in 2 waves, "), "{}", plan.summary());
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }

    #[test]
    fn pauses_and_growth_are_told_and_reckoned_with() {
        let text = "[rollout]\nwaves = [10, 100, 1000]\npause = '1m'\ngrowth = 2\n\
                    abort = { failed = '10%', min_executed = 20, outcomes = ['stuck', 'failed', 'stuck'] }";
        let with = plan(text);
        let rollout = with.driver.rollout.as_ref().unwrap();
        assert_eq!(rollout.abort.as_ref().unwrap().outcomes, [Outcome::Failed, Outcome::Stuck]);
        assert_eq!(with.driver.peak_rate(), Some(400.0));
        assert!(with.peak_rates_in_words(true, true).contains("1200 twin updates/s, 400 method calls/s, in 3 waves"));
        let (longer, one) = (with.estimated_load(), plan("").estimated_load());
        assert!(
            (one + 120 * Duration::from_secs(1)..one + 180 * Duration::from_secs(1)).contains(&longer),
            "{longer:?}"
        );
    }

    #[test]
    fn a_fault_may_strike_a_wave() {
        let text = "[rollout]\nwaves = [10, 100]\n[[fault]]\nkind = 'no_reply'\nselect = { wave = 2 }";
        let plan = plan(text);
        assert_eq!(plan.faults[0].select, Select::Wave(2));
        let (faults, rollout) = (plan.fault_plan(), plan.driver.rollout.as_ref().unwrap());
        let hit: Vec<u32> = (0..1000).filter(|device| faults.hits(*device, 0).next().is_some()).collect();
        assert_eq!((hit.len(), &hit), (90, &rollout.members(plan.seed, 1000, 1)));
    }

    #[test]
    fn impossible_waves_are_refused_where_they_stand() {
        for (text, line, says) in [
            ("[rollout]\nwaves = []", 2, "must hold at least one wave"),
            ("[rollout]\nwaves = 3", 2, "`rollout.waves` must be a list"),
            ("[rollout]\nwaves = ['10']", 2, "`rollout.waves.0` must be a share like \"10%\""),
            ("[rollout]\nwaves = ['101%']", 2, "up to 100%"),
            ("[rollout]\nwaves = ['0%']", 2, "above 0%"),
            ("[rollout]\nwaves = [true]", 2, "a share like \"10%\" or a number of devices"),
            ("[rollout]\nwaves = [1001]", 2, "must be from 1 to 1000"),
            ("[rollout]\nwaves = [10,\n10]", 3, "must come to more devices than the wave before: 10 of 1000 after 10"),
            ("[rollout]\nwaves = ['0.01%', '0.02%']", 2, "1 of 1000 after 1"),
            ("[load]\nupdates = 1001\n[rollout]\nwaves = ['1%']", 4, "a roll-out calls each device once"),
            ("[rollout]\nwaves = [1]\npause = '25h'", 3, "must be from 0s to 24h"),
            ("[rollout]\nwaves = [1]\ngrowth = 0", 3, "must be from 0.01 to 100"),
            ("[rollout]\nwaves = [1, 2, 3, 4]\ngrowth = 100", 3, "leads to 100000000.000 calls/s"),
            ("[load]\nkind = 'closed'\n[rollout]\nwaves = [1]\ngrowth = 2", 5, "means nothing in a closed load"),
            ("[rollout]\nwaves = [1]\nabort = { failed = '5%' }", 3, "`rollout.abort.min_executed` is missing"),
            ("[rollout]\nwaves = [1]\nabort = { failed = '5%', min_executed = 0 }", 3, "must be from 1"),
            (
                "[rollout]\nwaves = [1, 30]\nabort = { failed = '5%', min_executed = 31 }",
                3,
                "`rollout.abort.min_executed` must not exceed the updates of all waves, 30",
            ),
            (
                "[rollout]\nwaves = [1]\nabort = { failed = '5%', min_executed = 1, outcomes = ['completed'] }",
                3,
                "cannot be `completed`: allowed are `failed`",
            ),
            ("[rollout]\nwaves = [1]\nabort = { failed = '5%', min_executed = 1, outcomes = [] }", 3, "at least one"),
            ("[rollout]\nwaves = [1]\n[[fault]]\nkind = 'no_reply'\nselect = { wave = 2 }", 5, "must be from 1 to 1"),
        ] {
            let error = parse("my.toml", text, &[]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("my.toml:{line}: ")), "{text}\n{error}");
            assert!(error.contains(says), "{text}\n{error}");
        }
        let many = (1..=101).map(|wave| wave.to_string()).collect::<Vec<_>>().join(", ");
        let error = parse("my.toml", &format!("[rollout]\nwaves = [{many}]"), &[]).unwrap_err().to_string();
        assert!(error.contains("`rollout.waves.100` is one too many: allowed are 100 waves"), "{error}");
    }
}
