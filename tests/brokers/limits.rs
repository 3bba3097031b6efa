//! Brokers that set limits: what a broker throws away is told.

use crate::program::{ANY_CENSUS, QuickRun, Running, census};
use crate::support::quick::{command, messages, prompt, quickstart};

#[test]
fn devices_that_a_broker_has_no_room_for_are_not_waited_for_for_long_and_counted_with_the_reason() {
    let broker = prompt().start();
    broker.allow(25);
    let quick = QuickRun::new();
    let changes = [ANY_CENSUS, "fleet.keep_alive=1s", "load.response_timeout=5s"];
    let ended = Running::start(command(&quick, &quickstart(&broker.url(), "40"), &changes)).wait();
    assert!(ended.stderr.contains(" of 40 devices are not online: "), "{}", ended.stderr);
    let results = quick.results();
    let load = results["load"]["from_s"].as_f64().unwrap();
    assert!(load < 50.0, "the load started after {load} s");
    assert!(census(&results, "completed") >= 20, "{}", results["census"]);
}

#[test]
fn what_a_broker_throws_away_of_a_queue_that_is_full_is_told() {
    let broker = prompt().line("max_inflight_messages 1").line("max_queued_messages 5").start();
    let quick = QuickRun::new();
    let flood =
        ["telemetry={interval=\"20ms\", qos=1}", "load.lasts=3s", "hub.retain=true", "observe.stage_deadline=10s"];
    let ended = Running::start(command(&quick, &quickstart(&broker.url(), "60"), &flood)).wait();
    let results = quick.results();
    assert!(messages(&results, "telemetry", "undelivered") > 0, "{}", results["messages"]);
    assert!(ended.stdout.contains("undelivered"), "{}", ended.stdout);
}
