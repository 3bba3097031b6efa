//! `[[fault]]`: what is going to go wrong, for whom and when.

use std::time::Duration;

use super::document::Value;
use super::error::Problem;
use super::reader::{Field, Section};
use crate::device::FleetConfig;
use crate::measure::Truth;
use crate::policy::{DeviceIds, Fault, FaultKind, FaultStage, Select};

#[derive(Clone, Copy)]
enum Kind {
    Reject,
    NoReply,
    Offline,
    Fail,
    Stall,
}

const KINDS: [(&str, Kind); 5] = [
    ("reject", Kind::Reject),
    ("no_reply", Kind::NoReply),
    ("offline", Kind::Offline),
    ("fail", Kind::Fail),
    ("stall", Kind::Stall),
];
/// A device can stall in any stage, but nothing can fail while it only waits.
const STALL_STAGES: [(&str, FaultStage); 5] = [
    ("waiting", FaultStage::Waiting),
    ("downloading", FaultStage::Downloading),
    ("verifying", FaultStage::Verifying),
    ("applying", FaultStage::Applying),
    ("rebooting", FaultStage::Rebooting),
];
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn read(field: &Field<'_>, fleet: &FleetConfig) -> Result<Vec<Fault>, Problem> {
    let mut faults = Vec::new();
    for item in field.list()? {
        if faults.len() == Truth::MAX_FAULTS {
            return Err(item.problem(format_args!("is one too many: allowed are {} faults", Truth::MAX_FAULTS)));
        }
        faults.push(fault(&item, fleet)?);
    }
    Ok(faults)
}

fn fault(field: &Field<'_>, fleet: &FleetConfig) -> Result<Fault, Problem> {
    let section = field.section(&["kind", "status", "stage", "code", "select", "at", "for"])?;
    let kind = kind(&section)?;
    let select = select(&section.required("select")?, fleet)?;
    let at = section.optional("at").map_or(Ok(Duration::ZERO), |field| field.duration(Duration::ZERO..=DAY))?;
    let lasts = section.optional("for").map(|field| field.duration(Duration::from_millis(1)..=DAY)).transpose()?;
    Ok(Fault { kind, select, at, lasts })
}

fn kind(section: &Section<'_>) -> Result<FaultKind, Problem> {
    let field = section.required("kind")?;
    let kind = field.choice(&KINDS)?;
    let foreign: &[&str] = match kind {
        Kind::Reject => &["stage", "code"],
        Kind::NoReply | Kind::Offline => &["stage", "code", "status"],
        Kind::Fail => &["status"],
        Kind::Stall => &["code", "status"],
    };
    let why = format!("for the kind `{}`", field.text()?);
    foreign.iter().try_for_each(|key| section.meaningless(key, &field, &why))?;
    Ok(match kind {
        Kind::Reject => FaultKind::Reject { status: status(&section.required("status")?)? },
        Kind::NoReply => FaultKind::NoReply,
        Kind::Offline => FaultKind::Offline,
        Kind::Fail => FaultKind::Fail {
            stage: stage(&section.required("stage")?, &STALL_STAGES[1..])?,
            code: code(&section.required("code")?)?,
        },
        Kind::Stall => FaultKind::Stall { stage: stage(&section.required("stage")?, &STALL_STAGES)? },
    })
}

fn status(field: &Field<'_>) -> Result<u16, Problem> {
    match field.integer(100..=599_u16)? {
        200 => Err(field.problem("cannot be 200, which accepts the update: take e.g. 500")),
        status => Ok(status),
    }
}

/// A stage by its name, or by the shorter name of what happens in it (`apply` for `applying`).
fn stage(field: &Field<'_>, allowed: &[(&str, FaultStage)]) -> Result<FaultStage, Problem> {
    let short = match field.text()? {
        "wait" => FaultStage::Waiting,
        "download" => FaultStage::Downloading,
        "verify" => FaultStage::Verifying,
        "apply" => FaultStage::Applying,
        "reboot" => FaultStage::Rebooting,
        _ => return field.choice(allowed),
    };
    if allowed.iter().any(|(_, stage)| *stage == short) { Ok(short) } else { field.choice(allowed) }
}

fn code(field: &Field<'_>) -> Result<String, Problem> {
    field.choice(&FaultKind::FAIL_CODES.map(|code| (code, code))).map(str::to_owned)
}

fn select(field: &Field<'_>, fleet: &FleetConfig) -> Result<Select, Problem> {
    const FORMS: &str = "must be `\"all\"`, `{ percent = 2 }`, `{ count = 10 }` or `{ ids = [0, 1] }`";
    if matches!(&field.node.value, Value::Text(text) if text == "all") {
        return Ok(Select::All);
    }
    let Value::Table(table) = &field.node.value else {
        return Err(field.problem(FORMS));
    };
    field.unsupported(&["wave"])?;
    let section = field.section(&["percent", "count", "ids"])?;
    if table.len() > 1 {
        return Err(field.problem(FORMS));
    }
    let found = [
        section.optional("percent").map(|field| field.number(0.0..=100.0).map(Select::Percent)),
        section.optional("count").map(|field| count(&field, fleet).map(Select::Count)),
        section.optional("ids").map(|field| ids(&field, fleet).map(Select::Ids)),
    ];
    found.into_iter().flatten().next().unwrap_or_else(|| Err(field.problem(FORMS)))
}

/// So many devices as there are.
fn count(field: &Field<'_>, fleet: &FleetConfig) -> Result<u32, Problem> {
    match field.integer(0..=DeviceIds::MAX_DEVICES)? {
        count if count > fleet.devices => {
            Err(field.problem(format_args!("must not exceed `fleet.devices`, {}", fleet.devices)))
        }
        count => Ok(count),
    }
}

/// Devices by index or by id.
fn ids(field: &Field<'_>, fleet: &FleetConfig) -> Result<Vec<u32>, Problem> {
    let ids = DeviceIds::new(fleet.id_prefix.as_str());
    let last = fleet.devices - 1;
    let device = |item: Field<'_>| {
        if fleet.devices_file.is_some() && matches!(item.node.value, Value::Text(_)) {
            return Err(item.problem(format_args!(
                "must be a number from 0 to {last} while `fleet.devices_file` names the devices: they are numbered in \
                 the order of their ids"
            )));
        }
        let (device, shown) = match &item.node.value {
            Value::Integer(index) => (u32::try_from(*index).ok(), index.to_string()),
            Value::Text(id) => (ids.device(id), id.clone()),
            other => (None, other.kind().to_owned()),
        };
        device.filter(|device| *device <= last).ok_or_else(|| {
            let (first, last) = (ids.id(0), ids.id(last));
            item.problem(format_args!(
                "names no device of the fleet with `{shown}`: allowed are 0 to {}, or `{first}` to `{last}`",
                fleet.devices - 1
            ))
        })
    };
    let mut devices: Vec<u32> = field.list()?.map(device).collect::<Result<_, _>>()?;
    devices.sort_unstable();
    devices.dedup();
    if devices.is_empty() { Err(field.problem("selects nobody: name at least one device")) } else { Ok(devices) }
}
