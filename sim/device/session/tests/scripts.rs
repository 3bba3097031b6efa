//! Faults of device and report, as the hub sees them.

use super::rig::{Rig, SECOND, STARTED, at, fault};
use crate::device::{Event, Input};
use crate::policy::{
    BootLoop, Duplicate, Fault, FaultKind, FaultStage, FirmwareStatus, Malformation, Malformed, Reboot, Rollback,
    Series, Skip, Vanish,
};

#[test]
fn a_device_that_reboots_goes_without_a_word_and_goes_on() {
    let mut rig = Rig::online(&[fault(FaultKind::Reboot(Reboot { away: "20s".parse().unwrap() }))]);
    rig.did();
    rig.call("u1");
    rig.run_until(at(58.4));
    // Applying begins at 31; away from the middle, 38.5, to 58.5; done at 46.
    assert_eq!((rig.times("cut"), rig.did()), (vec![at(38.5)], words("STARTED downloading applying cut")));
    rig.run_until(at(59.0));
    assert_eq!(rig.did(), words("open CONNECT SUBSCRIBE completed"));
    assert!(rig.documents[3].contains("03:04:51.000000Z"), "written when it was due: {}", rig.documents[3]);
    assert_eq!((rig.count(&Event::Injected(0)), rig.count(&Event::Disconnected)), (1, 1));
    assert!(rig.samples(Series::Reconnect).is_empty() && !rig.has_failed(), "it went on purpose");
}

#[test]
fn a_boot_loop_is_seen_as_short_connections() {
    let mut rig = Rig::online(&[fault(FaultKind::BootLoop(BootLoop { times: 3 }))]);
    rig.did();
    rig.call("u1");
    rig.run_until(at(60.0));
    let up = "cut open CONNECT SUBSCRIBE";
    assert_eq!(rig.did(), words(&format!("STARTED downloading applying {up} {up} {up} {up} failed")));
    let error = r#""fwVersion":"1","error":{"stage":"rebooting","code":"boot_failed"}}"#;
    assert!(rig.documents[3].ends_with(error), "{}", rig.documents[3]);
    assert_eq!((rig.count(&Event::Connected), rig.count(&Event::Disconnected)), (5, 4));
    rig.call("u2");
    assert_eq!(rig.did(), [STARTED], "it can be updated again");
}

#[test]
fn a_device_that_vanishes_is_over() {
    let mut rig = Rig::online(&[fault(FaultKind::Vanish(Vanish { stage: FaultStage::Applying }))]);
    rig.did();
    rig.call("u1");
    rig.run_until(at(1000.0));
    assert_eq!((rig.did(), rig.session.is_over()), (words("STARTED downloading applying cut"), true));
    let told = [Event::Injected(0), Event::Disconnected, Event::GaveUp].map(|event| rig.count(&event));
    assert_eq!(told, [1, 1, 0]);
    rig.input(Input::Stop);
    assert_eq!(rig.did(), [] as [&str; 0]);
}

#[test]
fn a_device_can_vanish_and_restart_while_it_is_not_connected() {
    let reboot = fault(FaultKind::Reboot(Reboot { away: "1s".parse().unwrap() }));
    let mut rig = Rig::online(std::slice::from_ref(&reboot));
    rig.call("u1");
    rig.hub.closed = true;
    rig.cut();
    rig.run_until(at(50.0));
    rig.hub.closed = false;
    rig.run_until(at(60.0));
    assert_eq!((rig.documents.len(), rig.times("cut")), (4, vec![]));
    let mut rig = Rig::online(&[fault(FaultKind::Vanish(Vanish { stage: FaultStage::Waiting }))]);
    rig.call("u1");
    rig.hub.closed = true;
    rig.cut();
    rig.run_until(at(50.0));
    assert!(rig.session.is_over());
    // Whom `offline` keeps away a reboot does not bring back.
    let absence = Fault { at: 20 * SECOND, lasts: Some(100 * SECOND), ..fault(FaultKind::Offline) };
    let mut rig = Rig::online(&[reboot, absence]);
    rig.input(Input::LoadStarts(rig.now));
    rig.call("u1");
    rig.run_until(at(121.0));
    assert_eq!((rig.times("open"), rig.documents.len()), (vec![at(0.0), at(121.0)], 4));
}

#[test]
fn reports_go_wrong_on_the_wire() {
    use FirmwareStatus::{Applying, Downloading};
    let malformed = |form| FaultKind::Malformed(Malformed { stage: Downloading, form });
    for (kind, reports) in [
        (FaultKind::Rollback(Rollback { delay: "3s".parse().unwrap() }), "downloading applying rolledBack"),
        (FaultKind::FalseSuccess, "downloading applying completed"),
        (FaultKind::Skip(Skip { stage: Applying }), "downloading completed"),
        (FaultKind::Reorder, "applying downloading completed"),
        (FaultKind::Duplicate(Duplicate { stage: Applying }), "downloading applying applying completed"),
        (malformed(Malformation::BadJson), "no_JSON applying completed"),
        (malformed(Malformation::WrongType), "1 applying completed"),
        (malformed(Malformation::TooLarge), "downloading applying completed"),
    ] {
        let refused = matches!(kind, FaultKind::Malformed(Malformed { form, .. }) if form != Malformation::WrongType);
        let twice = matches!(kind, FaultKind::Duplicate(_));
        let mut rig = Rig::online(&[fault(kind)]);
        rig.did();
        rig.call("u1");
        rig.run_until(at(60.0));
        assert_eq!(rig.did(), words(&format!("STARTED {reports}")));
        assert_eq!((rig.count(&Event::Injected(0)), rig.count(&Event::ReportDropped)), (1, usize::from(refused)));
        assert!(!twice || rig.documents[2] == rig.documents[3], "byte for byte");
        assert!(!rig.session.is_reporting() && !rig.session.workflow.is_running(), "{reports}");
    }
}

#[test]
fn a_lie_strikes_only_where_there_is_something_to_lie_about() {
    let mut rig = Rig::online(&[fault(FaultKind::FalseSuccess)]);
    rig.call_method("firmwareUpdate", r#"{"fwPackageUri":"x"}"#);
    rig.run_until(at(60.0));
    rig.call_method("firmwareUpdate", r#"{"fwPackageUri":"x","fwVersion":"1"}"#);
    rig.run_until(at(120.0));
    assert_eq!((rig.documents.len(), rig.count(&Event::Injected(0))), (7, 0));
    rig.call("u1");
    rig.run_until(at(180.0));
    assert!(rig.count(&Event::Injected(0)) == 1 && rig.documents[9].ends_with(r#""fwVersion":"1"}"#));
}

/// Several words, of which `STARTED` is the tutorial's answer, and SUBSCRIBE has its number.
fn words(text: &str) -> Vec<String> {
    let word = |word: &str| match word {
        "STARTED" => STARTED.to_owned(),
        "SUBSCRIBE" => "SUBSCRIBE 2".to_owned(),
        word => word.replace('_', " "),
    };
    text.split(' ').map(word).collect()
}
