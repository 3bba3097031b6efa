//! A search for the connections that a broker allows.

use crate::program::{QuickRun, Running, twinstorm};
use crate::support::Nats;
use crate::support::quick::set;

/// Connections that the broker allows, the driver's among them.
const CONNECTIONS: u32 = 40;

/// NATS, as Mosquitto 2.0.11 is of no use here: it forgets whom it has let in once it has refused somebody over its
/// `max_connections`.
#[test]
fn how_many_devices_a_broker_lets_in_is_found() {
    let broker = Nats::start(&[&format!("max_connections: {CONNECTIONS}")]);
    let quick = QuickRun::new();
    let words = ["capacity", "capacity-devices", "--hub", broker.url(), "--budget", "110s"];
    let mut command = twinstorm(&words);
    command.arg("--out").arg(quick.out()).args(set(&[
        "capacity.settle={ over = \"1s\", factor = 2 }",
        "capacity.measure=2s",
        "capacity.start=30",
        // Who is turned away stays away: the step need not wait for anybody.
        "retry.connect=none",
        // Whatever a busy machine makes of times.
        "threshold=[{ expr = \"census.completed.pct >= 99\" }, { expr = \"update.total.max < 60s\" }]",
    ]));
    // Nothing is read of what the user of this machine has calibrated.
    command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
    let ended = Running::start(command).wait().expect(0);
    let found = quick.results()["capacity"].clone();
    let said = format!("{}\n{}", ended.stdout, ended.stderr);
    let bound = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("no {key}: {said}"));
    // One connection is the driver's.
    assert_eq!(bound("low"), f64::from(CONNECTIONS - 1), "{said}");
    assert!(bound("high") <= bound("low") * 1.05 + 1.0, "{said}");
    assert_eq!((&found["cause"], &found["finished"]), (&"errors".into(), &true.into()), "{said}");
}
