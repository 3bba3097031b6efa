//! A broker unlike Mosquitto: what it does not know is found out, and what it throws out is told.

use nix::sys::signal::Signal;

use crate::program::{QuickRun, Running, census};
use crate::support::Nats;
use crate::support::quick::{assert_accounted, command, messages, quickstart};

#[test]
fn without_groups_connections_split_the_devices() {
    let broker = Nats::start(&[]);
    let quick = QuickRun::new();
    let ended =
        Running::start(command(&quick, &quickstart(broker.url(), "60"), &["hub.driver={ connections = 3 }"])).wait();
    let ended = ended.expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "completed"), 60);
    assert_accounted(&results);
    assert_eq!(ended.stdout.matches("(devices of its own)").count(), 3, "{}", ended.stdout);
}

#[test]
fn a_quality_that_a_broker_does_not_have_is_guessed_at() {
    let broker = Nats::start(&[]);
    let quick = QuickRun::new();
    // Whoever is thrown out stays away.
    let changes = ["hub.qos=2", "retry.connect=none"];
    let ended = Running::start(command(&quick, &quickstart(broker.url(), "5"), &changes)).wait().expect(1);
    assert!(ended.stderr.contains("QoS 2 (hub.qos)"), "{}", ended.stderr);
}

#[test]
fn a_driver_that_reads_too_slowly_is_thrown_out_and_no_device_is_blamed() {
    let broker = Nats::start(&["max_pending: 1048576", "write_deadline: \"300ms\""]);
    let (fleet, driver) = (QuickRun::new(), QuickRun::new());
    // Enough to fill what the system holds for a connection that is not read within a second.
    let flood = "telemetry={ interval = \"40ms\", size = \"16KiB\", qos = 0 }";
    let of = |quick: &QuickRun, verb| {
        let words = [verb, "quickstart", "--hub", broker.url(), "--devices", "60", "--plain"];
        let sets = [flood, "load.rate=10", "firmware.apply=300ms", "observe.stage_deadline=10s"];
        Running::start(command(quick, &words, &sets))
    };
    let devices = of(&fleet, "fleet");
    devices.until_it_says("connected 60/60");
    let drive = of(&driver, "drive");
    drive.until_it_says("] running");
    drive.signal(Signal::SIGSTOP);
    crate::program::eventually("it is thrown out", || broker.log().contains("Slow Consumer"));
    drive.signal(Signal::SIGCONT);
    let ended = drive.wait();
    let results = driver.results();
    devices.signal(Signal::SIGINT);
    devices.wait().expect(0);
    assert!(ended.stdout.contains("lost once, came back once"), "{}", ended.stdout);
    assert_eq!(census(&results, "protocol_violation"), 0, "{}", ended.stdout);
    assert_eq!(census(&results, "unaccounted"), 0);
    assert!(messages(&results, "telemetry", "delivered") > 0);
}
