//! What devices say, handed on to those whom it concerns.

use std::rc::Rc;

use super::calls::Answered;
use super::deliveries::Arrived;
use super::hall::Broker;
use super::share::Sharing;
use crate::dialect::{FromFleet, MethodAnswer, ObservedTwin, TwinReport};
use crate::driver::shared::Shared;
use crate::measure::{DeviceTimes, MessageKind};
use crate::mqtt::Publish;
use crate::policy::FirmwareStatus::{self, Applying, Downloading};
use crate::policy::{Series, Telemetry};
use crate::time::Nanos;

/// Takes a message that came at `now`; those of devices that are not of this driver's are left alone.
pub(super) fn hear(shared: &Rc<Shared>, broker: &Broker, now: Nanos, publish: &Publish) {
    let Some(said) = broker.settings.dialect.read(publish) else { return };
    let (FromFleet::Response { device: id, .. }
    | FromFleet::Reported { device: id, .. }
    | FromFleet::Presence { device: id, .. }
    | FromFleet::Telemetry { device: id, .. }) = said;
    let Some(device) = shared.ids.device(id) else { return };
    let Some(index) = broker.index(device) else { return };
    match said {
        FromFleet::Response { rid, status, payload, .. } => {
            let answered = broker.calls.borrow_mut().answered(device, rid, MethodAnswer::Device { status, payload });
            shared.messages(MessageKind::Response, |counts| match answered {
                // A late one is delivered all the same; that it came before is known of a message that says so itself.
                Answered::Unawaited if publish.dup => counts.duplicates += 1,
                Answered::Awaited | Answered::Unawaited => counts.delivered += 1,
                Answered::Foreign => {}
            });
        }
        FromFleet::Reported { patch, .. } => reported(shared, broker, now, (device, index), id, patch, publish.retain),
        FromFleet::Presence { online, .. } => {
            // What the broker kept may have been said in another run.
            if !publish.retain {
                shared.messages(MessageKind::Presence, |counts| counts.delivered += 1);
            }
            if broker.twins.borrow_mut()[index].says(online) {
                shared.apply(|ledger| ledger.present(device, online));
            }
            broker.has_said(device);
        }
        FromFleet::Telemetry { payload, .. } => shared.telemetry(broker, now, (device, index), payload),
    }
}

/// A report; one that is `kept` was retained by the broker.
fn reported(
    shared: &Rc<Shared>,
    broker: &Broker,
    now: Nanos,
    device: (u32, usize),
    id: &str,
    patch: &[u8],
    kept: bool,
) {
    let (device, index) = device;
    let at = shared.clock.wall().at(now);
    let mut twins = broker.twins.borrow_mut();
    let twin = &mut twins[index];
    // Messages of one device that different lines receive may overtake one another.
    if broker.sharing.get() == Sharing::Group
        && let Some(report) = overtaken(twin, id, patch, at, |report| shared.times(device, report))
    {
        let first = shared.apply(|ledger| ledger.overtaken(&report));
        return shared.messages(MessageKind::Report, |counts| match first {
            true => counts.delivered += 1,
            false => counts.duplicates += 1,
        });
    }
    let again = twin.repeats(patch);
    let mut report = twin.merge(id, patch, at);
    drop(twins);
    // What a broker did not deliver has been reported all the same: nobody may take the device for a liar.
    let times = shared.times(device, &report);
    let missed = shared.truth.is_none()
        && shared.ledger.borrow().call_due(device).is_some_and(|due| broker.may_have_missed(device, due));
    for stage in [Downloading, Applying] {
        let reported = missed || times.is_some_and(|times| times.published[stage as usize].is_some());
        if reported && comes_before(stage, &report) {
            report.key_times[stage as usize] = Some(at);
        }
    }
    let first = shared.apply(|ledger| ledger.hear(now, &report));
    shared.messages(MessageKind::Report, |counts| match (kept, again) {
        // It may be of another run, or have come before.
        (true, _) if !first => {}
        (false, true) => counts.duplicates += 1,
        _ => counts.delivered += 1,
    });
}

fn comes_before(stage: FirmwareStatus, report: &TwinReport) -> bool {
    matches!(report.status, Some(Ok(status)) if (stage as u8) < (status as u8))
}

