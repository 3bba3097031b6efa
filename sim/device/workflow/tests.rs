use super::*;
use crate::policy::{Delay, Fail, FaultKind, FaultStage, Malformation, Malformed, Stall};

const SECOND: Duration = Duration::from_secs(1);

fn stamp() -> Stamp {
    Stamp { wall: WallClock::new("2026-01-02T03:04:05Z".parse().unwrap()), format: TimestampFormat::Rfc3339 }
}

fn at(seconds: u64) -> Nanos {
    Nanos::new(seconds * 1_000_000_000)
}

fn ours(id: &str, version: &str) -> Request {
    Request { update_id: Some(id.to_owned()), fw_version: Some(version.to_owned()), package: None }
}

fn script(faults: &[FaultKind]) -> Script {
    Script::new(Delays([15 * SECOND; 3])).with(faults.iter().enumerate(), |_| Seed(7).stream(Domain::FaultDelays, 0, 0))
}

/// Polls whenever the workflow wants it; gives everything that it does, with the second.
fn play(workflow: &mut Workflow) -> Vec<(u64, Deed)> {
    let mut deeds = Vec::new();
    while workflow.wake_at() < Nanos::MAX {
        let now = workflow.wake_at();
        assert!(now == Nanos::ZERO || workflow.poll(now - Duration::from_nanos(1), stamp()).is_none());
        while let Some(deed) = workflow.poll(now, stamp()) {
            deeds.push((now.as_secs_f64() as u64, deed));
        }
    }
    deeds
}

/// (second, document) of every report; each after 15 s.
fn run(workflow: &mut Workflow) -> Vec<(u64, String)> {
    let reports = play(workflow).into_iter().filter_map(|(second, deed)| match deed {
        Deed::Report(report) => {
            assert_eq!(report.waited, 15 * SECOND);
            Some((second, String::from_utf8(report.document.to_vec()).unwrap()))
        }
        _ => None,
    });
    reports.collect()
}

