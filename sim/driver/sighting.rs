//! What a look at a twin says of one update: a stage, nothing new, or something that the workflow forbids.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use crate::dialect::TwinReport;
use crate::policy::FirmwareStatus::{self, Applying, Completed, Downloading, Failed, RolledBack, StandBy};

/// How update ids are written and read: `{run}-{number}`.
#[derive(Debug, Clone)]
pub(super) struct UpdateIds {
    prefix: String,
}

impl UpdateIds {
    /// The ids of the run `run_id`.
    pub(super) fn new(run_id: &str) -> Self {
        Self { prefix: format!("{run_id}-") }
    }

    /// The id of update `number`.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }

    /// Whether `id` is that of update `number`; without building it, as every look at a twin asks.
    pub(super) fn is(&self, id: &str, number: u64) -> bool {
        let digits = id.strip_prefix(&self.prefix);
        digits.is_some_and(|digits| !digits.starts_with('+') && digits.parse() == Ok(number))
    }
}

/// What was known of a twin when the call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Baseline {
    /// `$version` of its reported properties.
    pub(super) version: u64,
    /// When they were last changed, by the hub's clock.
    pub(super) updated: Option<Timestamp>,
}

impl Baseline {
    /// Whether the hub stamped `time` after the call. Both are the hub's own times, so they compare.
    fn precedes(self, time: Option<Timestamp>) -> bool {
        time.is_some_and(|time| self.updated.is_none_or(|updated| updated < time))
    }
}

/// Whose report a twin shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// It carries this update's id.
    Echoed,
    /// It carries no id at all and was written after the call: a device that is not ours.
    Silent,
    /// It carries another update's id, or stood there before the call.
    Other,
}

/// Whose report this is, seen from update `number`.
pub(super) fn owner(report: &TwinReport, number: u64, ids: &UpdateIds, baseline: Baseline) -> Owner {
    match &report.update_id {
        Some(id) if ids.is(id, number) => Owner::Echoed,
        Some(_) => Owner::Other,
        None if report.version <= baseline.version => Owner::Other,
        // Another property changed: the status itself is one that an earlier update left.
        None if report.status_time.is_some() && !baseline.precedes(report.status_time) => Owner::Other,
        None => Owner::Silent,
    }
}

/// What a report says of an update that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighting {
    /// Nothing new.
    Nothing,
    /// A new stage, and the stages before it that came and went unseen.
    Stage(FirmwareStatus, [Option<FirmwareStatus>; 2]),
    /// What the workflow forbids.
    Violation(Violation),
}

/// What the workflow forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    /// A property that must be a text is none.
    Unreadable,
    /// `firmwareStatus` is none of the known ones.
    UnknownStatus,
    /// The second was reported after the first.
    Backward(FirmwareStatus, FirmwareStatus),
    /// A stage was never reported.
    Skipped(FirmwareStatus),
    /// A stage was reported again with another content.
    Repeated(FirmwareStatus),
    /// `completed` with a version that is not the new one.
    FalseSuccess,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("unreadable"),
            Self::UnknownStatus => f.write_str("unknown_status"),
            Self::Backward(from, to) => write!(f, "backward:{from}>{to}"),
            Self::Skipped(stage) => write!(f, "skipped:{stage}"),
            Self::Repeated(stage) => write!(f, "repeated:{stage}"),
            Self::FalseSuccess => f.write_str("false_success"),
        }
    }
}

/// What an update has shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shown {
    /// The latest stage.
    pub(super) stage: Option<FirmwareStatus>,
    /// [`content`] of its report.
    pub(super) content: u64,
}

impl Shown {
    /// The name of the latest stage; before the first one the device waits.
    pub(super) fn name(&self) -> &'static str {
        self.stage.map_or("waiting", FirmwareStatus::as_str)
    }
}

/// Judges a report of an update that has `shown` something before. `version` is the one that the call asked for.
pub(super) fn judge(
    report: &TwinReport,
    owner: Owner,
    baseline: Baseline,
    shown: Shown,
    version: Option<&str>,
) -> Sighting {
    if report.unreadable.is_some() {
        return Sighting::Violation(Violation::Unreadable);
    }
    let status = match report.status {
        None => return Sighting::Nothing,
        Some(Err(_)) => return Sighting::Violation(Violation::UnknownStatus),
        Some(Ok(status)) => status,
    };
    if shown.stage == Some(status) {
        // The same report twice is harmless. A device that is not ours may change other properties as it likes.
        let changed = owner == Owner::Echoed && content(report) != shown.content;
        return if changed { Sighting::Violation(Violation::Repeated(status)) } else { Sighting::Nothing };
    }
    if status == StandBy && shown.stage.is_none() {
        return Sighting::Nothing;
    }
    order(report, baseline, shown.stage, status)
        .map_or_else(Sighting::Violation, |unseen| success(report, version, status, unseen))
}

