//! The three actors alone, as three shells would run them.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::support::{HubProcess, QuickRun, Running, census, eventually, twinstorm};

#[test]
fn hub_fleet_and_drive_meet() {
    let hub = HubProcess::start(&[]);
    let (fleet, drive) = (QuickRun::new(), QuickRun::new());
    let words = ["quickstart", "--devices", "60", "--rate", "100"];
    let fleet_run = Running::start(hub.reach(fleet.command(&[&["fleet"], &words[..]].concat(), &[])));
    let drive_run = Running::start(hub.reach(drive.command(&[&["drive"], &words[..]].concat(), &[])));
    drive_run.wait().expect(0);
    fleet_run.signal(Signal::SIGINT);
    fleet_run.wait().expect(0);

    let (driven, held) = (drive.results(), fleet.results());
    assert_eq!((census(&driven, "planned"), census(&driven, "completed")), (60, 60));
    for series in ["method.response", "method.service", "update.total", "schedule.lag"] {
        assert_eq!(driven["series"][series]["count"], 60, "{series}");
    }
    let absent: Vec<&str> = driven["absent"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    for series in ["connect", "twin.ack.applying", "method.delivery", "twin.visible.applying", "update.overhead"] {
        assert!(absent.contains(&series) && driven["series"][series].is_null(), "{series} in {absent:?}");
    }
    assert!(driven["hub"].is_null());
    // Intervals follow one another, also while the driver waited for its devices.
    let mut end = None;
    for interval in driven["intervals"].as_array().unwrap() {
        let (until, length) = (interval["t_s"].as_f64().unwrap(), interval["length_s"].as_f64().unwrap());
        let gap = end.map_or(0.0, |end: f64| (until - length - end).abs());
        assert!(length > 0.0 && gap < 0.001, "{interval}");
        end = Some(until);
    }
    assert_eq!(held["series"]["connect"]["count"], 60);
    assert_eq!(held["series"]["twin.ack.completed"]["count"], 60);
    assert_eq!(census(&held, "planned"), 0);
}

#[test]
fn a_fleet_can_be_driven_twice() {
    let hub = HubProcess::start(&[]);
    let fleet = QuickRun::new();
    let words = ["quickstart", "--devices", "20", "--rate", "50"];
    let _fleet_run = Running::start(hub.reach(fleet.command(&[&["fleet"], &words[..]].concat(), &[])));
    for _ in 0..2 {
        let drive = QuickRun::new();
        Running::start(hub.reach(drive.command(&[&["drive"], &words[..]].concat(), &[]))).wait().expect(0);
        assert_eq!(census(&drive.results(), "completed"), 20);
    }
}

#[test]
fn the_env_file_is_private_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.env");
    let mut command = twinstorm(&["hub", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--env-file"]);
    command.arg(&file);
    let hub = Running::start(command);
    eventually("the env file is there", || file.exists());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<String> = crate::support::read_env_file(&file).into_iter().map(|(name, _)| name).collect();
    for name in ["IOTHUB_CONNECTION_STRING", "TWINSTORM_FLEET_KEY", "TWINSTORM_HUB_MQTT", "TWINSTORM_HUB_REST"] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
    }
    hub.signal(Signal::SIGTERM);
    let ended = hub.wait().expect(0);
    assert!(
        ended.stdout.contains("MQTT  127.0.0.1:") && !ended.stdout.contains("SharedAccessKey="),
        "{}",
        ended.stdout
    );
}
