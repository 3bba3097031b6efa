//! `[fleet]`: the devices.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::document::Value;
use super::error::Problem;
use super::reader::{Field, Section};
use super::retry::Retries;
use super::{settle, telemetry};
use crate::device::{Auth, FleetConfig, Transport};
use crate::mqtt::{AddressBlock, MAX_ADDRESSES, SourceAddresses};
use crate::policy::{DeviceIds, units};
use crate::time::TimestampFormat;

/// The longest keep-alive that a client can use, in seconds (1.5: the hub allows 1.5 times as much, up to 1767 s).
const MAX_KEEP_ALIVE: u64 = 1177;
/// A prefix and the seven digits behind it fit into the 128 characters of a device id (1.2).
const MAX_PREFIX: usize = 121;

const AUTHS: [(&str, Auth); 2] = [("sas", Auth::Sas), ("x509", Auth::X509)];

pub(super) struct FleetSection {
    pub(super) fleet: FleetConfig,
    pub(super) shards: Option<u32>,
    pub(super) max_descriptors: Option<u32>,
}

/// Reads the fleet, and what is said of the processes that share it.
pub(super) fn read(field: &Field<'_>, retries: &Retries) -> Result<FleetSection, Problem> {
    let section = field.section(&[
        "devices",
        "id_prefix",
        "devices_file",
        "auth",
        "connect_rate",
        "connect_in_flight",
        "connect_slow_down",
        "connect_settle",
        "churn",
        "source_addresses",
        "transport",
        "tls_resumption",
        "keep_alive",
        "token_life",
        "workers",
        "shards",
        "max_descriptors",
        "timestamps",
    ])?;
    let devices_file = devices_file(&section)?;
    let auth = section.required("auth")?;
    if devices_file.is_none() && auth.choice(&AUTHS)? == Auth::X509 {
        return Err(auth.problem("is `x509` and needs `fleet.devices_file`, which names each device's certificate"));
    }
    let fleet = FleetConfig {
        devices: section.required("devices")?.integer(1..=DeviceIds::MAX_DEVICES)?,
        id_prefix: id_prefix(&section.required("id_prefix")?)?,
        devices_file,
        auth: auth.choice(&AUTHS)?,
        connect_rate: section.required("connect_rate")?.rate()?,
        connect_in_flight: section.required("connect_in_flight")?.integer(1..=100_000_u32)?,
        connect_slow_down: slow_down(&section.required("connect_slow_down")?)?,
        connect_settle: section.optional("connect_settle").map(|field| settle::read(&field)).transpose()?,
        source_addresses: source_addresses(&section.required("source_addresses")?)?,
        transport: section.required("transport")?.choice(&[
            ("tcp", Transport::Tcp),
            ("tls", Transport::Tls),
            ("wss", Transport::Wss),
        ])?,
        tls_resumption: section.required("tls_resumption")?.boolean()?,
        keep_alive: section.required("keep_alive")?.seconds(1..=MAX_KEEP_ALIVE)?,
        token_life: section.required("token_life")?.seconds(10..=365 * 86_400)?,
        workers: section.required("workers")?.integer(1..=256_u32)? as usize,
        timestamps: section
            .required("timestamps")?
            .choice(&[("local", TimestampFormat::Local), ("rfc3339", TimestampFormat::Rfc3339)])?,
        telemetry: None,
        churn: section.optional("churn").map(|field| telemetry::churn(&field)).transpose()?,
        spontaneous_for: Duration::ZERO,
        retry_connect: retries.connect.clone(),
        retry_twin: retries.twin,
    };
    let shards = section.required("shards")?.automatic(1..=10_000_u32)?;
    // Below this a process has none left for devices.
    let max_descriptors = section.required("max_descriptors")?.automatic(256..=10_000_000_u32)?;
    Ok(FleetSection { fleet, shards, max_descriptors })
}

/// The file that names the devices, if there is one.
fn devices_file(section: &Section<'_>) -> Result<Option<PathBuf>, Problem> {
    let field = section.required("devices_file")?;
    match field.text()? {
        "" => Ok(None),
        path => {
            section.meaningless("id_prefix", &field, "where `fleet.devices_file` names the devices")?;
            Ok(Some(path.into()))
        }
    }
}

/// `off`, or how long a CONNACK may take. A minute is longer than any is waited for.
fn slow_down(field: &Field<'_>) -> Result<Option<Duration>, Problem> {
    const LIMIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
    match field.text() {
        Ok("off") => Ok(None),
        Ok(text) if units::parse_duration(text).is_ok() => field.duration(LIMIT).map(Some),
        _ => Err(field.problem("must be `off` or a duration like `500ms` or `2s`")),
    }
}

fn source_addresses(field: &Field<'_>) -> Result<SourceAddresses, Problem> {
    if !matches!(field.node.value, Value::List(_)) {
        return match field.text() {
            Ok("auto") => Ok(SourceAddresses::Auto),
            _ => Err(field.problem("must be \"auto\" or a list like [\"10.0.0.5\", \"10.0.1.0/28\"]")),
        };
    }
    let block = |field: Field<'_>| {
        field.text()?.parse::<AddressBlock>().map_err(|error| field.problem(format_args!("is wrong: {error}")))
    };
    let blocks: Vec<AddressBlock> = field.list()?.map(block).collect::<Result<_, _>>()?;
    match blocks.iter().map(AddressBlock::len).sum() {
        1..=MAX_ADDRESSES => Ok(SourceAddresses::Listed(blocks)),
        addresses => Err(field.problem(format_args!("must hold 1 to {MAX_ADDRESSES} addresses, not {addresses}"))),
    }
}

/// Hubs allow more in an id than this; but `#`, `+`, `%` and `'` have meanings in topics, URLs and queries.
fn id_prefix(field: &Field<'_>) -> Result<String, Problem> {
    let text = field.text()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if (1..=MAX_PREFIX).contains(&text.len()) && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(field.problem(format_args!("must have 1 to {MAX_PREFIX} characters: letters, digits, `-`, `_`, `.` and `:`")))
}