/// Checks that `status` may follow `last`; gives the stages in between, recovered from the times of their keys.
fn order(
    report: &TwinReport,
    baseline: Baseline,
    last: Option<FirmwareStatus>,
    status: FirmwareStatus,
) -> Result<[Option<FirmwareStatus>; 2], Violation> {
    let rank = |status: Option<FirmwareStatus>| status.map_or(0, rank);
    if let Some(last) = last.filter(|&last| rank(Some(last)) >= rank(Some(status))) {
        return Err(Violation::Backward(last, status));
    }
    let time = |stage: FirmwareStatus| report.key_times[stage as usize].filter(|&time| baseline.precedes(Some(time)));
    // A later stage's key that was written in this update already: the two were reported in the wrong order.
    let later = [Applying, Completed, Failed, RolledBack];
    if let Some(early) =
        later.into_iter().find(|&stage| rank(Some(stage)) > rank(Some(status)) && time(stage).is_some())
    {
        return Err(Violation::Backward(early, status));
    }
    if let (Some(downloading), Some(applying)) = (time(Downloading), time(Applying))
        && applying < downloading
    {
        return Err(Violation::Backward(Applying, Downloading));
    }
    let mut unseen = [None; 2];
    for (unseen, stage) in unseen.iter_mut().zip([Downloading, Applying]) {
        if rank(Some(stage)) <= rank(last) || rank(Some(stage)) >= rank(Some(status)) {
            continue;
        }
        match time(stage) {
            Some(_) => *unseen = Some(stage),
            // A device may fail before any stage; every other end comes after all of them.
            None if status == Failed => {}
            None => return Err(Violation::Skipped(stage)),
        }
    }
    Ok(unseen)
}

/// Checks that a success is one.
fn success(
    report: &TwinReport,
    version: Option<&str>,
    status: FirmwareStatus,
    unseen: [Option<FirmwareStatus>; 2],
) -> Sighting {
    match (version, report.fw_version.as_deref()) {
        (Some(asked), Some(runs)) if status == Completed && asked != runs => {
            Sighting::Violation(Violation::FalseSuccess)
        }
        _ => Sighting::Stage(status, unseen),
    }
}

/// A hash of what a stage's report says beyond its name and time.
pub(super) fn content(report: &TwinReport) -> u64 {
    let mut hasher = DefaultHasher::new();
    report.fw_version.hash(&mut hasher);
    report.error.as_ref().map(|error| (&error.stage, &error.code)).hash(&mut hasher);
    hasher.finish()
}

/// `stage/code`, as the device says; texts of a device are cut so that they cannot swell a report.
pub(super) fn failure_detail(report: &TwinReport) -> String {
    match &report.error {
        Some(error) => [&error.stage, &error.code].map(|text| text.chars().take(40).collect::<String>()).join("/"),
        None => "unknown".to_owned(),
    }
}

