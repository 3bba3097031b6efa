//! The direct method `reboot`.

use super::rig::{Rig, STARTED, at, settings};
use crate::device::{Event, Input};
use crate::policy::Series;

const REBOOTING: &str = r#"200 {"Response":"Reboot started"}"#;

#[test]
fn reboot_is_answered_at_once_drops_the_connection_and_reports_when_it_was() {
    let mut rig = Rig::online(&[]);
    rig.did();
    rig.call_method("reboot", "null");
    assert_eq!(rig.did(), [REBOOTING]);
    rig.call_method("reboot", "null");
    rig.run_until(at(2.0));
    assert_eq!((rig.times("cut"), rig.did()), (vec![at(1.1)], vec![REBOOTING.to_owned(), "cut".to_owned()]));
    rig.run_until(at(60.0));
    assert_eq!((rig.times("open"), rig.did()[3..].to_vec()), (vec![at(2.1)], vec!["lastReboot".to_owned()]));
    let time = "2026-01-02T03:04:07.100000Z";
    let report = format!(r#"{{"iothubDM":{{"reboot":{{"lastReboot":"{time}"}}}},"lastReboot":"{time}"}}"#);
    assert_eq!(rig.documents[1], report);
    assert!(rig.samples(Series::Reconnect).is_empty() && !rig.has_failed(), "it went on purpose");
    assert_eq!((rig.count(&Event::Ready), rig.documents.len()), (1, 2), "it says nothing of its firmware");
}

#[test]
fn an_update_goes_on_over_a_reboot() {
    let mut rig = Rig::online(&[]);
    rig.did();
    rig.call("u1");
    rig.run_until(at(15.5));
    rig.call_method("reboot", "");
    rig.run_until(at(60.0));
    let statuses = ["downloading", "lastReboot", "applying", "completed"];
    let did: Vec<String> = rig.did().into_iter().filter(|did| statuses.contains(&did.as_str())).collect();
    assert_eq!(did, statuses, "what was due meanwhile goes out first");
    assert!(rig.documents[1].contains("03:04:21.000000Z"), "written when it was due: {}", rig.documents[1]);
    rig.call("u1");
    assert_eq!(rig.did(), [STARTED], "the update is still known");
}

#[test]
fn a_device_that_restarts_can_be_stopped_and_kept_away() {
    let mut rig = Rig::online(&[]);
    rig.call_method("reboot", "");
    rig.run_until(at(1.5));
    rig.input(Input::Stop);
    assert!(rig.session.is_over());
    rig.run_until(at(60.0));
    assert_eq!(rig.times("open").len(), 1);
}

#[test]
fn a_device_whose_reports_pile_up_does_not_reboot() {
    let mut settings = settings(&[]);
    settings.fleet.keep_alive = std::time::Duration::from_secs(600);
    let mut rig = Rig::new(settings, 3);
    rig.run_until(at(1.0));
    rig.hub.twin = None;
    for reboots in 0..20 {
        rig.did();
        rig.call_method("reboot", "");
        let answer = rig.did().remove(0);
        assert!(answer.starts_with(if reboots < 14 { "200" } else { "503" }), "{reboots}: {answer}");
        rig.run_until(rig.now + std::time::Duration::from_secs(3));
    }
}
