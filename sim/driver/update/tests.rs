use super::super::sighting::UpdateIds;
use super::super::sighting::tests::{report, second};
use super::*;
use crate::dialect::ReportedError;
use crate::policy::FirmwareStatus::{Applying, Completed, Downloading, Failed, RolledBack, StandBy};
use crate::policy::{Backoff, RetryPolicy};
use crate::random::Seed;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const ID: Option<&str> = Some("run-7");
const KEYS: &[(FirmwareStatus, i64)] = &[(Downloading, 11), (Applying, 12)];

fn rules(attempts: u32) -> Rules {
    let backoff = if attempts > 1 { Backoff::Fixed { delay: 2 * SECOND } } else { Backoff::None };
    Rules {
        by_job: false,
        retry: RetryPolicy { max_attempts: Some(attempts), ..RetryPolicy::new(backoff) },
        stage_deadline: 60 * SECOND,
        read_again: SECOND,
        version: Some("2".to_owned()),
        ids: UpdateIds::new("run"),
        seed: Seed(7),
    }
}

fn at(seconds: u64) -> Nanos {
    Nanos::ZERO + Duration::from_secs(seconds)
}

pub(super) fn device(status: i64) -> MethodAnswer {
    MethodAnswer::Device { status, payload: serde_json::Value::Null }
}

pub(super) fn hub(status: u16) -> MethodAnswer {
    MethodAnswer::Hub { status, code: None, retry_after: None }
}

/// One update, due at second 10, with everything that it has said so far.
pub(super) struct Story {
    pub(super) update: Update,
    rules: Rules,
    pub(super) effects: Vec<Effect>,
}

impl Story {
    fn new(attempts: u32) -> Self {
        Self { update: Update::new(7, at(10)), rules: rules(attempts), effects: Vec::new() }
    }

    /// A call sent at second 10.
    pub(super) fn called(attempts: u32) -> Self {
        let baseline = Baseline { version: 10, updated: Some(second(10)) };
        let mut story = Self::new(attempts);
        story.then(10, Input::Due(baseline));
        story.then(10, Input::Sent);
        story
    }

    /// Answered with 200 at second 11.
    fn observed() -> Self {
        let mut story = Self::called(1);
        story.then(11, Input::Answer(&device(200)));
        story
    }

    pub(super) fn then(&mut self, seconds: u64, input: Input<'_>) -> &mut Self {
        self.update.handle(at(seconds), input, &self.rules, &mut self.effects);
        self
    }

    pub(super) fn answer(&mut self, seconds: u64, answer: &MethodAnswer) -> &mut Self {
        self.then(seconds, Input::Answer(answer))
    }

    pub(super) fn see(&mut self, seconds: u64, report: &TwinReport) -> &mut Self {
        self.then(seconds, Input::Report(report))
    }

    pub(super) fn ends(&self) -> Vec<(Outcome, &str)> {
        let end = |effect: &'_ Effect| match effect {
            Effect::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        };
        let details = self.effects.iter().filter_map(|effect| match effect {
            Effect::Ended { detail, .. } => Some(detail.as_str()),
            _ => None,
        });
        self.effects.iter().filter_map(end).zip(details).collect()
    }

    fn ended(&self, outcome: Outcome, detail: &str) {
        assert_eq!(self.ends(), [(outcome, detail)], "{:#?}", self.effects);
    }

    pub(super) fn count(&self, wanted: &Effect) -> usize {
        self.effects.iter().filter(|effect| *effect == wanted).count()
    }

    fn transitions(&self) -> Vec<(FirmwareStatus, Option<u64>)> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Seen { status, transition, .. } => Some((*status, transition.map(|t| t.as_secs()))),
                _ => None,
            })
            .collect()
    }
}

fn failed(stage: &str, code: &str) -> TwinReport {
    let error = Some(ReportedError { stage: stage.into(), code: code.into() });
    TwinReport { error, ..report(Failed, 13, ID, KEYS) }
}

