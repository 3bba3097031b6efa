//! What a plan's user had better know of it and his hub, in sentences that name the way out.

use super::demand::Demand;
use super::size::Sizing;
use crate::hub::{HubLimits, Operation, Tier};

/// A device renews its token when this share of its life has passed, on average, and at the earliest.
const RENEWAL: (f64, f64) = (0.825, 0.75);

/// Those of a plan on one hub.
pub(super) fn of(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Vec<String> {
    [
        devices(demand, sizing, limits),
        days(sizing),
        looks(demand, sizing),
        jobs(demand, sizing, limits),
        job_looks(sizing),
        renewals(demand, sizing),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Those of a plan, whatever its hub is.
pub(super) fn of_plan(demand: &Demand) -> Vec<String> {
    let keys = (!demand.uncounted.is_empty()).then(|| demand.uncounted.join(", "));
    let text =
        |keys| format!("what the profile says of its own hub by {keys} is not counted: the tiers' tables alone are");
    keys.map(text).into_iter().collect()
}

fn hub(sizing: &Sizing) -> String {
    format!("{} x {}", sizing.tier.name(), sizing.units)
}

fn devices(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Option<String> {
    let most = limits.devices.filter(|_| !sizing.fits)?;
    let way_out = if sizing.tier == Tier::F1 { "take S1 or more" } else { "spread them over several hubs" };
    Some(format!("{} holds {most} devices at most, and the plan has {}: {way_out}", hub(sizing), demand.devices))
}

fn days(sizing: &Sizing) -> Option<String> {
    let messages = sizing.messages;
    (messages.days > 1).then(|| {
        format!(
            "the messages of {} days are needed, and a day of UTC has {}: after each midnight but the last the hub does nothing \
             more once they are used up; counted from a midnight",
            messages.days, messages.per_day
        )
    })
}

fn looks(demand: &Demand, sizing: &Sizing) -> Option<String> {
    let observer = sizing.observer.filter(|observer| !observer.fits)?;
    let longer = observer.fits_every_s.map(|every_s| format!("set observe.interval to {}s or more", number(every_s)));
    if observer.operation == Operation::Query {
        let shards = if demand.shards == 1 { String::new() } else { format!(" from {} shards", demand.shards) };
        return Some(format!(
            "the observer makes {} queries/min{shards}, and {} allows {}: {}, as is counted here",
            number(observer.per_s * 60.0),
            hub(sizing),
            number(observer.limit_per_s * 60.0),
            longer?
        ));
    }
    let query = "let observe.kind be query".to_owned();
    Some(format!(
        "polling would read {} twins/s, and {} allows {}, so that looks become rarer: {}",
        number(observer.per_s),
        hub(sizing),
        number(observer.limit_per_s),
        longer.map_or(query.clone(), |longer| format!("{longer}, or {query}"))
    ))
}

fn job_looks(sizing: &Sizing) -> Option<String> {
    let looks = sizing.job_looks.filter(|looks| !looks.fits)?;
    let way_out = match looks.fits_every_s {
        Some(every_s) => format!("set observe.interval to {}s or more", number(every_s)),
        None => "raise load.job_devices, so that there are fewer jobs".to_owned(),
    };
    Some(format!(
        "jobs are scheduled, and asked for every {}s while they run, {} times/s in all, and {} allows {}: {way_out}",
        number(looks.every_s),
        number(looks.per_s),
        hub(sizing),
        number(looks.limit_per_s)
    ))
}

fn jobs(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Option<String> {
    let (need, devices) = (sizing.need(Operation::JobDevice)?, demand.job_devices?);
    let own_rate = demand.own_rate?;
    // What passes at once takes no time.
    if own_rate <= need.limit_per_s || need.in_all <= need.burst {
        return None;
    }
    let at_once = limits.concurrent_jobs.map_or(String::new(), |jobs| format!(", {jobs} at once"));
    Some(format!(
        "a job of {devices} devices is due every {}s and takes {}s{at_once}: what is more is refused (429) and tried again by \
         retry.method only; set load.rate to {}/s or less",
        number(f64::from(devices) / own_rate),
        number(f64::from(devices) / need.limit_per_s),
        number(need.limit_per_s)
    ))
}

fn renewals(demand: &Demand, sizing: &Sizing) -> Option<String> {
    let limit_per_s = sizing.need(Operation::Connect)?.limit_per_s;
    let renewals = f64::from(demand.devices) / (demand.token_life_s * RENEWAL.0);
    (sizing.takes_s > demand.token_life_s * RENEWAL.1 && renewals > limit_per_s).then(|| {
        format!(
            "devices reconnect with new tokens {} times/s, and {} allows {}/s: raise fleet.token_life",
            number(renewals),
            hub(sizing),
            number(limit_per_s)
        )
    })
}

/// Two decimals at most.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