/// What `patch`, which came at `at`, would show, if it is of a stage before the one that the twin shows already, though the
/// device reported it earlier, as far as is known.
fn overtaken(
    twin: &ObservedTwin,
    id: &str,
    patch: &[u8],
    at: jiff::Timestamp,
    times: impl Fn(&TwinReport) -> Option<DeviceTimes>,
) -> Option<TwinReport> {
    let shown = twin.report(id, None);
    let report = twin.clone().merge(id, patch, at);
    let (Some(Ok(new)), Some(Ok(old))) = (&report.status, &shown.status) else { return None };
    let (new, old) = (*new as usize, *old as usize);
    if report.update_id != shown.update_id || new >= old || report.unreadable.is_some() {
        return None;
    }
    let earlier = times(&report).is_none_or(|times| times.published[new] < times.published[old]);
    earlier.then_some(report)
}

impl Shared {
    /// What the device really did in the update that `report` is of, where that is known.
    fn times(&self, device: u32, report: &TwinReport) -> Option<DeviceTimes> {
        self.truth.as_ref()?.of(device, report.update_id.as_deref().unwrap_or_default())
    }

    /// Telemetry of this device, with its place in the range.
    fn telemetry(&self, broker: &Broker, now: Nanos, (device, index): (u32, usize), payload: &[u8]) {
        // What is not of ours has neither number nor time.
        let Some((seq, due)) = Telemetry::read(payload) else { return };
        let mut deliveries = broker.deliveries.borrow_mut();
        let Some(deliveries) = deliveries.get_mut(index) else { return };
        let sent = || self.truth.as_ref().map(|truth| truth.telemetry(device).sent);
        let arrived = deliveries.arrived(seq, sent);
        self.messages(MessageKind::Telemetry, |counts| match arrived {
            Arrived::New => counts.delivered += 1,
            Arrived::Again => counts.duplicates += 1,
            Arrived::Foreign => {}
        });
        // Another process has another clock.
        if arrived == Arrived::New && self.truth.is_some() {
            self.ledger.borrow_mut().scribe().recorder().record(Series::TelemetryDelivery, now.since(due));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FirmwareStatus::Completed;

    fn patch(status: &str, update: &str) -> Vec<u8> {
        format!(r#"{{"firmwareStatus":"{status}","updateId":"{update}"}}"#).into_bytes()
    }

    fn shows(status: &str) -> ObservedTwin {
        let mut twin = ObservedTwin::default();
        twin.merge("d", &patch(status, "u1"), jiff::Timestamp::UNIX_EPOCH);
        twin
    }

    /// What a device did that published these two, in seconds.
    fn times(downloading: u64, applying: u64) -> DeviceTimes {
        let mut times = DeviceTimes::default();
        times.published[Downloading as usize] = Some(Nanos::new(downloading));
        times.published[Applying as usize] = Some(Nanos::new(applying));
        times
    }

    #[test]
    fn a_report_is_overtaken_by_a_later_stage_that_was_reported_after_it() {
        let twin = shows("applying");
        let none = |_: &TwinReport| None;
        let is_overtaken = |twin: &ObservedTwin, patch: &[u8], times: &dyn Fn(&TwinReport) -> Option<DeviceTimes>| {
            let report = overtaken(twin, "d", patch, jiff::Timestamp::UNIX_EPOCH, times);
            report.is_some_and(|report| report.status == Some(Ok(Downloading)))
        };
        assert!(is_overtaken(&twin, &patch("downloading", "u1"), &none), "as far as is known");
        assert!(is_overtaken(&twin, &patch("downloading", "u1"), &|_| Some(times(1, 2))));
        assert!(!is_overtaken(&twin, &patch("downloading", "u1"), &|_| Some(times(2, 1))), "it went back");
        for other in [
            patch("applying", "u1"),
            patch("completed", "u1"),
            patch("downloading", "u2"),
            patch("dancing", "u1"),
            br#"{"temperature":3}"#.to_vec(),
            br#"{"firmwareStatus":"#.to_vec(),
        ] {
            assert!(!is_overtaken(&twin, &other, &none), "{}", String::from_utf8_lossy(&other));
        }
        assert!(!is_overtaken(&ObservedTwin::default(), &patch("downloading", "u1"), &none));
        assert_eq!(twin.report("d", None).status, Some(Ok(Applying)), "asking changes nothing");
    }

    #[test]
    fn stages_come_before_later_ones_alone() {
        let report = |status: &str| shows(status).report("d", None);
        for (stage, status, before) in [
            (Downloading, "applying", true),
            (Downloading, "failed", true),
            (Applying, "applying", false),
            (Applying, "downloading", false),
            (Completed, "completed", false),
            (Downloading, "dancing", false),
        ] {
            assert_eq!(comes_before(stage, &report(status)), before, "{stage:?} {status}");
        }
        assert!(!comes_before(Downloading, &ObservedTwin::default().report("d", None)));
    }
}