#[test]
fn a_good_update_completes_and_every_transition_is_measured() {
    let mut story = Story::observed();
    story.see(13, &report(StandBy, 11, None, &[])).see(15, &report(Downloading, 12, ID, &[]));
    story.see(20, &report(Applying, 13, ID, &[(Downloading, 12)]));
    story.see(27, &TwinReport { fw_version: Some("2".into()), ..report(Completed, 14, ID, KEYS) });
    story.ended(Outcome::Completed, "");
    assert_eq!(story.transitions(), [(Downloading, Some(4)), (Applying, Some(5)), (Completed, Some(7))]);
    assert_eq!(story.count(&Effect::Attempt { failed: false, service: SECOND }), 1);
    assert_eq!(story.count(&Effect::Response { failed: false, response: SECOND }), 1);
    assert_eq!(story.update.wake(), None);
}

#[test]
fn a_stage_between_two_looks_is_seen_late_and_leaves_no_sample() {
    let mut story = Story::observed();
    story.see(15, &report(Applying, 13, ID, &[(Downloading, 12)]));
    story.see(20, &report(Completed, 14, ID, KEYS)).ended(Outcome::Completed, "");
    assert_eq!(story.count(&Effect::SeenLate), 1);
    assert_eq!(story.transitions(), [(Applying, None), (Completed, Some(5))]);
}

#[test]
fn final_answers_end_the_update_as_the_census_says() {
    use Outcome::{HubError, NoResponse, NotOnline, Rejected, Throttled};
    let unreachable = MethodAnswer::Unreachable { reason: "refused".into() };
    let broken = MethodAnswer::Broken { reason: "reset".into() };
    let throttled = MethodAnswer::Throttled { retry_after: None };
    // answer, whether the device may have received the call, outcome, detail
    for (answer, doubtful, outcome, detail) in [
        (device(409), false, Rejected, "409"),
        (device(-1), false, Rejected, "-1"),
        (MethodAnswer::NotOnline, false, NotOnline, ""),
        (MethodAnswer::NoResponse, true, NoResponse, ""),
        (throttled, false, Throttled, ""),
        (hub(400), false, HubError, "400"),
        (hub(404), false, HubError, "404"),
        (hub(503), true, HubError, "503"),
        (unreachable, false, HubError, "unreachable"),
        (broken, true, HubError, "broken"),
        (MethodAnswer::ClientTimeout, true, HubError, "client_timeout"),
    ] {
        let mut story = Story::called(1);
        story.answer(12, &answer);
        assert_eq!(story.count(&Effect::Response { failed: true, response: 2 * SECOND }), 1, "{answer:?}");
        assert_eq!((story.ends().is_empty(), story.update.is_observed()), (doubtful, doubtful), "{answer:?}");
        if doubtful {
            story.then(71, Input::Time);
            assert_eq!((story.ends().len(), story.count(&Effect::ReadTwin)), (0, 0), "its deadline is second 72");
            story.then(72, Input::Time).then(73, Input::Read(Some(&report(StandBy, 10, None, &[]))));
            assert_eq!(story.count(&Effect::ReadTwin), 1);
        }
        story.ended(outcome, detail);
        assert_eq!(story.count(&Effect::Response { failed: true, response: 2 * SECOND }), 1);
    }
}

