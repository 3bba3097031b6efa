//! A search for the connections that a broker allows.

use crate::program::{QuickRun, Running, twinstorm};
use crate::support::quick::{prompt, set};

/// Connections that the broker has descriptors for, the driver's among them.
const CONNECTIONS: usize = 40;

#[test]
fn how_many_devices_a_broker_lets_in_is_found() {
    let broker = prompt().start();
    broker.allow(CONNECTIONS);
    let quick = QuickRun::new();
    // In a step that breaks, devices that are refused are waited for, for 20 s.
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
