//! Faults of the call, and those that keep a device away.

use std::sync::Arc;
use std::time::Duration;

use super::rig::{Rig, SECOND, at, fault, settings};
use crate::device::{Event, Input};
use crate::policy::{Fail, Fault, FaultKind, FaultPlan, FaultStage, Reject, Select, Series, Stall};
use crate::random::Seed;

#[test]
fn reject_answers_its_status_and_starts_nothing() {
    let mut rig = Rig::online(&[fault(FaultKind::Reject(Reject { status: 418 }))]);
    rig.did();
    rig.call("u1");
    rig.call("u1");
    rig.run_until(at(59.0));
    assert_eq!(rig.did(), [r#"418 {"Response":"rejected"}"#, r#"418 {"Response":"rejected"}"#]);
    assert_eq!(rig.session.updates, 1, "a repeated call is no new update");
    assert_eq!(rig.count(&Event::Injected(0)), 1, "it strikes an update once");
    assert_eq!(rig.count(&Event::Received { update_id: "u1".to_owned() }), 2, "the truth counts the first");
    rig.call("u2");
    assert_eq!((rig.session.updates, rig.count(&Event::Injected(0))), (2, 2));
}

#[test]
fn a_refusal_is_stable_over_retries_without_ids() {
    let half = Fault { select: Select::Percent(50.0), ..fault(FaultKind::Reject(Reject { status: 500 })) };
    let call = |rig: &mut Rig| rig.call_method("firmwareUpdate", r#"{"fwPackageUri":"x"}"#);
    let mut refused = 0;
    for seed in 0..20 {
        let mut settings = settings(&[]);
        settings.faults = Arc::new(FaultPlan::new(Seed(seed), std::slice::from_ref(&half), 10));
        let hit = settings.faults.hits(3, 0).next().is_some();
        let mut rig = Rig::new(settings, 3);
        rig.run_until(at(1.0));
        rig.did();
        (0..5).for_each(|_| call(&mut rig));
        let expected = if hit { "500 " } else { "200 " };
        assert!(rig.did()[0].starts_with(expected));
        assert_eq!((rig.session.updates, rig.session.workflow.is_running()), (1, !hit));
        assert_eq!(rig.count(&Event::Injected(0)), usize::from(hit));
        refused += u32::from(hit);
    }
    assert!((5..=15).contains(&refused), "{refused}");
}

#[test]
fn no_reply_answers_nothing_while_it_is_active() {
    let mut rig = Rig::online(&[Fault { lasts: Some(10 * SECOND), ..fault(FaultKind::NoReply) }]);
    rig.input(Input::LoadStarts(at(5.0)));
    rig.did();
    rig.run_until(at(6.0));
    rig.call("u1");
    rig.run_until(at(14.0));
    assert_eq!((rig.did(), rig.count(&Event::Injected(0))), (vec![], 1));
    rig.run_until(at(16.0));
    rig.call("u1");
    assert!(rig.did()[0].starts_with("200 "));
    assert_eq!((rig.session.updates, rig.count(&Event::Injected(0)), rig.count(&Event::Accepted)), (1, 1, 1));
}

#[test]
fn a_fault_with_a_time_waits_for_the_start_of_the_load() {
    let late = Fault { at: 10 * SECOND, ..fault(FaultKind::Reject(Reject { status: 500 })) };
    let mut rig = Rig::online(&[late]);
    rig.did();
    rig.run_until(at(20.0));
    rig.call("u1");
    assert!(rig.did()[0].starts_with("200 "), "no load has started yet");
    rig.run_until(at(70.0));
    rig.input(Input::LoadStarts(at(60.0)));
    rig.did();
    rig.call("u2");
    assert!(rig.did()[0].starts_with("500 "));
}

#[test]
fn fail_reports_stage_and_code() {
    let code = "checksum_mismatch".to_owned();
    let mut rig = Rig::online(&[fault(FaultKind::Fail(Fail { stage: FaultStage::Verifying, code }))]);
    rig.did();
    rig.call("u1");
    rig.run_until(at(59.0));
    assert_eq!(rig.did()[1..], ["downloading", "failed"]);
    let error = r#""fwVersion":"1","error":{"stage":"verifying","code":"checksum_mismatch"}}"#;
    assert!(rig.documents[2].ends_with(error), "{}", rig.documents[2]);
    assert_eq!((rig.count(&Event::Injected(0)), rig.count(&Event::Chose(15 * SECOND))), (1, 2));
}

#[test]
fn stall_stays_connected_and_reports_nothing_more() {
    for (stage, reports) in [(FaultStage::Waiting, 0), (FaultStage::Verifying, 1), (FaultStage::Rebooting, 2)] {
        let mut rig = Rig::online(&[fault(FaultKind::Stall(Stall { stage }))]);
        rig.did();
        rig.call("u1");
        rig.run_until(at(1000.0));
        assert_eq!(rig.documents.len(), 1 + reports);
        assert!(rig.times("PINGREQ").len() > 10 && rig.times("close").is_empty());
        assert_eq!(rig.count(&Event::Injected(0)), 1);
    }
}

#[test]
fn offline_from_the_start_leaves_once_it_has_reported_and_comes_back_at_the_windows_end() {
    let mut rig = Rig::online(&[Fault { lasts: Some(30 * SECOND), ..fault(FaultKind::Offline) }]);
    assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE 2", "standBy", "Disconnect", "close"]);
    assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::Ready)), (1, 1));
    rig.run_until(at(1000.0));
    rig.input(Input::LoadStarts(at(1000.0)));
    rig.run_until(at(1029.9));
    assert_eq!(rig.did(), [] as [&str; 0]);
    rig.run_until(at(1030.0));
    assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE 2"]);
    assert!(rig.events.iter().any(|event| matches!(event, Event::Relieved(0, after) if *after > 1029 * SECOND)));
    assert!(rig.samples(Series::Reconnect).is_empty() && rig.samples(Series::ConnectError).is_empty());
    assert!(!rig.has_failed(), "an absence is no error");
}

