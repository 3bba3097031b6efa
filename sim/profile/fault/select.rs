//! `select` of a fault: to whom it happens.

use super::super::document::Value;
use super::super::error::Problem;
use super::super::reader::Field;
use crate::device::FleetConfig;
use crate::policy::{DeviceIds, Select};

pub(super) fn read(field: &Field<'_>, fleet: &FleetConfig, waves: u32) -> Result<Select, Problem> {
    const FORMS: &str = "must be `\"all\"`, `{ percent = 2 }`, `{ count = 10 }`, `{ ids = [0, 1] }` or `{ wave = 1 }`";
    if matches!(&field.node.value, Value::Text(text) if text == "all") {
        return Ok(Select::All);
    }
    let Value::Table(table) = &field.node.value else {
        return Err(field.problem(FORMS));
    };
    let section = field.section(&["percent", "count", "ids", "wave"])?;
    if table.len() > 1 {
        return Err(field.problem(FORMS));
    }
    let found = [
        section.optional("percent").map(|field| field.number(0.0..=100.0).map(Select::Percent)),
        section.optional("count").map(|field| count(&field, fleet).map(Select::Count)),
        section.optional("ids").map(|field| ids(&field, fleet).map(Select::Ids)),
        section.optional("wave").map(|field| wave(&field, waves).map(Select::Wave)),
    ];
    found.into_iter().flatten().next().unwrap_or_else(|| Err(field.problem(FORMS)))
}

/// So many devices as there are.
fn count(field: &Field<'_>, fleet: &FleetConfig) -> Result<u32, Problem> {
    match field.integer(1..=DeviceIds::MAX_DEVICES)? {
        count if count > fleet.devices => {
            Err(field.problem(format_args!("must not exceed `fleet.devices`, {}", fleet.devices)))
        }
        count => Ok(count),
    }
}

/// A wave that the roll-out has.
fn wave(field: &Field<'_>, waves: u32) -> Result<u32, Problem> {
    match waves {
        0 => Err(field.problem("names a wave, and there is no `[rollout]` that has any")),
        waves => field.integer(1..=waves),
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