const fn rank(status: FirmwareStatus) -> u8 {
    match status {
        StandBy => 0,
        Downloading => 1,
        Applying => 2,
        Completed | Failed | RolledBack => 3,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::dialect::ReportedError;

    pub(in crate::driver) fn second(second: i64) -> Timestamp {
        Timestamp::new(1_800_000_000 + second, 0).unwrap()
    }

    /// A report of `status` at `$version`, written at that second, with the keys of `stages` at the given seconds.
    pub(in crate::driver) fn report(
        status: FirmwareStatus,
        version: u64,
        id: Option<&str>,
        keys: &[(FirmwareStatus, i64)],
    ) -> TwinReport {
        let mut key_times = [None; 6];
        let now = second(version as i64);
        key_times[status as usize] = Some(now);
        for &(stage, at) in keys {
            key_times[stage as usize] = Some(second(at));
        }
        TwinReport {
            device_id: "sim-0000000".to_owned(),
            version,
            last_updated: Some(now),
            status: Some(Ok(status)),
            status_time: Some(now),
            update_id: id.map(str::to_owned),
            fw_version: None,
            error: None,
            key_times,
            connected: Some(true),
            unreadable: None,
        }
    }

    fn baseline() -> Baseline {
        Baseline { version: 10, updated: Some(second(10)) }
    }

    fn see(report: &TwinReport, stage: Option<FirmwareStatus>) -> Sighting {
        judge(report, Owner::Echoed, baseline(), Shown { stage, content: content(report) }, Some("2"))
    }

    #[test]
    fn only_this_updates_reports_are_its_own() {
        let ids = UpdateIds::new("run");
        assert_eq!(ids.id(7), "run-7");
        let whose = |report: &TwinReport| owner(report, 7, &ids, baseline());
        assert_eq!(whose(&report(Downloading, 11, Some("run-7"), &[])), Owner::Echoed);
        for other in ["run-8", "run-+7", "run-", "other-7", "7"] {
            assert_eq!(whose(&report(Downloading, 11, Some(other), &[])), Owner::Other, "{other}");
        }
        assert_eq!(whose(&report(Downloading, 11, None, &[])), Owner::Silent);
        assert_eq!(whose(&report(Completed, 10, None, &[])), Owner::Other, "it stood there before the call");
        let left_over = TwinReport { status_time: Some(second(9)), ..report(Completed, 11, None, &[]) };
        assert_eq!(whose(&left_over), Owner::Other, "another property changed, the status did not");
        let no_metadata = TwinReport { status_time: None, ..report(Completed, 11, None, &[]) };
        assert_eq!(whose(&no_metadata), Owner::Silent);
    }

    #[test]
    fn the_workflows_order_is_kept() {
        use Sighting::{Nothing, Stage};
        let none = [None, None];
        let keyed = |status, keys: &[(FirmwareStatus, i64)]| report(status, 20, Some("run-7"), keys);
        let all = [(Downloading, 11), (Applying, 12)];
        let violation = Sighting::Violation;
        // what is reported, after which stage, what that means
        for (report, last, expected) in [
            (keyed(StandBy, &[]), None, Nothing),
            (keyed(Downloading, &[]), None, Stage(Downloading, none)),
            (keyed(Downloading, &[]), Some(Downloading), Nothing),
            (keyed(Applying, &[]), Some(Downloading), Stage(Applying, none)),
            (keyed(Completed, &all), Some(Applying), Stage(Completed, none)),
            (keyed(Failed, &[]), None, Stage(Failed, none)),
            (keyed(Failed, &[(Downloading, 11)]), None, Stage(Failed, [Some(Downloading), None])),
            (keyed(RolledBack, &all), Some(Applying), Stage(RolledBack, none)),
            // Between two looks.
            (keyed(Applying, &all[..1]), None, Stage(Applying, [Some(Downloading), None])),
            (keyed(Completed, &all), None, Stage(Completed, [Some(Downloading), Some(Applying)])),
            (keyed(Completed, &all), Some(Downloading), Stage(Completed, [None, Some(Applying)])),
            // A trace of an earlier update is none of this one.
            (keyed(Applying, &[(Downloading, 9)]), None, violation(Violation::Skipped(Downloading))),
            (keyed(Applying, &[]), None, violation(Violation::Skipped(Downloading))),
            (keyed(Completed, &all[..1]), Some(Downloading), violation(Violation::Skipped(Applying))),
            (keyed(RolledBack, &[]), None, violation(Violation::Skipped(Downloading))),
            (keyed(Downloading, &[]), Some(Applying), violation(Violation::Backward(Applying, Downloading))),
            (keyed(StandBy, &[]), Some(Downloading), violation(Violation::Backward(Downloading, StandBy))),
            // Swapped between two looks.
            (keyed(Downloading, &[(Applying, 15)]), None, violation(Violation::Backward(Applying, Downloading))),
            (
                keyed(Applying, &[(Completed, 15)]),
                Some(Downloading),
                violation(Violation::Backward(Completed, Applying)),
            ),
            (
                keyed(Completed, &[(Applying, 11), (Downloading, 12)]),
                None,
                violation(Violation::Backward(Applying, Downloading)),
            ),
        ] {
            assert_eq!(see(&report, last), expected, "{:?} after {last:?}", report.status);
        }
    }

    #[test]
    fn lies_are_told_from_the_truth() {
        let keys = [(Downloading, 11), (Applying, 12)];
        let completed = report(Completed, 20, Some("run-7"), &keys);
        let with =
            |fw_version: Option<&str>| TwinReport { fw_version: fw_version.map(str::to_owned), ..completed.clone() };
        assert_eq!(see(&with(Some("1")), Some(Applying)), Sighting::Violation(Violation::FalseSuccess));
        for honest in [Some("2"), None] {
            assert!(matches!(see(&with(honest), Some(Applying)), Sighting::Stage(Completed, _)));
        }
        let unknown = TwinReport { status: Some(Err("dancing".into())), ..completed.clone() };
        assert_eq!(see(&unknown, Some(Applying)), Sighting::Violation(Violation::UnknownStatus));
        let unreadable = TwinReport { status: None, unreadable: Some("?".into()), ..completed.clone() };
        assert_eq!(see(&unreadable, Some(Applying)), Sighting::Violation(Violation::Unreadable));
    }

    #[test]
    fn a_repeated_stage_must_say_the_same() {
        let first = report(Applying, 20, Some("run-7"), &[]);
        let shown = Shown { stage: Some(Applying), content: content(&first) };
        let error = Some(ReportedError { stage: "applying".into(), code: "boot_failed".into() });
        let again = TwinReport { version: 21, error, ..first.clone() };
        let judged = |report: &TwinReport, owner| judge(report, owner, baseline(), shown, None);
        assert_eq!(judged(&again, Owner::Echoed), Sighting::Violation(Violation::Repeated(Applying)));
        assert_eq!(judged(&again, Owner::Silent), Sighting::Nothing);
        assert_eq!(judged(&TwinReport { version: 21, ..first }, Owner::Echoed), Sighting::Nothing);
    }
}
