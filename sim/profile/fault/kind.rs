//! The kinds of faults and what each takes.

use std::time::Duration;

use super::super::error::Problem;
use super::super::limit;
use super::super::reader::{Field, Section};
use crate::policy::{
    Bandwidth, BootLoop, Delay, Duplicate, Fail, FaultKind, FaultStage, FirmwareStatus, HubSlow, Latency, Malformation,
    Malformed, Reboot, Reject, Rollback, Skip, Slow, SlowReply, Slowness, Stall, Throttled, ThrottledOperation,
    TokenExpiry, Vanish,
};

/// What some kind takes.
pub(super) const PARAMETERS: &[&str] = &[
    "status",
    "stage",
    "code",
    "delay",
    "factor",
    "away",
    "times",
    "form",
    "spread",
    "rate",
    "methods",
    "twin_writes",
    "twin_reads",
    "of",
    "burst",
    "queue",
];

type Read = fn(&Section<'_>) -> Result<FaultKind, Problem>;

/// The kinds: the name, what it takes, and how that is read.
const KINDS: [(&str, &[&str], Read); 27] = [
    ("reject", &["status"], |section| Ok(FaultKind::Reject(Reject { status: status(&section.required("status")?)? }))),
    ("no_reply", &[], |_| Ok(FaultKind::NoReply)),
    ("slow_reply", &["delay"], |section| Ok(FaultKind::SlowReply(SlowReply { delay: delay(section, "delay")? }))),
    ("offline", &[], |_| Ok(FaultKind::Offline)),
    ("fail", &["stage", "code"], |section| {
        let stage = stage(&section.required("stage")?, &STAGES[1..])?;
        Ok(FaultKind::Fail(Fail { stage, code: code(&section.required("code")?)? }))
    }),
    ("rollback", &["delay"], |section| Ok(FaultKind::Rollback(Rollback { delay: delay(section, "delay")? }))),
    ("stall", &["stage"], |section| {
        Ok(FaultKind::Stall(Stall { stage: stage(&section.required("stage")?, &STAGES)? }))
    }),
    ("slow", &["stage", "factor", "delay"], slow),
    ("reboot", &["away"], |section| Ok(FaultKind::Reboot(Reboot { away: delay(section, "away")? }))),
    ("boot_loop", &["times"], |section| {
        Ok(FaultKind::BootLoop(BootLoop { times: section.required("times")?.integer(1..=100_u32)? }))
    }),
    ("vanish", &["stage"], |section| {
        Ok(FaultKind::Vanish(Vanish { stage: stage(&section.required("stage")?, &STAGES)? }))
    }),
    ("false_success", &[], |_| Ok(FaultKind::FalseSuccess)),
    ("skip", &["stage"], |section| {
        Ok(FaultKind::Skip(Skip { stage: section.required("stage")?.choice(&REPORTS[..2])? }))
    }),
    ("reorder", &[], |_| Ok(FaultKind::Reorder)),
    ("duplicate", &["stage"], |section| {
        Ok(FaultKind::Duplicate(Duplicate { stage: section.required("stage")?.choice(&REPORTS)? }))
    }),
    ("malformed", &["stage", "form"], |section| {
        let stage = section.required("stage")?.choice(&REPORTS[..2])?;
        Ok(FaultKind::Malformed(Malformed { stage, form: section.required("form")?.choice(&FORMS)? }))
    }),
    ("token_expiry", &["spread"], |section| {
        let spread = optional_duration(section, "spread")?.unwrap_or_default();
        Ok(FaultKind::TokenExpiry(TokenExpiry { spread }))
    }),
    ("wrong_key", &[], |_| Ok(FaultKind::WrongKey)),
    ("duplicate_id", &[], |_| Ok(FaultKind::DuplicateId)),
    ("half_open", &[], |_| Ok(FaultKind::HalfOpen)),
    ("latency", &["delay"], |section| Ok(FaultKind::Latency(Latency { delay: delay(section, "delay")? }))),
    ("bandwidth", &["rate"], |section| {
        // In bytes per second: less would not carry a keep-alive, more is no limit.
        let rate = section.required("rate")?.number(16.0..=1e9)?;
        Ok(FaultKind::Bandwidth(Bandwidth { rate }))
    }),
    ("slow_reader", &[], |_| Ok(FaultKind::SlowReader)),
    ("reset", &[], |_| Ok(FaultKind::Reset)),
    ("hub_down", &[], |_| Ok(FaultKind::HubDown)),
    ("hub_slow", &["methods", "twin_writes", "twin_reads"], hub_slow),
    ("throttle", &["of", "rate", "burst", "queue"], throttle),
];

/// A device can stop in any stage, but nothing can fail while it only waits.
const STAGES: [(&str, FaultStage); 5] = [
    ("waiting", FaultStage::Waiting),
    ("downloading", FaultStage::Downloading),
    ("verifying", FaultStage::Verifying),
    ("applying", FaultStage::Applying),
    ("rebooting", FaultStage::Rebooting),
];
/// The stages that take a time of their own.
const TIMED: [(&str, FaultStage); 3] = [STAGES[0], STAGES[1], STAGES[3]];
const REPORTS: [(&str, FirmwareStatus); 3] = [
    ("downloading", FirmwareStatus::Downloading),
    ("applying", FirmwareStatus::Applying),
    ("completed", FirmwareStatus::Completed),
];
const FORMS: [(&str, Malformation); 3] = [
    ("bad_json", Malformation::BadJson),
    ("wrong_type", Malformation::WrongType),
    ("too_large", Malformation::TooLarge),
];
const HOUR: Duration = Duration::from_secs(3600);

/// Reads `kind` and what it takes; what only other kinds take is refused.
pub(super) fn read(section: &Section<'_>) -> Result<FaultKind, Problem> {
    let field = section.required("kind")?;
    let names = KINDS.map(|(name, ..)| (name, name));
    let name = field.choice(&names)?;
    let why = format!("for the kind `{name}`");
    let Some((_, own, read)) = KINDS.iter().find(|(kind, ..)| *kind == name) else {
        return Err(field.problem("is unknown"));
    };
    let foreign = PARAMETERS.iter().filter(|key| !own.contains(key));
    foreign.into_iter().try_for_each(|key| section.meaningless(key, &field, &why))?;
    read(section)
}

fn slow(section: &Section<'_>) -> Result<FaultKind, Problem> {
    let stage = stage(&section.required("stage")?, &TIMED)?;
    let by = match section.optional("factor") {
        Some(factor) => {
            section.meaningless("delay", &factor, "beside `factor`")?;
            Slowness::Factor(factor.number(1.0..=1000.0)?)
        }
        None => Slowness::Delay(delay(section, "delay")?),
    };
    Ok(FaultKind::Slow(Slow { stage, by }))
}

fn hub_slow(section: &Section<'_>) -> Result<FaultKind, Problem> {
    let methods = optional_duration(section, "methods")?;
    let twin_writes = optional_duration(section, "twin_writes")?;
    let twin_reads = optional_duration(section, "twin_reads")?;
    if [methods, twin_writes, twin_reads].into_iter().flatten().all(|delay| delay.is_zero()) {
        let field = section.required("kind")?;
        return Err(field.problem("needs at least one of `methods`, `twin_writes` and `twin_reads`, longer than 0s"));
    }
    Ok(FaultKind::HubSlow(HubSlow {
        methods: methods.unwrap_or_default(),
        twin_writes: twin_writes.unwrap_or_default(),
        twin_reads: twin_reads.unwrap_or_default(),
    }))
}

fn throttle(section: &Section<'_>) -> Result<FaultKind, Problem> {
    let of = section.required("of")?.choice(&ThrottledOperation::ALL.map(|operation| (operation.name(), operation)))?;
    Ok(FaultKind::Throttle(Throttled { of, limit: limit::read(section)? }))
}

/// A delay distribution.
fn delay(section: &Section<'_>, key: &str) -> Result<Delay, Problem> {
    section.required(key)?.delay(HOUR)
}

fn optional_duration(section: &Section<'_>, key: &str) -> Result<Option<Duration>, Problem> {
    section.optional(key).map(|field| field.duration(Duration::ZERO..=HOUR)).transpose()
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
    field.choice(&Fail::CODES.map(|code| (code, code))).map(str::to_owned)
}
