//! What a plan's user had better know of it and his hub, in sentences that name the way out.

use super::demand::Demand;
use super::messages::Messages;
use super::patience::Exceeded;
use super::size::Sizing;
use crate::hub::{HubLimits, Operation, Tier};

/// A device renews its token when this share of its life has passed, on average, and at the earliest.
const RENEWAL: (f64, f64) = (0.825, 0.75);

/// Those of a plan on one hub.
pub(super) fn of(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Vec<String> {
    [
        devices(demand, sizing, limits),
        days(sizing.tier, sizing.units, &sizing.messages),
        stages(demand, sizing, limits),
        calls(demand, sizing, limits),
        telemetry(demand, sizing, limits),
        churn(demand, sizing, limits),
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
    let keys = (!demand.uncounted.is_empty()).then(|| {
        let keys = demand.uncounted.join(", ");
        format!("what the profile says of its own hub by {keys} is not counted: the tiers' tables alone are")
    });
    let faults = (!demand.faults.is_empty()).then(|| {
        let faults = demand.faults.join(", ");
        format!("what goes wrong by [[fault]] ({faults}) is not counted, nor what it makes a hub do")
    });
    keys.into_iter().chain(faults).collect()
}

fn hub(tier: Tier, units: u32) -> String {
    format!("{} x {units}", tier.name())
}

fn devices(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Option<String> {
    let most = limits.devices.filter(|_| !sizing.fits)?;
    let way_out = if sizing.tier == Tier::F1 { "take S1 or more" } else { "spread them over several hubs" };
    Some(format!(
        "{} holds {most} devices at most, and the plan has {}: {way_out}",
        hub(sizing.tier, sizing.units),
        demand.devices
    ))
}

/// That the messages of one day are not enough.
pub(super) fn days(tier: Tier, units: u32, messages: &Messages) -> Option<String> {
    let (days, own_days, per_day) = (messages.days, messages.own_days(), messages.per_day);
    if days > own_days && own_days == 1 {
        let longer = messages.telemetry as f64 / per_day.saturating_sub(messages.own()).max(1) as f64;
        return Some(format!(
            "the messages of {days} days are needed with telemetry, and a day of UTC has {per_day}, on {}: once they are used up \
             who says anything is thrown off until midnight; set telemetry.interval to {} times as much or more",
            hub(tier, units),
            number((longer * 100.0).ceil() / 100.0)
        ));
    }
    (own_days > 1).then(|| {
        format!(
            "the messages of {own_days} days are needed, and a day of UTC has {per_day}, on {}: once they are used up the hub does \
             nothing more until midnight; counted from a midnight: a start shortly before 00:00 UTC, with that day's unused, saves \
             up to a day",
            hub(tier, units)
        )
    })
}

/// Whether that waits for too long whatever passes at once.
fn is_exceeded(which: Exceeded, demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> bool {
    demand.patience.is_exceeded(which, &sizing.with_bursts.waits, limits)
}

fn stages(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Option<String> {
    let need = sizing.need(Operation::TwinUpdate).filter(|_| is_exceeded(Exceeded::Stage, demand, sizing, limits))?;
    let updates_per_s = need.updates_per_s?;
    let patience_s = demand.patience.stage_s;
    Some(format!(
        "reports wait for up to {}s, and observe.stage_deadline is {}s, so that updates would be given up as stuck: {}, or raise \
         observe.stage_deadline",
        number(sizing.with_bursts.waits.report_s.round()),
        number(patience_s),
        // Not all of it is for waiting: a stage takes its own time, hardly ever as long as two updates on average.
        fewer(demand, updates_per_s, patience_s - 2.0 * demand.update_s)
    ))
}

fn calls(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Option<String> {
    let need = sizing.need(Operation::Method).filter(|_| is_exceeded(Exceeded::Call, demand, sizing, limits))?;
    let (limit, retries_s) = (limits.throttles.get(&Operation::Method)?, demand.patience.retries_s?);
    let queue_s = limit.queue.as_secs_f64();
    Some(format!(
        "calls wait for up to {}s; what would wait for more than {}s is refused (429), and tried again by retry.method for {}s at \
         most, so that updates would end as throttled: {}, or let retry.method try for longer",
        number(sizing.with_bursts.waits.call_s.round()),
        number(queue_s),
        number(retries_s),
        fewer(demand, need.updates_per_s?, queue_s + retries_s)
    ))
}

/// How to ask for no more than so many updates per second, or for so many at once that none waits for longer.
fn fewer(demand: &Demand, updates_per_s: f64, patience_s: f64) -> String {
    if demand.in_progress.is_some() {
        return format!("set load.in_flight to {} or less", number((updates_per_s * patience_s).floor().max(1.0)));
    }
    let rate = number((updates_per_s * 100.0).floor() / 100.0);
    match demand.waves.len() {
        1 => format!("set load.rate to {rate}/s or less"),
        _ => format!("let load.rate and rollout.growth make no wave quicker than {rate}/s"),
    }
}

fn telemetry(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Option<String> {
    let need = sizing.need(Operation::Telemetry)?;
    let is_too_much = need.beside_per_s > need.limit_per_s;
    let queue_s = limits.throttles.get(&Operation::Telemetry)?.queue.as_secs_f64();
    let becomes = if is_exceeded(Exceeded::Message, demand, sizing, limits) {
        format!("who would wait for more than {}s is thrown off", number(queue_s))
    } else {
        "only what passes at once lets them through".to_owned()
    };
    is_too_much.then(|| {
        format!(
            "devices send {} messages/s of telemetry, and {} allows {}: {becomes}; set telemetry.interval to {} times as much or \
             more",
            number(need.beside_per_s),
            hub(sizing.tier, sizing.units),
            number(need.limit_per_s),
            number((need.beside_per_s / need.limit_per_s * 100.0).ceil() / 100.0)
        )
    })
}

fn churn(demand: &Demand, sizing: &Sizing, limits: &HubLimits) -> Option<String> {
    let need = sizing.need(Operation::Connect).filter(|need| need.beside_per_s > need.limit_per_s)?;
    let becomes = if is_exceeded(Exceeded::Reconnect, demand, sizing, limits) {
        "more and more are refused"
    } else {
        "only what passes at once lets them in"
    };
    Some(format!(
        "devices come back {} times/s, and {} allows {}: {becomes}; let fleet.churn leave connections up for longer",
        number(need.beside_per_s),
        hub(sizing.tier, sizing.units),
        number(need.limit_per_s)
    ))
}

fn looks(demand: &Demand, sizing: &Sizing) -> Option<String> {
    let observer = sizing.observer.filter(|observer| !observer.fits)?;
    let longer = observer.fits_every_s.map(|every_s| format!("set observe.interval to {}s or more", number(every_s)));
    if observer.operation == Operation::Query {
        let shards = if demand.shards == 1 { String::new() } else { format!(" from {} shards", demand.shards) };
        return Some(format!(
            "the observer makes {} queries/min{shards}, and {} allows {}: {}, as is counted here",
            number(observer.per_s * 60.0),
            hub(sizing.tier, sizing.units),
            number(observer.limit_per_s * 60.0),
            longer?
        ));
    }
    let query = "let observe.kind be query".to_owned();
    Some(format!(
        "polling would read {} twins/s, and {} allows {}, so that looks become rarer: {}",
        number(observer.per_s),
        hub(sizing.tier, sizing.units),
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
        hub(sizing.tier, sizing.units),
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
            hub(sizing.tier, sizing.units),
            number(limit_per_s)
        )
    })
}

/// Two decimals at most.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
