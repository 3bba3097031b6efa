//! What became of messages whose broker was restarted in the middle of them: each is acknowledged or given up, and what was
//! acknowledged came or is named.

use serde_json::Value;

use crate::program::{ANY_CENSUS, QuickRun, Running, census, eventually};
use crate::support::quick::{assert_accounted, command, messages, prompt, run};
use crate::support::{Mosquitto, Setup};

/// Messages of devices that have gone through the broker when it goes down.
const BEFORE: usize = 200;

/// Lets 20 devices publish ten messages a second each and be updated, with a broker that `restart` takes down and brings back
/// meanwhile, and returns the results.
fn through_a_restart(setup: Setup, changes: &[&str], restart: impl FnOnce(&mut Mosquitto)) -> Value {
    let mut broker = setup.start();
    let quick = QuickRun::new();
    let words = ["run", "quickstart", "--hub", &broker.url(), "--devices", "20", "--rate", "4", "--plain"];
    let always = [
        "telemetry={interval=\"100ms\", qos=1}",
        "load.lasts=6s",
        "threshold=[{ expr = \"update.total.max < 1h\" }, { expr = \"telemetry.delivery.max < 1h\" }]",
        "load.response_timeout=5s",
        "retry.connect={ policy = \"fixed\", delay = \"200ms\" }",
        "retry.method={ policy = \"fixed\", delay = \"500ms\", max_attempts = 10 }",
    ];
    let running = Running::start(command(&quick, &words, &[&always, changes].concat()));
    eventually("devices publish", || broker.log().matches("/telemetry'").count() > BEFORE);
    restart(&mut broker);
    let ended = running.wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "completed")), (20, 20), "{}", ended.stdout);
    assert_accounted(&results);
    assert!(messages(&results, "telemetry", "sent") > 500, "{}", results["messages"]);
    assert!(messages(&results, "telemetry", "delivered") > 400, "{}", results["messages"]);
    results
}

#[test]
fn with_sessions_that_outlive_a_restart_nothing_acknowledged_is_missing() {
    let keeps = ["hub.driver={keep_session=true}", "hub.retain=true"];
    let setup = prompt().persistent().line("max_queued_messages 0");
    let results = through_a_restart(setup, &keeps, |broker| broker.restart());
    for kind in ["report", "telemetry"] {
        assert_eq!(messages(&results, kind, "undelivered"), 0, "{}", results["messages"]);
    }
}

#[test]
fn what_a_broker_forgets_is_counted_and_nobodys_lie() {
    let results = through_a_restart(prompt(), &["hub.retain=true"], |broker| {
        broker.kill();
        broker.start_again();
    });
    assert_eq!(census(&results, "protocol_violation"), 0);
}

#[test]
fn what_nobody_can_read_is_a_violation_and_has_been_delivered() {
    for form in ["bad_json", "wrong_type"] {
        let quick = QuickRun::new();
        let fault = format!("fault=[{{kind='malformed', stage='downloading', form='{form}', select={{percent=50}}}}]");
        // A run that is not valid does not end with 0.
        run(&quick, &prompt().start(), &[ANY_CENSUS, &fault]).expect(0);
        let results = quick.results();
        let struck = results["faults"][0]["injected"].as_i64().unwrap();
        assert!(struck > 0 && census(&results, "protocol_violation") == struck, "{form}: {}", results["census"]);
        assert_accounted(&results);
        assert_eq!(messages(&results, "report", "undelivered"), 0, "{form}: {}", results["messages"]);
    }
}
