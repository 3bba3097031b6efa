//! `[fleet]`: the devices.

use super::error::Problem;
use super::reader::Field;
use super::retry::Retries;
use crate::device::{FleetConfig, Transport};
use crate::policy::DeviceIds;
use crate::time::TimestampFormat;

/// The longest keep-alive that a client can use, in seconds (1.5: the hub allows 1.5 times as much, up to 1767 s).
const MAX_KEEP_ALIVE: u64 = 1177;
/// A prefix and the seven digits behind it fit into the 128 characters of a device id (1.2).
const MAX_PREFIX: usize = 121;

/// Reads the fleet and the number of shards that share it.
pub(super) fn read(field: &Field<'_>, retries: &Retries) -> Result<(FleetConfig, u32), Problem> {
    let section = field.section(&[
        "devices",
        "id_prefix",
        "connect_rate",
        "connect_in_flight",
        "transport",
        "tls_resumption",
        "keep_alive",
        "token_life",
        "workers",
        "shards",
        "timestamps",
    ])?;
    let config = FleetConfig {
        devices: section.required("devices")?.integer(1..=DeviceIds::MAX_DEVICES)?,
        id_prefix: id_prefix(&section.required("id_prefix")?)?,
        connect_rate: section.required("connect_rate")?.rate()?,
        connect_in_flight: section.required("connect_in_flight")?.integer(1..=100_000_u32)?,
        transport: section.required("transport")?.choice(&[("tcp", Transport::Tcp), ("tls", Transport::Tls)])?,
        tls_resumption: section.required("tls_resumption")?.boolean()?,
        keep_alive: section.required("keep_alive")?.seconds(1..=MAX_KEEP_ALIVE)?,
        token_life: section.required("token_life")?.seconds(10..=365 * 86_400)?,
        workers: section.required("workers")?.integer(1..=256_u32)? as usize,
        timestamps: section
            .required("timestamps")?
            .choice(&[("local", TimestampFormat::Local), ("rfc3339", TimestampFormat::Rfc3339)])?,
        retry_connect: retries.connect,
        retry_twin: retries.twin,
    };
    let shards = section.required("shards")?;
    if shards.integer(1..=10_000_u32)? > 1 {
        return Err(shards.problem("more than 1 is not supported yet"));
    }
    Ok((config, 1))
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
