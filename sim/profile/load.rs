//! `[load]`: when updates start, and how long their calls may take.

use std::time::Duration;

use super::error::Problem;
use super::reader::{Field, Section};
use super::settle;
use crate::device::FleetConfig;
use crate::dialect::azure::jobs;
use crate::driver::Via;
use crate::policy::{ArrivalKind, DeviceIds, Load, Ramp, Settle};

/// A schedule is walked in whole by every shard; so many updates take a second.
const MAX_UPDATES: u64 = 100_000_000;
/// Updates in progress in a closed load that does not say how many.
const IN_FLIGHT: u32 = 100;
/// Devices of a job, unless the profile says otherwise.
const JOB_DEVICES: u32 = 100;
/// The most that it may say; the length of their ids may allow fewer.
const MAX_JOB_DEVICES: u32 = 700;

pub(super) struct LoadSection {
    pub(super) load: Load,
    pub(super) updates: Option<u64>,
    pub(super) settle: Option<Settle>,
    pub(super) hold: Duration,
    pub(super) lasts: Duration,
    pub(super) via: Via,
    pub(super) max_in_flight: u32,
    pub(super) response_timeout: Duration,
    pub(super) connect_timeout: Duration,
}

#[derive(Clone, Copy)]
enum Kind {
    Open,
    Closed,
}

pub(super) fn read(field: &Field<'_>, fleet: &FleetConfig, carries_ids: bool) -> Result<LoadSection, Problem> {
    let section = field.section(&[
        "kind",
        "in_flight",
        "rate",
        "arrivals",
        "ramp",
        "via",
        "job_devices",
        "updates",
        "settle",
        "hold",
        "lasts",
        "max_in_flight",
        "response_timeout",
        "connect_timeout",
    ])?;
    let kind = section.required("kind")?;
    let load = match kind.choice(&[("open", Kind::Open), ("closed", Kind::Closed)])? {
        Kind::Open => open(&section, &kind)?,
        Kind::Closed => closed(&section, &kind)?,
    };
    let updates = section.optional("updates").map(|field| updates(&field, fleet.devices, carries_ids)).transpose()?;
    let hold = section.required("hold")?.duration(Duration::ZERO..=Duration::from_secs(86_400))?;
    let lasts = section.required("lasts")?.duration(Duration::ZERO..=Duration::from_secs(86_400))?;
    if updates == Some(0) && hold.is_zero() && lasts.is_zero() {
        let field = section.required("updates")?;
        return Err(field.problem("can be 0 only with a `load.hold` or a `load.lasts`: there would be nothing to run"));
    }
    let max_in_flight = section.required("max_in_flight")?.integer(1..=1_000_000_u32)?;
    let via = via(&section, &load, updates, fleet, max_in_flight)?;
    // 2.2: the hub takes 5 to 300 s for the response timeout and 0 to 300 s for the connect timeout.
    let response_timeout = section.required("response_timeout")?.seconds(5..=300)?;
    let connect = section.required("connect_timeout")?;
    let connect_timeout = connect.seconds(0..=300)?;
    if connect_timeout > response_timeout {
        // 2.2: the hub answers such calls with 400, code 400004.
        let limit = response_timeout.as_secs();
        return Err(
            connect.problem(format_args!("must not exceed `load.response_timeout`, {limit}s: hubs refuse that"))
        );
    }
    let settle = section.optional("settle").map(|field| settle(&field, &load, via, carries_ids)).transpose()?;
    Ok(LoadSection { load, updates, settle, hold, lasts, via, max_in_flight, response_timeout, connect_timeout })
}

/// Load before the load: that of an open one that has one rate from beginning to end.
fn settle(field: &Field<'_>, load: &Load, via: Via, carries_ids: bool) -> Result<Settle, Problem> {
    let settle = settle::read(field)?;
    if !carries_ids {
        return Err(
            field.problem("needs `firmware.update_id`: a device's updates before and after could not be told apart")
        );
    }
    let why = match (load, via) {
        (Load::Closed { .. }, _) => "in a closed load",
        (Load::Open { ramp: Some(_), .. }, _) => "with a ramp, which does the same",
        (Load::Open { .. }, Via::Job { .. }) => "while `load.via` is \"job\"",
        (Load::Open { rate, ramp: None, .. }, Via::Calls) if settle.calls(*rate) > MAX_UPDATES => {
            return Err(field.problem(format_args!("must not need more than {MAX_UPDATES} calls")));
        }
        (Load::Open { .. }, Via::Calls) => return Ok(settle),
    };
    Err(field.problem(format_args!("means nothing {why}: leave it out")))
}

