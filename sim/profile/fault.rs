//! `[[fault]]`: what is going to go wrong, for whom and when.

mod kind;
mod select;

use std::time::Duration;

use super::BrokerPlan;
use super::error::Problem;
use super::hub::HubPlan;
use super::reader::Field;
use crate::device::{Auth, FleetConfig};
use crate::measure::Truth;
use crate::policy::{Fault, FaultKind, FaultStage, Malformation, Malformed, Place, Select, Slow, Slowness};

/// What it takes at least from being told of a token's end to that end: half of it for devices to take it one by one, and
/// what a token has to last.
const TOKEN: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(86_400);

/// What faults may strike.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    pub(super) fleet: &'a FleetConfig,
    pub(super) hub: &'a HubPlan,
    /// Waves of the roll-out, 0 without one.
    pub(super) waves: u32,
    /// Whether devices really download their image.
    pub(super) downloads: bool,
    /// How long the fleet stands by before the load.
    pub(super) hold: Duration,
}

pub(super) fn read(field: &Field<'_>, targets: Targets<'_>) -> Result<Vec<Fault>, Problem> {
    let mut faults = Vec::new();
    for item in field.list()? {
        if faults.len() == Truth::MAX_FAULTS {
            return Err(item.problem(format_args!("is one too many: allowed are {} faults", Truth::MAX_FAULTS)));
        }
        let fault = fault(&item, targets, &faults)?;
        faults.push(fault);
    }
    Ok(faults)
}

fn fault(field: &Field<'_>, targets: Targets<'_>, before: &[Fault]) -> Result<Fault, Problem> {
    let Targets { fleet, hub, waves, downloads, hold } = targets;
    let section = field.section(&[&["kind", "name", "select", "at", "for"], kind::PARAMETERS].concat())?;
    let kind = kind::read(&section)?;
    let name = match section.optional("name") {
        Some(field) => name(&field, before)?,
        None => unused(kind.name(), before),
    };
    if let Some(why) = hub.broker().and_then(|broker| beyond_broker(&kind, broker)) {
        let place = section.optional("form").filter(|_| matches!(kind, FaultKind::Malformed(_)));
        return Err(place.map_or_else(|| section.required("kind"), Ok)?.problem(why));
    }
    let select = match kind.place() {
        Place::Hub if !hub.can_be_struck(&kind) => {
            return Err(section.required("kind")?.problem(format_args!(
                "cannot be `{}` on a hub that is not embedded: nobody but the hub itself does that. Take `hub.kind = \
                 \"embedded\"`, or another fault",
                kind.name()
            )));
        }
        // A hub is struck with all of its devices.
        Place::Hub => {
            section.meaningless("select", &section.required("kind")?, "for a fault of the hub, which strikes all")?;
            Select::All
        }
        _ => select::read(&section.required("select")?, fleet, waves)?,
    };
    if matches!(hub, HubPlan::Null { .. }) && matches!(kind, FaultKind::WrongKey | FaultKind::TokenExpiry(_)) {
        return Err(section.required("kind")?.problem(format_args!(
            "cannot be `{}` on a hub that only acknowledges: it looks at no token. Take `hub.kind = \"embedded\"`, or \
             another fault",
            kind.name()
        )));
    }
    // A broker's password is asked for whatever certificate there is.
    if fleet.auth == Auth::X509
        && hub.broker().is_none()
        && matches!(kind, FaultKind::WrongKey | FaultKind::TokenExpiry(_))
    {
        return Err(section.required("kind")?.problem(format_args!(
            "cannot be `{}` for devices that prove themselves by certificates, which have neither keys nor tokens: \
             take `fleet.auth = \"sas\"`, or another fault",
            kind.name()
        )));
    }
    if downloads && let FaultKind::Slow(Slow { stage: FaultStage::Downloading, by: Slowness::Factor(_) }) = kind {
        let why =
            "means nothing for a real download, which takes as long as it takes: say how much longer, with `delay`";
        return Err(section.required("factor")?.problem(why));
    }
    let at = section.optional("at").map_or(Ok(Duration::ZERO), |field| field.duration(Duration::ZERO..=DAY))?;
    let lasts = section.optional("for").map(|field| field.duration(Duration::from_millis(1)..=DAY)).transpose()?;
    let fault = Fault { name, kind, select, at, lasts };
    if let Some((start, end)) = expiry(&fault) {
        let place = section.optional("at").map_or_else(|| section.required("kind"), Ok)?;
        if start + hold < TOKEN {
            let why = "is too early: a `token_expiry` needs `at = \"5s\"` at least, or a `load.hold` that makes up for it, since \
                       devices take the token that ends then once they know when the load starts";
            return Err(place.problem(why));
        }
        let too_close = |(from, to): (Duration, Duration)| start < to + TOKEN && from < end + TOKEN;
        if let Some(other) = before.iter().find(|fault| expiry(fault).is_some_and(too_close)) {
            let why = format!(
                "is too close to `{}`: the tokens of one `token_expiry` must end 5s before those of the other",
                other.name
            );
            return Err(place.problem(why));
        }
    }
    Ok(fault)
}