#[test]
fn of_two_absences_each_is_told_once() {
    let long = fault(FaultKind::Offline);
    let short = Fault { at: 10 * SECOND, lasts: Some(10 * SECOND), ..long.clone() };
    let mut rig = Rig::online(&[short, Fault { lasts: Some(60 * SECOND), ..long }]);
    rig.input(Input::LoadStarts(rig.now));
    rig.run_until(at(100.0));
    let relieved = rig.events.iter().filter(|event| matches!(event, Event::Relieved(..))).count();
    assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::Afflicted(1)), relieved), (0, 1, 1));
}

#[test]
fn offline_in_the_middle_of_an_update_lets_the_workflow_go_on() {
    let absence = Fault { at: 20 * SECOND, lasts: Some(20 * SECOND), ..fault(FaultKind::Offline) };
    let mut rig = Rig::online(&[absence]);
    rig.input(Input::LoadStarts(rig.now));
    rig.call("u1");
    rig.run_until(at(40.9));
    assert_eq!((rig.times("close"), rig.documents.len()), (vec![at(21.0)], 2));
    assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::Injected(0))), (1, 1), "it hits what runs");
    rig.run_until(at(60.0));
    assert_eq!((rig.times("open"), rig.documents.len()), (vec![at(0.0), at(41.0)], 4));
}

#[test]
fn only_those_selected_are_hit() {
    let nobody = Fault { select: Select::Ids(vec![4]), ..fault(FaultKind::Reject(Reject { status: 500 })) };
    let mut rig = Rig::online(&[nobody]);
    rig.did();
    rig.call("u1");
    assert!(rig.did()[0].starts_with("200 "));
    assert_eq!(rig.samples(Series::Connect), [Duration::ZERO]);
}

#[test]
fn healing_brings_an_absent_device_back_and_lifts_every_other_fault() {
    let mut rig = Rig::online(&[fault(FaultKind::Offline), fault(FaultKind::NoReply)]);
    rig.did();
    rig.run_until(at(50.0));
    rig.input(Input::Heal);
    assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE 2"]);
    rig.input(Input::LoadStarts(at(60.0)));
    rig.run_until(at(61.0));
    rig.call("u1");
    assert!(rig.did()[0].starts_with("200 "));
}