#[test]
fn a_call_without_extras_yields_exactly_the_tutorials_documents() {
    let mut workflow = Workflow::new("".into());
    let stand_by = workflow.stand_by(at(0), stamp());
    assert_eq!(stand_by.document, r#"{"firmwareStatus":"standBy","logTime":"2026-01-02T03:04:05.000000Z"}"#);
    workflow.start(at(5), Request::default(), script(&[]));
    assert_eq!(
        run(&mut workflow),
        [
            (20, r#"{"firmwareStatus":"downloading","downloadComplete":"2026-01-02T03:04:25.000000Z"}"#.to_owned()),
            (35, r#"{"firmwareStatus":"applying","startedApplyingImage":"2026-01-02T03:04:40.000000Z"}"#.to_owned()),
            (50, r#"{"firmwareStatus":"completed","lastFirmwareUpdate":"2026-01-02T03:04:55.000000Z"}"#.to_owned()),
        ]
    );
    assert!(!workflow.is_running());
}

#[test]
fn id_and_version_are_echoed_and_the_version_changes_at_the_end() {
    let mut workflow = Workflow::new("1.0".into());
    workflow.start(at(0), ours("u\"1", "2.0"), script(&[]));
    let reports = run(&mut workflow);
    assert!(reports[1].1.ends_with(r#","updateId":"u\"1","fwVersion":"1.0"}"#), "{}", reports[1].1);
    assert!(reports[2].1.ends_with(r#","updateId":"u\"1","fwVersion":"2.0"}"#), "{}", reports[2].1);
    let stand_by = workflow.stand_by(at(9), stamp());
    assert!(stand_by.document.ends_with(br#","fwVersion":"2.0"}"#));
    assert!(workflow.repeats(&ours("u\"1", "")) && !workflow.repeats(&ours("u2", "")));
    assert!(!workflow.repeats(&Request::default()), "calls without an id never repeat");
}

#[test]
fn a_failure_stands_at_its_stages_end_and_is_cleared_by_the_next_update_once() {
    for (stage, reports) in [
        (FaultStage::Waiting, 0),
        (FaultStage::Downloading, 1),
        (FaultStage::Verifying, 1),
        (FaultStage::Applying, 2),
        (FaultStage::Rebooting, 2),
    ] {
        let mut workflow = Workflow::new("1".into());
        let fail = FaultKind::Fail(Fail { stage, code: "no_space".to_owned() });
        workflow.start(at(0), ours("u1", "2"), script(&[fail]));
        let failed = run(&mut workflow);
        assert_eq!(failed.len(), reports + 1, "{stage:?}");
        let end =
            format!(r#","updateId":"u1","fwVersion":"1","error":{{"stage":"{}","code":"no_space"}}}}"#, stage.as_str());
        assert!(failed[reports].1.starts_with(r#"{"firmwareStatus":"failed","firmwareFailed":""#));
        assert!(failed[reports].1.ends_with(&end), "{}", failed[reports].1);
        workflow.start(at(90), ours("u2", "2"), script(&[]));
        let next = run(&mut workflow);
        assert!(next[0].1.ends_with(r#""fwVersion":"1","error":null}"#), "{}", next[0].1);
        assert!(!next[1].1.contains("error") && next[2].1.ends_with(r#""fwVersion":"2"}"#));
    }
}

#[test]
fn a_stall_says_nothing_more_and_names_its_fault_when_it_begins() {
    for (stage, second, reports) in [
        (FaultStage::Waiting, 0, 0),
        (FaultStage::Downloading, 15, 1),
        (FaultStage::Verifying, 30, 1),
        (FaultStage::Applying, 30, 2),
        (FaultStage::Rebooting, 45, 2),
    ] {
        let mut workflow = Workflow::new("1".into());
        workflow.start(at(0), Request::default(), script(&[FaultKind::Stall(Stall { stage })]));
        let deeds = play(&mut workflow);
        assert_eq!((deeds.len(), deeds.last()), (reports + 1, Some(&(second, Deed::Strike(0)))), "{stage:?}");
        assert!(workflow.is_running(), "a stalled device is busy for ever");
    }
}

#[test]
fn a_lie_names_the_old_version_and_changes_none() {
    for (version, shown) in [("1", "1"), ("", "")] {
        let mut workflow = Workflow::new(version.into());
        assert!(workflow.changes(&ours("u1", "2")) && !workflow.changes(&ours("u1", version)));
        assert!(!workflow.changes(&Request::default()), "no version, no lie");
        workflow.start(at(0), ours("u1", "2"), script(&[FaultKind::FalseSuccess]));
        let completed = run(&mut workflow).pop().unwrap().1;
        assert!(completed.starts_with(r#"{"firmwareStatus":"completed""#));
        assert!(completed.ends_with(&format!(r#","fwVersion":"{shown}"}}"#)), "{completed}");
        assert!(workflow.changes(&ours("u2", "2")));
    }
}

#[test]
fn broken_reports_are_broken_in_their_own_way_each() {
    let broken = |form| {
        let malformed = Malformed { stage: FirmwareStatus::Downloading, form };
        let mut workflow = Workflow::new("1".into());
        workflow.start(at(0), ours("u1", "2"), script(&[FaultKind::Malformed(malformed)]));
        let reports = run(&mut workflow);
        assert_eq!(reports.len(), 3);
        reports.into_iter().next().unwrap().1
    };
    assert!(serde_json::from_str::<serde_json::Value>(&broken(Malformation::BadJson)).is_err());
    assert_eq!(broken(Malformation::WrongType), r#"{"firmwareStatus":1,"updateId":"u1","fwVersion":"1"}"#);
    let large: serde_json::Value = serde_json::from_str(&broken(Malformation::TooLarge)).unwrap();
    assert!(large["padding"].to_string().len() > 32 * 1024);
}

#[test]
fn delays_depend_on_seed_device_and_update_alone() {
    let delay: Delay = "lognormal 1s..3s".parse().unwrap();
    let firmware = FirmwareConfig { wait: delay, download: delay, apply: delay, image: None, version: String::new() };
    let draw = |seed, device, nth| Delays::draw(&firmware, Seed(seed), device, nth);
    let base = draw(7, 3, 0);
    assert_eq!(base, draw(7, 3, 0));
    assert!(base.0[0] != base.0[1] && base.0[1] != base.0[2]);
    for other in [draw(8, 3, 0), draw(7, 4, 0), draw(7, 3, 1)] {
        assert_ne!(base, other);
    }
}