#[test]
fn after_a_lost_answer_the_twin_decides() {
    // By what the observer sees once the device's wait is over.
    let mut story = Story::called(1);
    story.answer(12, &MethodAnswer::ClientTimeout).see(30, &report(Downloading, 11, ID, &[]));
    assert_eq!(story.update.wake(), Some(at(90)));
    story.see(31, &report(Applying, 12, ID, &[(Downloading, 11)])).see(32, &report(Completed, 13, ID, KEYS));
    story.ended(Outcome::Completed, "");
    assert_eq!(story.count(&Effect::Response { failed: true, response: 2 * SECOND }), 1);
    assert_eq!(story.transitions()[0], (Downloading, None), "there was no answer that it could run from");

    // An update that has shown itself and then stands still is stuck, however its call failed.
    let mut story = Story::called(1);
    story.answer(12, &hub(500)).see(30, &report(Downloading, 11, ID, &[])).then(90, Input::Time);
    story.then(91, Input::Read(Some(&report(Downloading, 11, ID, &[])))).ended(Outcome::Stuck, "downloading");

    // By the read at the deadline, even if it shows nothing but the update's id.
    for (status, version) in [(Downloading, 11), (StandBy, 10)] {
        let mut story = Story::called(1);
        story.answer(12, &MethodAnswer::NoResponse).then(72, Input::Time);
        story.then(73, Input::Read(Some(&report(status, version, ID, &[]))));
        assert_eq!((story.ends().len(), story.update.wake()), (0, Some(at(133))));
    }

    // By what the observer sees before the next attempt, which then is not made.
    let mut story = Story::called(5);
    story.answer(12, &hub(503)).see(13, &report(Downloading, 11, ID, &[])).then(60, Input::Time);
    assert_eq!((story.count(&Effect::Call), story.update.wants_call()), (1, false));
    assert_eq!(story.count(&Effect::Response { failed: true, response: 2 * SECOND }), 1);

    // By what the observer saw before the answer was given up.
    let mut story = Story::called(1);
    story.see(11, &report(Downloading, 11, ID, &[])).answer(12, &MethodAnswer::NoResponse);
    assert_eq!((story.count(&Effect::ReadTwin), story.ends().len()), (0, 0));

    // An update that the twin shows to the end needs no answer, but its answer is measured.
    let mut story = Story::called(1);
    story.see(11, &report(Completed, 13, ID, KEYS)).answer(12, &device(200));
    story.ended(Outcome::Completed, "");
    assert_eq!(story.count(&Effect::Response { failed: false, response: 2 * SECOND }), 1);

    // Another update's id in the twin decides nothing.
    let mut story = Story::called(1);
    story.answer(12, &MethodAnswer::NoResponse).see(13, &report(Downloading, 11, Some("run-8"), &[]));
    story.then(72, Input::Time).then(73, Input::Read(Some(&report(Downloading, 11, Some("run-8"), &[]))));
    story.ended(Outcome::NoResponse, "");

    // A stop does not wait for it.
    let mut story = Story::called(1);
    story.answer(12, &hub(503)).then(20, Input::Stop(Outcome::Aborted)).ended(Outcome::Aborted, "waiting");
}

#[test]
fn a_retry_that_is_refused_may_be_refused_because_an_earlier_attempt_started_the_update() {
    let refused = || {
        let mut story = Story::called(2);
        story.answer(11, &MethodAnswer::NoResponse).then(13, Input::Time).then(13, Input::Sent);
        story.answer(14, &device(409));
        story
    };
    let mut story = refused();
    assert_eq!(story.count(&Effect::Response { failed: true, response: 4 * SECOND }), 1);
    story.see(30, &report(Downloading, 11, None, &[])).see(31, &report(Applying, 12, None, &[(Downloading, 11)]));
    story.see(32, &report(Completed, 13, None, KEYS)).ended(Outcome::Completed, "");

    let mut story = refused();
    story.then(74, Input::Time).then(75, Input::Read(Some(&report(StandBy, 10, None, &[]))));
    story.ended(Outcome::Rejected, "409");
}

