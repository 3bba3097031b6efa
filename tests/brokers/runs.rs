//! Whole runs over a broker: everybody is called and completes, by every way that a profile may choose.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::program::{ANY_CENSUS, QuickRun, Running, census};
use crate::support::Gateway;
use crate::support::quick::{command, complete, messages, prompt, quickstart};

/// Reports of an update: downloading, applying, completed.
const STAGES: i64 = 3;

#[test]
fn everybody_completes_and_every_message_is_accounted_for() {
    let broker = prompt().start();
    let results = complete(&broker, &[]);
    assert_eq!(results["observer"]["kind"], "subscribe");
    for kind in ["request", "response"] {
        assert_eq!(messages(&results, kind, "sent"), 60, "{}", results["messages"]);
    }
    assert!(messages(&results, "report", "sent") >= 60 * STAGES, "{}", results["messages"]);
    for kind in ["request", "response", "report"] {
        assert_eq!(messages(&results, kind, "sent"), messages(&results, kind, "acknowledged"), "{kind}");
        for nothing in ["lost", "unconfirmed", "undelivered", "duplicates", "resent"] {
            assert_eq!(messages(&results, kind, nothing), 0, "{kind} {nothing}: {}", results["messages"]);
        }
    }
    assert_eq!(results["plan"]["hub"]["kind"], "mqtt", "{}", results["plan"]["hub"]);
}

#[test]
fn at_quality_0_nothing_is_confirmed_and_at_2_everything_once() {
    let broker = prompt().start();
    let results = complete(&broker, &["hub.qos=0"]);
    assert_eq!(messages(&results, "report", "acknowledged"), 0);
    assert_eq!(messages(&results, "report", "unconfirmed"), messages(&results, "report", "sent"));
    assert_eq!(messages(&results, "report", "undelivered"), 0);
    let results = complete(&broker, &["hub.qos=2"]);
    for kind in ["request", "response", "report"] {
        assert_eq!(messages(&results, kind, "acknowledged"), messages(&results, kind, "sent"), "{kind}");
        assert_eq!(messages(&results, kind, "duplicates"), 0, "{kind}");
    }
}

/// What each connection of the driver is, and how it shares.
fn lines(results: &Value) -> Vec<&str> {
    let lines = results["generator"]["lines"].as_array().unwrap();
    lines.iter().map(|line| line["share"].as_str().unwrap()).collect()
}

#[test]
fn two_shards_have_a_driver_each() {
    let results = complete(&prompt().start(), &["fleet.shards=2"]);
    assert_eq!(results["shards"].as_array().unwrap().len(), 2);
    assert_eq!(lines(&results).len(), 2, "{}", results["generator"]);
}

#[test]
fn three_connections_share_a_subscription_or_split_the_devices() {
    let broker = prompt().start();
    for (share, word) in [("auto", "a shared subscription"), ("devices", "")] {
        let driver = format!("hub.driver={{connections=3, share=\"{share}\"}}");
        let results = complete(&broker, &[&driver]);
        let lines = lines(&results);
        assert_eq!(lines.len(), 3, "{}", results["generator"]);
        assert!(lines.iter().all(|line| line.contains(word)), "{lines:?}");
        // Each has its part of what came.
        let received = results["generator"]["lines"].as_array().unwrap().iter().map(|line| line["received"].as_u64());
        assert!(received.clone().all(|received| received > Some(0)), "{}", results["generator"]["lines"]);
    }
}

#[test]
fn topics_are_those_of_the_profile() {
    let broker = prompt().start();
    complete(
        &broker,
        &[
            r#"hub.topics={prefix="plant/7", request="{prefix}/{device}/do/{method}/{rid}", response="{prefix}/{device}/done/{rid}/{status}", reported="{prefix}/{device}/is", presence="{prefix}/{device}/here"}"#,
        ],
    );
    let log = broker.log();
    for topic in ["plant/7/sim-0000003/do/firmwareUpdate/", "plant/7/sim-0000003/is", "plant/7/sim-0000003/here"] {
        assert!(log.contains(topic), "{topic}");
    }
    assert!(!log.contains("twinstorm/"));
}

