//! Brokers that set limits: what a broker throws away is told.

use crate::program::{QuickRun, Running};
use crate::support::quick::{command, messages, prompt, quickstart};

#[test]
fn what_a_broker_throws_away_of_a_queue_that_is_full_is_told() {
    let broker = prompt().line("max_inflight_messages 1").line("max_queued_messages 5").start();
    let quick = QuickRun::new();
    let flood = ["telemetry={interval=\"20ms\", qos=1}", "load.lasts=3s", "hub.retain=true"];
    let ended = Running::start(command(&quick, &quickstart(&broker.url(), "60"), &flood)).wait();
    let results = quick.results();
    assert!(messages(&results, "telemetry", "undelivered") > 0, "{}", results["messages"]);
    assert!(ended.stdout.contains("undelivered"), "{}", ended.stdout);
}
