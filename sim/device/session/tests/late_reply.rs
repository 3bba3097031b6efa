//! The fault `slow_reply`, and calls that are accepted after all.

use super::rig::{Rig, SECOND, STARTED, at, fault};
use crate::device::{Event, Input};
use crate::policy::{Fault, FaultKind, SlowReply};

#[test]
fn a_late_answer_delays_the_update_with_it() {
    let delay = "5s".parse().unwrap();
    let mut rig = Rig::online(&[fault(FaultKind::SlowReply(SlowReply { delay }))]);
    rig.did();
    rig.call("u1");
    rig.run_until(at(5.9));
    assert_eq!((rig.did(), rig.count(&Event::Injected(0)), rig.count(&Event::Accepted)), (vec![], 1, 1));
    rig.run_until(at(20.9));
    assert_eq!(rig.did(), [STARTED]);
    rig.run_until(at(60.0));
    assert_eq!((rig.times("downloading"), rig.did().len()), (vec![at(21.0)], 3));
    rig.call("u1");
    assert_eq!(rig.did(), [STARTED], "a repeated call is answered at once after that");
}

#[test]
fn calls_repeated_before_a_late_answer_share_it_and_others_are_refused() {
    let delay = "5s".parse().unwrap();
    let mut rig = Rig::online(&[fault(FaultKind::SlowReply(SlowReply { delay }))]);
    rig.did();
    (0..6).for_each(|_| rig.call("u1"));
    rig.call("u2");
    rig.call_method("firmwareUpdate", r#"{"fwPackageUri":"x"}"#);
    let did = rig.did();
    assert!(did.len() == 2 && did.iter().all(|did| did.starts_with("409 ")), "{did:?}");
    rig.run_until(at(6.0));
    assert_eq!(rig.did(), [STARTED; 4], "those beyond the bound are left to the hub");
    rig.run_until(at(60.0));
    assert_eq!(rig.did(), ["downloading", "applying", "completed"]);
    assert_eq!((rig.session.updates, rig.count(&Event::Injected(0))), (1, 1));
}

#[test]
fn a_late_answer_goes_nowhere_on_another_connection_and_the_update_starts_all_the_same() {
    let delay = "5s".parse().unwrap();
    let mut rig = Rig::online(&[fault(FaultKind::SlowReply(SlowReply { delay }))]);
    rig.call("u1");
    rig.cut();
    rig.run_until(at(3.0));
    rig.did();
    rig.call("u1");
    rig.run_until(at(60.0));
    assert_eq!(rig.did(), [STARTED, "downloading", "applying", "completed"], "the second call is answered");
}

#[test]
fn what_strikes_the_connection_before_a_late_answer_hits_the_update_as_well() {
    let slow = fault(FaultKind::SlowReply(SlowReply { delay: "5s".parse().unwrap() }));
    let offline = Fault { at: 2 * SECOND, lasts: Some(SECOND), ..fault(FaultKind::Offline) };
    let mut rig = Rig::online(&[slow, offline]);
    rig.input(Input::LoadStarts(rig.now));
    rig.call("u1");
    rig.run_until(at(5.0));
    assert_eq!((rig.count(&Event::Injected(0)), rig.count(&Event::Injected(1))), (1, 1));
    rig.run_until(at(60.0));
    assert_eq!((rig.times("completed").len(), rig.count(&Event::Injected(1))), (1, 1));
}

#[test]
fn a_call_that_is_accepted_after_all_says_so() {
    let mut rig = Rig::online(&[Fault { lasts: Some(10 * SECOND), ..fault(FaultKind::NoReply) }]);
    rig.input(Input::LoadStarts(rig.now));
    rig.call("u1");
    assert_eq!(rig.count(&Event::Accepted), 0);
    rig.run_until(at(20.0));
    rig.call("u1");
    rig.call("u1");
    assert_eq!((rig.count(&Event::Accepted), rig.count(&Event::Injected(0))), (1, 1));
}