fn via(
    section: &Section<'_>,
    load: &Load,
    updates: Option<u64>,
    fleet: &FleetConfig,
    max_in_flight: u32,
) -> Result<Via, Problem> {
    let field = section.required("via")?;
    let by_job = field.choice(&[("calls", false), ("job", true)])?;
    if !by_job {
        section.meaningless("job_devices", &field, "while `load.via` is \"calls\"")?;
        return Ok(Via::Calls);
    }
    if load.rate().is_none() {
        return Err(field.problem(
            "cannot be `job` in a closed load: a job begins with all of its devices, not with one when another has \
             ended; set `load.kind` to \"open\"",
        ));
    }
    if updates.is_some_and(|updates| updates > u64::from(fleet.devices)) {
        let devices = fleet.devices;
        return Err(field.problem(format_args!(
            "cannot be `job` with more `load.updates` than `fleet.devices`, {devices}: a job calls a device once"
        )));
    }
    let size = section.optional("job_devices");
    // The hub's condition names each device. The ids in a file are looked at when that is read.
    let length = fleet.id_prefix.chars().count() + 7;
    let fit = fleet.devices_file.is_none().then(|| jobs::ids_that_fit(std::iter::repeat(length)));
    let most = fit.and_then(|fit| u32::try_from(fit).ok()).unwrap_or(MAX_JOB_DEVICES).min(max_in_flight);
    match size {
        None => Ok(Via::Job { devices: JOB_DEVICES.min(most) }),
        Some(size) => {
            let devices = size.integer(1..=MAX_JOB_DEVICES)?;
            if devices > most {
                return Err(size.problem(format_args!(
                    "must not exceed {most}: no more ids fit into a job's condition, or than `load.max_in_flight`"
                )));
            }
            Ok(Via::Job { devices })
        }
    }
}

fn open(section: &Section<'_>, kind: &Field<'_>) -> Result<Load, Problem> {
    section.meaningless("in_flight", kind, "in an open load")?;
    let rate = section.required("rate")?.rate()?;
    let arrivals = section
        .required("arrivals")?
        .choice(&[("poisson", ArrivalKind::Poisson), ("constant", ArrivalKind::Constant)])?;
    let ramp = section.optional("ramp").map(|field| ramp(&field)).transpose()?;
    Ok(Load::Open { rate, arrivals, ramp })
}

fn closed(section: &Section<'_>, kind: &Field<'_>) -> Result<Load, Problem> {
    for key in ["rate", "arrivals", "ramp"] {
        section.meaningless(key, kind, "in a closed load")?;
    }
    let in_flight = section.optional("in_flight");
    let in_flight = in_flight.map_or(Ok(IN_FLIGHT), |field| field.integer(1..=DeviceIds::MAX_DEVICES))?;
    Ok(Load::Closed { in_flight })
}

/// More updates than devices call devices again, which only an id makes another update: without one, devices and
/// observers could take it for the same.
fn updates(field: &Field<'_>, devices: u32, carries_ids: bool) -> Result<u64, Problem> {
    let updates = field.integer(0..=MAX_UPDATES)?;
    if updates > u64::from(devices) && !carries_ids {
        return Err(field.problem(format_args!(
            "must not exceed `fleet.devices`, {devices}, while `firmware.update_id` is false: a device's updates could \
             not be told apart"
        )));
    }
    Ok(updates)
}

fn ramp(field: &Field<'_>) -> Result<Ramp, Problem> {
    let section = field.section(&["from", "over"])?;
    let from = section.required("from")?.rate()?;
    let over = section.required("over")?.duration(Duration::from_millis(1)..=Duration::from_secs(86_400))?;
    Ok(Ramp { from, over })
}
