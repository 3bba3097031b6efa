//! `[[fault]]`: what is going to go wrong, for whom and when.

mod kind;
mod select;

use std::time::Duration;

use super::error::Problem;
use super::hub::HubPlan;
use super::reader::Field;
use crate::device::{Auth, FleetConfig};
use crate::measure::Truth;
use crate::policy::{Fault, FaultKind, Place, Select};

const DAY: Duration = Duration::from_secs(86_400);

/// What faults may strike.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    pub(super) fleet: &'a FleetConfig,
    pub(super) hub: &'a HubPlan,
    /// Waves of the roll-out, 0 without one.
    pub(super) waves: u32,
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
    let Targets { fleet, hub, waves } = targets;
    let section = field.section(&[&["kind", "name", "select", "at", "for"], kind::PARAMETERS].concat())?;
    let kind = kind::read(&section)?;
    let name = match section.optional("name") {
        Some(field) => name(&field, before)?,
        None => unused(kind.name(), before),
    };
    let select = match kind.place() {
        Place::Hub if *hub == HubPlan::Azure => {
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
    if fleet.auth == Auth::X509 && matches!(kind, FaultKind::WrongKey | FaultKind::TokenExpiry(_)) {
        return Err(section.required("kind")?.problem(format_args!(
            "cannot be `{}` for devices that prove themselves by certificates, which have neither keys nor tokens: \
             take `fleet.auth = \"sas\"`, or another fault",
            kind.name()
        )));
    }
    let at = section.optional("at").map_or(Ok(Duration::ZERO), |field| field.duration(Duration::ZERO..=DAY))?;
    let lasts = section.optional("for").map(|field| field.duration(Duration::from_millis(1)..=DAY)).transpose()?;
    Ok(Fault { name, kind, select, at, lasts })
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
