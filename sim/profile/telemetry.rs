//! `[telemetry]` and `fleet.churn`: what devices do without being called.

use std::time::Duration;

use super::error::Problem;
use super::hub::HubPlan;
use super::reader::Field;
use crate::policy::{Churn, Telemetry};

const DAY: Duration = Duration::from_secs(86_400);
/// The largest message of an IoT hub (7); a broker's own limit is mostly higher, and nobody's telemetry is.
const MAX_SIZE: u64 = 256 * 1024;

pub(super) fn read(field: &Field<'_>, hub: &HubPlan) -> Result<Telemetry, Problem> {
    let section = field.section(&["interval", "size", "qos"])?;
    let interval = section.required("interval")?.duration(Duration::from_millis(1)..=DAY)?;
    let size = section.optional("size");
    let size = size.map_or(Ok(256), |field| field.size(u64::from(Telemetry::MIN_SIZE)..=MAX_SIZE))?;
    let qos = match section.optional("qos") {
        None => 0,
        Some(field) => {
            let qos = field.integer(0..=2_u8)?;
            if qos == 2 && hub.broker().is_none() {
                return Err(field.problem("can be 2 only with `hub.kind = \"mqtt\"`: an IoT hub has QoS 0 and 1"));
            }
            qos
        }
    };
    Ok(Telemetry { interval, size: u32::try_from(size).unwrap_or(u32::MAX), qos })
}

pub(super) fn churn(field: &Field<'_>) -> Result<Churn, Problem> {
    let section = field.section(&["up", "down"])?;
    let delay = |key: &str| section.required(key)?.delay(DAY);
    Ok(Churn { up: delay("up")?, down: delay("down")? })
}
