//! A search for the connections that a broker allows.

use std::fs;
use std::process::Command;

use crate::program::{QuickRun, Running, twinstorm};
use crate::support::Mosquitto;
use crate::support::quick::{prompt, set};

/// Connections that the broker has descriptors for, the driver's among them.
const CONNECTIONS: usize = 40;

/// Lets the broker have so many descriptors more than it has now. (Its own `max_connections` is of no use here: this version
/// forgets whom it has let in once it has refused somebody.)
fn allow(broker: &Mosquitto, connections: usize) {
    let pid = broker.pid();
    let limit = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() + connections;
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &pid.to_string(), &format!("--nofile={limit}:{limit}")]);
    assert!(prlimit.status().unwrap().success(), "prlimit");
}

#[test]
fn how_many_devices_a_broker_lets_in_is_found() {
    let broker = prompt().start();
    allow(&broker, CONNECTIONS);
    let quick = QuickRun::new();
    // In a step that breaks, devices that are refused are waited for, for a minute. There is time for one.
    let words = ["capacity", "capacity-devices", "--hub", &broker.url(), "--budget", "60s"];
    let mut command = twinstorm(&words);
    command.arg("--out").arg(quick.out()).args(set(&[
        "capacity.settle={ over = \"1s\", factor = 2 }",
        "capacity.measure=2s",
        "capacity.start=25",
        "capacity.precision=100%",
        "fleet.keep_alive=1s",
        "threshold=[{ expr = \"census.completed.pct >= 99\" }, { expr = \"update.total.max < 1h\" }]",
    ]));
    // Nothing is read of what the user of this machine has calibrated.
    command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
    let ended = Running::start(command).wait().expect(0);
    let found = quick.results()["capacity"].clone();
    let bounds = (found["low"].as_f64().unwrap(), found["high"].as_f64().unwrap());
    assert_eq!(bounds, (25.0, 50.0), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(found["cause"], "errors", "{found}");
}