#[test]
fn calls_are_tried_again_as_the_policy_says() {
    let mut story = Story::called(3);
    story.answer(11, &MethodAnswer::NotOnline);
    assert_eq!(story.update.wake(), Some(at(13)));
    story.then(12, Input::Time);
    assert!(!story.update.wants_call());
    story.then(13, Input::Time).then(13, Input::Sent);
    let throttled = MethodAnswer::Throttled { retry_after: Some(9 * SECOND) };
    story.answer(14, &throttled);
    assert_eq!(story.update.wake(), Some(at(23)), "the hub said when to come back");
    story.then(23, Input::Time).then(23, Input::Sent).answer(24, &device(200));
    assert_eq!((story.update.attempts(), story.ends().len()), (3, 0));
    assert_eq!(story.count(&Effect::Response { failed: false, response: 14 * SECOND }), 1);
    assert_eq!(story.count(&Effect::Attempt { failed: true, service: SECOND }), 2);
    assert_eq!(story.count(&Effect::Attempt { failed: false, service: SECOND }), 1);

    for hopeless in [hub(400), hub(401), hub(404)] {
        let mut story = Story::called(3);
        story.answer(11, &hopeless);
        assert_eq!(story.ends()[0].0, Outcome::HubError);
        let mut stubborn = Story::called(3);
        stubborn.rules.retry.refused = true;
        stubborn.answer(11, &hopeless);
        assert_eq!(stubborn.update.wake(), Some(at(13)));
        stubborn.then(13, Input::Time).then(13, Input::Sent).answer(14, &device(409));
        assert_eq!(stubborn.ends()[0].0, Outcome::Rejected, "the device has decided");
    }

    // The answer to the first attempt may be the one that was lost.
    let mut story = Story::called(2);
    story.answer(11, &MethodAnswer::ClientTimeout).then(13, Input::Time).then(13, Input::Sent);
    story.answer(14, &MethodAnswer::NotOnline);
    assert_eq!(story.update.wake(), Some(at(74)));
    story.then(74, Input::Time).then(75, Input::Read(None)).then(76, Input::Time).then(77, Input::Read(None));
    story.then(78, Input::Time).then(79, Input::Read(None)).ended(Outcome::NotOnline, "");
}

#[test]
fn a_stage_that_never_comes_ends_the_update_at_its_deadline() {
    let read = |connected| TwinReport { connected, ..report(Applying, 13, ID, &[(Downloading, 12)]) };
    for (connected, outcome) in
        [(Some(true), Outcome::Stuck), (None, Outcome::Stuck), (Some(false), Outcome::LostDevice)]
    {
        let mut story = Story::observed();
        story.see(20, &report(Downloading, 12, ID, &[])).see(30, &read(Some(true)));
        story.then(89, Input::Time);
        assert_eq!(story.count(&Effect::ReadTwin), 0);
        story.then(90, Input::Time).then(91, Input::Read(Some(&read(connected))));
        story.ended(outcome, "applying");
    }
    let mut story = Story::observed();
    story.then(71, Input::Time).then(72, Input::Read(Some(&report(StandBy, 10, None, &[]))));
    story.ended(Outcome::Stuck, "waiting");

    // What the last read shows is used.
    let mut story = Story::observed();
    story.then(71, Input::Time).then(72, Input::Read(Some(&report(Downloading, 11, ID, &[]))));
    assert_eq!((story.ends().len(), story.update.wake()), (0, Some(at(132))));

    // A hub that cannot be read is asked again before the update ends.
    let mut story = Story::observed();
    story.then(71, Input::Time).then(72, Input::Read(None)).then(73, Input::Time);
    assert_eq!(story.count(&Effect::ReadTwin), 2);
    story.then(74, Input::Read(Some(&report(Downloading, 11, ID, &[]))));
    assert!(story.ends().is_empty());

    // One that cannot be read at all leaves it open whether the device moved on: nothing is to be said of that.
    let mut story = Story::observed();
    story.then(71, Input::Time).then(72, Input::Read(None)).then(73, Input::Time).then(74, Input::Read(None));
    story.then(75, Input::Time).then(76, Input::Read(None)).ended(Outcome::HubError, "unreachable");
}

