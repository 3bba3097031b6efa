//! Methods, workflow and reports.

use super::rig::{Rig, SECOND, STARTED, at, settings};
use crate::device::{Event, Session};
use crate::dialect::azure::AzureDevice;
use crate::policy::{FirmwareStatus, Series};

#[test]
fn a_device_connects_subscribes_and_reports_that_it_stands_by() {
    let mut rig = Rig::online(&[]);
    assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE 2", "standBy"]);
    let stand_by = r#"{"firmwareStatus":"standBy","logTime":"2026-01-02T03:04:05.000000Z","fwVersion":"1"}"#;
    assert_eq!(rig.documents, [stand_by]);
    for event in [Event::Attempted, Event::Connected, Event::Ready] {
        assert_eq!(rig.count(&event), 1, "{event:?}");
    }
    assert_eq!(rig.samples(Series::Connect).len(), 1);
    assert_eq!(rig.samples(Series::TwinAck(FirmwareStatus::StandBy)).len(), 1);
}

#[test]
fn a_call_is_answered_before_the_first_report_and_runs_the_workflow() {
    let mut rig = Rig::online(&[]);
    rig.did();
    rig.call("u1");
    assert_eq!(rig.did(), [STARTED]);
    rig.run_until(at(40.0));
    assert_eq!(rig.log.iter().map(|(time, _)| *time).collect::<Vec<_>>(), [at(16.0), at(31.0)]);
    rig.run_until(at(60.0));
    assert_eq!(rig.did(), ["downloading", "applying", "completed"]);
    assert!(rig.documents[3].ends_with(r#","updateId":"u1","fwVersion":"2"}"#));
    assert_eq!(rig.count(&Event::Received { update_id: "u1".to_owned() }), 1);
    assert_eq!(rig.count(&Event::Chose(15 * SECOND)), 3);
    for status in [FirmwareStatus::Downloading, FirmwareStatus::Applying, FirmwareStatus::Completed] {
        assert_eq!(rig.count(&Event::Published { status, present: true }), 1);
        assert_eq!(rig.samples(Series::TwinAck(status)).len(), 1);
    }
}

#[test]
fn without_a_wait_the_answer_still_comes_first() {
    let mut settings = settings(&[]);
    settings.firmware.wait = "0s".parse().unwrap();
    let mut rig = Rig::new(settings, 3);
    rig.run_until(at(1.0));
    rig.did();
    rig.call("u1");
    assert_eq!(rig.did(), [STARTED, "downloading"]);
}

#[test]
fn wrong_calls_are_told_what_is_wrong() {
    let mut rig = Rig::online(&[]);
    for (method, payload, answer) in [
        ("dance", "", "404 "),
        ("firmwareUpdate", "", "400 "),
        ("firmwareUpdate", "null", "400 "),
        ("firmwareUpdate", r#"{"fwPackageUri":7}"#, "400 "),
    ] {
        rig.did();
        rig.call_method(method, payload);
        let did = rig.did();
        assert!(did.len() == 1 && did[0].starts_with(answer), "{method} {payload}: {did:?}");
        assert!(serde_json::from_str::<serde_json::Value>(&did[0][4..]).unwrap()["Response"].is_string());
    }
    assert!(!rig.session.workflow.is_running());
}

#[test]
fn a_repeated_call_starts_nothing_and_another_one_is_refused_meanwhile() {
    let mut rig = Rig::online(&[]);
    rig.did();
    rig.call("u1");
    rig.call("u1");
    rig.call("u2");
    rig.call_method("firmwareUpdate", r#"{"fwPackageUri":"x"}"#);
    let did = rig.did();
    assert_eq!(did[..2], [STARTED, STARTED]);
    assert!(did[2].starts_with("409 ") && did[3].starts_with("409 "));
    rig.run_until(at(60.0));
    rig.call("u1");
    assert_eq!(rig.did(), ["downloading", "applying", "completed", STARTED]);
    rig.run_until(at(105.0));
    assert_eq!(rig.did(), [] as [&str; 0]);
    rig.call("u2");
    rig.run_until(at(160.0));
    assert_eq!(rig.did(), [STARTED, "downloading", "applying", "completed"]);
}

#[test]
fn a_report_is_sent_again_after_a_reconnect_until_the_twin_has_answered() {
    let mut rig = Rig::online(&[]);
    rig.call("u1");
    rig.hub.twin = None;
    rig.run_until(at(20.0));
    rig.cut();
    rig.run_until(at(22.0));
    rig.hub.twin = Some(204);
    rig.cut();
    rig.run_until(at(60.0));
    let statuses = ["downloading", "downloading", "downloading", "applying", "completed"];
    assert!(rig.documents[1] == rig.documents[2] && rig.documents[2] == rig.documents[3]);
    assert_eq!(rig.did().into_iter().filter(|did| statuses.contains(&did.as_str())).collect::<Vec<_>>(), statuses);
    // Published at 16, connection cut at 20 and 22, connected again a second later.
    assert_eq!(rig.samples(Series::TwinAck(FirmwareStatus::Downloading)), [7 * SECOND]);
}

#[test]
fn a_report_without_an_answer_is_sent_again_on_a_connection_that_lives() {
    let mut rig = Rig::online(&[]);
    rig.call("u1");
    assert!(!rig.session.is_reporting());
    rig.hub.twin = None;
    rig.run_until(at(75.9));
    assert!(rig.session.is_reporting());
    assert_eq!(rig.times("downloading"), [at(16.0)], "nothing overtakes it");
    rig.hub.twin = Some(204);
    rig.run_until(at(76.0));
    assert_eq!((rig.times("downloading"), rig.documents.len()), (vec![at(16.0), at(76.0)], 5));
    assert_eq!(rig.documents[1], rig.documents[2]);
    assert_eq!(rig.samples(Series::TwinAck(FirmwareStatus::Downloading)), [60 * SECOND]);
    assert_eq!(rig.count(&Event::Failed("report downloading unanswered for 60s, sent again".to_owned())), 1);
    assert!(rig.times("close").is_empty() && !rig.session.is_reporting());
}

#[test]
fn the_workflow_goes_on_without_a_connection() {
    let mut rig = Rig::online(&[]);
    rig.call("u1");
    rig.hub.closed = true;
    rig.cut();
    rig.run_until(at(50.0));
    assert_eq!(rig.documents.len(), 1);
    rig.hub.closed = false;
    rig.run_until(at(60.0));
    assert_eq!(rig.documents.len(), 4);
    assert!(rig.documents[1].contains("03:04:21.000000Z"), "written when it was due: {}", rig.documents[1]);
}

#[test]
fn a_throttled_report_waits_and_a_refused_one_is_dropped() {
    let mut rig = Rig::online(&[]);
    rig.did();
    rig.call("u1");
    rig.hub.twin = Some(429);
    rig.run_until(at(18.0));
    assert_eq!(rig.did(), [STARTED, "downloading", "downloading", "downloading"]);
    rig.hub.twin = Some(400);
    rig.run_until(at(19.0));
    rig.hub.twin = Some(204);
    rig.run_until(at(60.0));
    assert_eq!(rig.did(), ["downloading", "applying", "completed"]);
    assert_eq!(rig.count(&Event::Failed("report downloading answered 400, dropped".to_owned())), 1);
    assert!(rig.samples(Series::TwinAck(FirmwareStatus::Downloading)).is_empty());
}

#[test]
fn a_device_whose_reports_pile_up_takes_no_new_update() {
    let mut rig = Rig::online(&[]);
    rig.hub.twin = None;
    for update in 0..6_u32 {
        rig.did();
        rig.call(&format!("u{update}"));
        let expected = if update < 5 { "200 " } else { "503 " };
        assert!(rig.did().last().unwrap().starts_with(expected), "update {update}");
        rig.run_until(rig.now + 50 * SECOND);
    }
}

#[test]
fn a_session_is_small() {
    let size = size_of::<Session<AzureDevice>>();
    assert!(size <= 400, "{size} bytes");
}
