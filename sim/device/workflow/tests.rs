use super::*;
use crate::policy::Delay;

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

fn delays() -> Delays {
    Delays([15 * SECOND; 3])
}

/// Polls whenever the workflow wants it; gives (second, document) of every report.
fn run(workflow: &mut Workflow) -> Vec<(u64, String)> {
    let mut reports = Vec::new();
    while workflow.wake_at() < Nanos::MAX {
        let now = workflow.wake_at();
        assert_eq!(workflow.poll(now - Duration::from_nanos(1), stamp()), None);
        let report = workflow.poll(now, stamp()).unwrap();
        assert_eq!(report.waited, 15 * SECOND);
        reports.push((now.as_secs_f64() as u64, String::from_utf8(report.document.to_vec()).unwrap()));
    }
    reports
}

#[test]
fn a_call_without_extras_yields_exactly_the_tutorials_documents() {
    let mut workflow = Workflow::new("".into());
    let stand_by = workflow.stand_by(at(0), stamp());
    assert_eq!(stand_by.document, r#"{"firmwareStatus":"standBy","logTime":"2026-01-02T03:04:05.000000Z"}"#);
    assert_eq!(workflow.start(at(5), Request::default(), delays(), None), None);
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
    workflow.start(at(0), ours("u\"1", "2.0"), delays(), None);
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
        let strike = Strike { fault: 3, stage, code: Some("no_space".to_owned()) };
        assert_eq!(workflow.start(at(0), ours("u1", "2"), delays(), Some(strike)), None);
        let failed = run(&mut workflow);
        assert_eq!(failed.len(), reports + 1, "{stage:?}");
        let end =
            format!(r#","updateId":"u1","fwVersion":"1","error":{{"stage":"{}","code":"no_space"}}}}"#, stage.as_str());
        assert!(failed[reports].1.starts_with(r#"{"firmwareStatus":"failed","firmwareFailed":""#));
        assert!(failed[reports].1.ends_with(&end), "{}", failed[reports].1);
        workflow.start(at(90), ours("u2", "2"), delays(), None);
        let next = run(&mut workflow);
        assert!(next[0].1.ends_with(r#""fwVersion":"1","error":null}"#), "{}", next[0].1);
        assert!(!next[1].1.contains("error") && next[2].1.ends_with(r#""fwVersion":"2"}"#));
    }
}

#[test]
fn a_stall_says_nothing_more_and_names_its_fault_when_it_begins() {
    for (stage, reports) in [
        (FaultStage::Waiting, 0),
        (FaultStage::Downloading, 1),
        (FaultStage::Verifying, 1),
        (FaultStage::Applying, 2),
        (FaultStage::Rebooting, 2),
    ] {
        let mut workflow = Workflow::new("1".into());
        let strike = Strike { fault: 3, stage, code: None };
        let mut struck = workflow.start(at(0), Request::default(), delays(), Some(strike));
        let mut count = 0;
        while workflow.wake_at() < Nanos::MAX {
            assert_eq!(struck, None);
            struck = workflow.poll(workflow.wake_at(), stamp()).unwrap().struck;
            count += 1;
        }
        assert_eq!((count, struck), (reports, Some(3)), "{stage:?}");
        assert!(workflow.is_running(), "a stalled device is busy for ever");
    }
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