#[test]
fn failures_and_lies_carry_their_detail() {
    for (report, outcome, detail) in [
        (failed("applying", "boot_failed"), Outcome::Failed, "applying/boot_failed"),
        (report(Failed, 13, ID, KEYS), Outcome::Failed, "unknown"),
        (report(RolledBack, 13, ID, KEYS), Outcome::RolledBack, ""),
        (report(Applying, 13, ID, &[]), Outcome::ProtocolViolation, "skipped:downloading"),
        (
            TwinReport { fw_version: Some("1".into()), ..report(Completed, 13, ID, KEYS) },
            Outcome::ProtocolViolation,
            "false_success",
        ),
        (
            TwinReport { status: Some(Err("x".into())), ..report(Failed, 13, ID, KEYS) },
            Outcome::ProtocolViolation,
            "unknown_status",
        ),
        (
            TwinReport { unreadable: Some("x".into()), ..report(Failed, 13, None, KEYS) },
            Outcome::ProtocolViolation,
            "unreadable",
        ),
    ] {
        Story::observed().see(14, &report).ended(outcome, detail);
    }
    let mut story = Story::observed();
    story.see(13, &report(Downloading, 11, ID, &[])).see(14, &report(Applying, 12, ID, &[(Downloading, 11)]));
    story.see(15, &report(Downloading, 13, ID, &[])).ended(Outcome::ProtocolViolation, "backward:applying>downloading");
}

#[test]
fn a_device_that_echoes_nothing_is_judged_by_status_version_and_times() {
    let mut story = Story::observed();
    // What an earlier update left: an old version of the twin, and an old status beside a new property.
    story.see(12, &report(Completed, 10, None, KEYS));
    story.see(13, &TwinReport { status_time: Some(second(5)), ..report(Completed, 11, None, &[(Completed, 5)]) });
    assert!(story.ends().is_empty());
    assert!(story.effects.iter().all(|effect| !matches!(effect, Effect::Seen { .. })));
    story.see(14, &report(Downloading, 12, None, &[])).see(15, &report(Applying, 13, None, &[(Downloading, 12)]));
    story.see(16, &report(Completed, 14, None, KEYS)).ended(Outcome::Completed, "");

    // What came in before the call went out is told late and shows no part of it.
    let mut story = Story::called(1);
    story.see(9, &report(Completed, 11, None, KEYS)).see(12, &report(Downloading, 12, None, &[]));
    assert_eq!(story.transitions(), [(Downloading, None)]);
}

#[test]
fn what_comes_after_the_end_is_late_and_changes_nothing() {
    let mut story = Story::observed();
    story.then(71, Input::Time).then(72, Input::Read(Some(&report(StandBy, 10, None, &[]))));
    story.see(80, &report(Downloading, 11, ID, &[])).see(81, &report(Downloading, 12, ID, &[]));
    story.see(90, &report(Applying, 13, ID, KEYS)).see(91, &report(StandBy, 14, ID, &[]));
    assert_eq!(story.count(&Effect::Late), 2);
    story.ended(Outcome::Stuck, "waiting");

    // A device that refused the update and echoes nothing is busy with another one.
    let mut story = Story::called(1);
    story.answer(11, &device(409)).see(12, &report(Downloading, 11, None, &[]));
    assert_eq!(story.count(&Effect::Late), 0);
}

#[test]
fn what_was_not_called_or_not_finished_is_told() {
    let mut story = Story::new(1);
    story
        .then(10, Input::Refused("max_in_flight"))
        .then(11, Input::Stop(Outcome::Aborted))
        .ended(Outcome::NotSent, "max_in_flight");
    let mut story = Story::new(1);
    story.then(5, Input::Stop(Outcome::Aborted)).ended(Outcome::Aborted, "not_called");
    let mut story = Story::called(1);
    story.then(11, Input::Stop(Outcome::Aborted)).answer(12, &device(200)).ended(Outcome::Aborted, "calling");
    let mut story = Story::observed();
    story
        .see(12, &report(Downloading, 11, ID, &[]))
        .then(13, Input::Stop(Outcome::Aborted))
        .ended(Outcome::Aborted, "downloading");
}
