//! What a plan's user had better know of it and his hub, in sentences that name the way out.

use super::demand::Demand;
use super::size::Sizing;
use crate::hub::{HubLimits, Operation, Tier};

/// A device renews its token when this share of its life has passed, on average, and at the earliest.
const RENEWAL: (f64, f64) = (0.825, 0.75);

/// Those of `sizing`.
pub(super) fn of(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Vec<String> {
    [
        devices(demand, sizing, limits),
        days(sizing),
        queries(demand, sizing),
        polls(demand, sizing),
        jobs(demand, sizing, limits),
        renewals(demand, sizing),
    ]
    .into_iter()
    .flatten()
    .collect()
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

fn queries(demand: &Demand, sizing: &Sizing) -> Option<String> {
    let observer = sizing.observer.filter(|observer| !observer.fits)?;
    let shards = if demand.shards == 1 { String::new() } else { format!(" from {} shards", demand.shards) };
    Some(format!(
        "the observer makes {} queries/min{shards}, and {} allows {}: set observe.interval to {}s or more, as is counted here",
        number(observer.queries_per_s * 60.0),
        hub(sizing),
        number(observer.limit_per_s * 60.0),
        number(observer.fits_every_s)
    ))
}

fn polls(demand: &Demand, sizing: &Sizing) -> Option<String> {
    let need = sizing.need(Operation::TwinRead).filter(|_| sizing.binding == Operation::TwinRead)?;
    if sizing.updates_per_s >= demand.own_rate {
        return None;
    }
    // What else the hub bears, or the plan wants.
    let others = sizing.operations.iter().filter(|other| other.operation != Operation::TwinRead);
    let wanted = others.filter_map(|other| other.updates_per_s).fold(demand.own_rate, f64::min);
    let spare = need.limit_per_s / wanted - 2.0;
    let way_out = if spare > 0.0 {
        let interval = (demand.update_s.1 / spare * 10.0 - 1e-6).ceil() / 10.0;
        format!("set observe.interval to {}s or more, or let observe.kind be query", number(interval))
    } else {
        "let observe.kind be query".to_owned()
    };
    Some(format!("polling reads each twin {} times in an update, which binds: {way_out}", number(need.per_update)))
}

fn jobs(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Option<String> {
    let (need, devices) = (sizing.need(Operation::JobDevice)?, demand.job_devices?);
    // What passes at once takes no time.
    if demand.own_rate <= need.limit_per_s || need.in_all <= need.burst {
        return None;
    }
    let at_once = limits.concurrent_jobs.map_or(String::new(), |jobs| format!(", {jobs} at once"));
    Some(format!(
        "a job of {devices} devices is due every {}s and takes {}s{at_once}: what is more is refused (429) and tried again by \
         retry.method only; set load.rate to {}/s or less",
        number(f64::from(devices) / demand.own_rate),
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