/// Why this cannot go wrong with a plain broker, and what to take instead; `None` where it can.
fn beyond_broker(kind: &FaultKind, broker: &BrokerPlan) -> Option<String> {
    let name = kind.name();
    let why = match kind {
        FaultKind::HubDown if broker.outage.is_none() => {
            "nobody but its operator does that. Name the commands for it, `hub.outage = { down = COMMAND, up = COMMAND }`, \
             or take `reset`, which breaks the devices' connections"
        }
        FaultKind::HubSlow(_) => {
            "nobody but the broker itself does that. Take `latency`, which makes the way to it longer"
        }
        FaultKind::Throttle(_) => {
            "nobody but the broker itself does that. Limit it by its own configuration, or take `bandwidth`, which limits \
             each device's connection"
        }
        FaultKind::TokenExpiry(_) => {
            "its devices have passwords or certificates, and no tokens that could end. Take `reset`, which breaks their \
             connections"
        }
        FaultKind::WrongKey if broker.dialect.username.is_none() => {
            "without a user's name its devices prove themselves by nothing that could be wrong. Name `hub.username`, or \
             take another fault"
        }
        FaultKind::Malformed(Malformed { form: Malformation::TooLarge, .. }) => {
            return Some(
                "cannot be `too_large` with `hub.kind = \"mqtt\"`: a plain broker keeps no twins, whose limit a report \
                 could exceed. Take `bad_json` or `wrong_type`"
                    .to_owned(),
            );
        }
        _ => return None,
    };
    Some(format!("cannot be `{name}` with `hub.kind = \"mqtt\"`: {why}"))
}

/// From when until when the tokens end that `fault` lets end.
fn expiry(fault: &Fault) -> Option<(Duration, Duration)> {
    let FaultKind::TokenExpiry(expiry) = &fault.kind else { return None };
    Some((fault.at, fault.at + expiry.spread))
}

/// A name that results and thresholds can tell the fault by.
fn name(field: &Field<'_>, before: &[Fault]) -> Result<String, Problem> {
    let name = field.text()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
        return Err(field.problem("must be 1 to 40 letters, digits, `-` and `_`"));
    }
    if before.iter().any(|fault| fault.name == name) {
        return Err(field.problem(format_args!("names two faults `{name}`: each needs a name of its own")));
    }
    Ok(name.to_owned())
}

/// The kind, with a number behind it where there is one of that name already.
fn unused(kind: &str, before: &[Fault]) -> String {
    let taken = |name: &str| before.iter().any(|fault| fault.name == name);
    let numbered = (2..).map(|number| format!("{kind}-{number}"));
    std::iter::once(kind.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