#[test]
fn without_presence_the_result_says_what_cannot_be_told() {
    let broker = prompt().start();
    let quick = QuickRun::new();
    let ended =
        Running::start(command(&quick, &quickstart(&broker.url(), "60"), &[r#"hub.topics={presence=""}"#])).wait();
    let ended = ended.expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "completed"), 60);
    assert_eq!(results["observer"]["presence"], false);
    assert!(ended.stdout.contains("Presence is off"), "{}", ended.stdout);
    assert!(results["messages"]["presence"].is_null(), "{}", results["messages"]);
}

#[test]
fn a_broker_is_reached_through_a_websocket() {
    // Not every Mosquitto is built with WebSockets of its own.
    let broker = prompt().start();
    let gateway = Gateway::to(&broker);
    let (quick, url) = (QuickRun::new(), gateway.url());
    Running::start(command(&quick, &quickstart(&url, "60"), &[])).wait().expect(0);
    assert_eq!(census(&quick.results(), "completed"), 60);
}

#[test]
fn fleet_and_driver_are_two_processes_that_meet_at_the_broker() {
    let broker = prompt().start();
    let (fleet, driver) = (QuickRun::new(), QuickRun::new());
    let words = |verb| [verb, "quickstart", "--hub", &broker.url(), "--devices", "60", "--plain"].map(str::to_owned);
    let of = |quick: &QuickRun, verb| {
        let words = words(verb);
        Running::start(command(quick, &words.each_ref().map(String::as_str), &["load.rate=60"]))
    };
    let devices = of(&fleet, "fleet");
    devices.until_it_says("connected 60/60");
    of(&driver, "drive").wait().expect(0);
    let results = driver.results();
    assert_eq!(census(&results, "completed"), 60);
    devices.signal(Signal::SIGINT);
    devices.wait().expect(0);
    let (driver, fleet) = (results, fleet.results());
    // Each tells what it knows: the driver what it asked and was given, the fleet what it answered and reported.
    assert_eq!(messages(&driver, "request", "acknowledged"), 60);
    assert_eq!(messages(&fleet, "response", "acknowledged"), 60);
    assert_eq!(messages(&driver, "report", "delivered"), 180);
}

#[test]
fn devices_that_do_not_say_that_they_are_online_are_called_all_the_same_and_an_outage_is_the_drivers_alone() {
    let broker = prompt().start();
    let (fleet, driver) = (QuickRun::new(), QuickRun::new());
    let log = fleet.folder.path().join("outages");
    let say = |word: &str| format!("echo {word} >> {}", log.display());
    let outage = format!("hub.outage={{down=\"{}\", up=\"{}\"}}", say("down"), say("up"));
    let url = broker.url();
    let of = |quick: &QuickRun, verb| {
        let words = [verb, "quickstart", "--hub", &url, "--devices", "20", "--plain"];
        let fault = r#"fault=[{ kind = "hub_down", at = "100ms", for = "100ms" }]"#;
        let changes = ["hub.topics.presence=", "load.rate=20", &outage, fault, ANY_CENSUS];
        Running::start(command(quick, &words, &changes))
    };
    let devices = of(&fleet, "fleet");
    devices.until_it_says("connected 20/20");
    let ended = of(&driver, "drive").wait().expect(0);
    assert!(ended.stderr.contains("which of them are online is not known"), "{}", ended.stderr);
    assert_eq!(census(&driver.results(), "completed"), 20);
    devices.signal(Signal::SIGINT);
    devices.wait().expect(0);
    assert_eq!(fs::read_to_string(&log).unwrap(), "down\nup\n");
}

#[test]
fn a_broker_that_dies_is_to_blame_and_no_device() {
    let mut broker = prompt().start();
    let quick = QuickRun::new();
    let url = broker.url();
    let words = ["run", "quickstart", "--hub", &url, "--devices", "40", "--rate", "20", "--plain"];
    let changes = ["observe.stage_deadline=3s", "firmware.apply=2s"];
    let running = Running::start(command(&quick, &words, &changes));
    broker.until_it_logs("/reported");
    running.until_it_says("running");
    broker.kill();
    // With 96 where nobody had completed: then there is nothing to judge a duration by.
    let ended = running.wait();
    assert!(matches!(ended.code, Some(96 | 99)), "{}", ended.stdout);
    let results = quick.results();
    let outcomes = ["completed", "hub_error", "protocol_violation"].map(|outcome| census(&results, outcome));
    assert_eq!(outcomes.iter().sum::<i64>(), 40, "{}", results["census"]);
    assert!(outcomes[1] > 0 && outcomes[2] == 0, "{}", results["census"]);
}
