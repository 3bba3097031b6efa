//! The benches of brokers that ship, made small: they pass, and measure what they are about.

use serde_json::Value;

use crate::program::{QuickRun, Running, twinstorm};
use crate::support::quick::{assert_accounted, messages, prompt, set};

/// Runs a bench with 40 clients, which has to pass, and returns its results.
#[track_caller]
fn pass(bench: &str, changes: &[&str]) -> Value {
    let broker = prompt().start();
    let quick = QuickRun::new();
    let mut command = twinstorm(&["run", bench, "--hub", &broker.url(), "--devices", "40", "--plain"]);
    // Whether this machine is quick is not the question.
    command
        .arg("--out")
        .arg(quick.out())
        .args(set(&["threshold=[{ expr = \"connect.max < 1h\" }]"]))
        .args(set(changes));
    let ended = Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!(results["verdict"], "pass", "{}", ended.stdout);
    assert_accounted(&results);
    results
}

/// How many samples a series has.
#[track_caller]
fn samples(results: &Value, series: &str) -> i64 {
    results["series"][series]["count"].as_i64().unwrap_or_else(|| panic!("no {series}: {}", results["series"]))
}

#[test]
fn clients_that_only_connect_are_held_and_pinged() {
    let results = pass("broker-connect", &["load.hold=2500ms", "fleet.keep_alive=1s"]);
    assert_eq!(samples(&results, "connect"), 40);
    assert!(samples(&results, "ping") >= 40, "{}", results["series"]["ping"]);
}

#[test]
fn telemetry_is_measured_up_to_its_subscriber() {
    let threshold = "threshold=[{ expr = \"telemetry.delivery.max < 1h\" }]";
    let results = pass("broker-telemetry", &["load.lasts=3s", "telemetry.interval=200ms", threshold]);
    let sent = messages(&results, "telemetry", "sent");
    assert!(sent >= 40 * 10, "{}", results["messages"]);
    assert_eq!(sent, 40 * 15 - messages(&results, "telemetry", "left_out"), "{}", results["messages"]);
    for series in ["telemetry.delivery", "telemetry.ack", "telemetry.lag"] {
        assert_eq!(samples(&results, series), sent, "{series}");
    }
    assert_eq!(messages(&results, "telemetry", "acknowledged"), sent);
    assert_eq!(messages(&results, "telemetry", "undelivered"), 0);
}

#[test]
fn clients_that_come_and_go_are_measured_each_time() {
    let churn = "fleet.churn={ up = \"exp 500ms\", down = \"100ms\" }";
    let results = pass("broker-churn", &["load.lasts=4s", churn]);
    assert!(samples(&results, "connect") > 2 * 40, "{}", results["series"]["connect"]);
}
