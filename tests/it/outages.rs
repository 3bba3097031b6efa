//! Hubs that are down, slow, throttled, stopped or killed, as a whole run sees it: nothing hangs, every update has its
//! outcome, and the result says what happened.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{ANY_CENSUS, QuickRun, Running, census, eventually, run, send};

/// A small run in which `faults` are done to the hub.
fn struck(quick: &QuickRun, faults: &str, more: &[&str]) -> Running {
    let faults = format!("fault=[{faults}]");
    let mut sets = vec!["--set", faults.as_str(), "--set", ANY_CENSUS];
    sets.extend(more.iter().flat_map(|set| ["--set", set]));
    Running::start(quick.command(&["run", "quickstart", "--devices", "40", "--rate", "40"], &sets))
}

#[track_caller]
fn adds_up(results: &Value) {
    assert_eq!((census(results, "planned"), census(results, "unaccounted")), (40, 0), "{}", results["census"]);
}

/// What was really done to the hubs.
#[track_caller]
fn window(results: &Value, fault: usize) -> (u64, f64, f64) {
    let row = &results["hub"]["faults"][fault];
    let second = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{row}"));
    (row["strikes"].as_u64().unwrap(), second("began_s"), second("ended_s"))
}

#[test]
fn a_run_goes_on_through_an_outage_of_its_hub() {
    let quick = QuickRun::new();
    let fault = r#"{ kind = "hub_down", at = "300ms", for = "500ms" }"#;
    let ended = struck(&quick, fault, &["fleet.transport=wss", "hub.workers=2"]).wait().expect(0);
    assert!(ended.stderr.contains("fault hub_down begins") && ended.stderr.contains("fault hub_down is over"));
    let results = quick.results();
    adds_up(&results);
    let (strikes, began, over) = window(&results, 0);
    assert!(strikes == 1 && began >= 0.3 && over >= 0.8, "{began} {over}");
    // Some may still be waiting to try again when the run is over.
    assert!(results["series"]["reconnect"]["count"].as_u64().unwrap() > 0, "{}", results["series"]["reconnect"]);
    assert!(census(&results, "completed") > 0, "{}", results["census"]);
}

#[test]
fn several_hubs_go_down_each_for_itself() {
    let quick = QuickRun::new();
    let fault = r#"{ kind = "hub_down", at = "300ms", for = "500ms", name = "night" }"#;
    let ended = struck(&quick, fault, &["fleet.shards=2", "fleet.transport=tls"]).wait().expect(0);
    assert!(ended.stderr.contains("fault night begins (hub 1)"), "{}", ended.stderr);
    let results = quick.results();
    adds_up(&results);
    assert_eq!((window(&results, 0).0, &results["faults"][0]["name"]), (2, &"night".into()));
}

#[test]
fn a_slow_hub_shows_in_the_series_that_it_slows_down() {
    let quick = QuickRun::new();
    let fault = r#"{ kind = "hub_slow", methods = "200ms", twin_writes = "100ms" }"#;
    struck(&quick, fault, &[]).wait().expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "completed"), 40);
    let least = |series: &str| results["series"][series]["min_us"].as_u64().unwrap();
    assert!(least("method.service") >= 200_000 && least("twin.ack.downloading") >= 100_000);
    assert!(least("twin.ack.standBy") < 100_000, "before the load");
    assert_eq!(results["hub"]["faults"][0]["ended_s"], Value::Null, "to the end");
    assert_eq!(results["faults"][0]["strikes"], 1);
}

#[test]
fn what_a_throttled_hub_does_is_told_by_fault() {
    let quick = QuickRun::new();
    let fault = r#"{ kind = "throttle", of = "methods", rate = "10/s", burst = 5 }"#;
    let ended = struck(&quick, fault, &[]).wait().expect(0);
    let results = quick.results();
    adds_up(&results);
    assert_eq!(census(&results, "completed") + census(&results, "throttled"), 40, "{}", results["census"]);
    let throttled = &results["hub"]["throttled"][0];
    assert_eq!((&throttled["operation"], &throttled["fault"]), (&"method".into(), &"throttle".into()));
    assert!(throttled["refused"].as_u64().unwrap() > 0 && throttled["busy"]["seconds"].as_u64().unwrap() > 0);
    assert!(ended.stdout.contains("method (fault throttle)"), "{}", ended.stdout);
}

#[test]
fn a_fault_of_the_hub_is_refused_where_there_is_none_of_ours() {
    for words in [&["run", "quickstart", "--hub", "azure"][..], &["fleet", "quickstart"], &["drive", "quickstart"]] {
        let fault = r#"fault=[{ kind = "hub_down", for = "1s" }]"#;
        let ended = run(&[words, &["--set", fault]].concat()).expect(2);
        assert!(ended.stderr.contains("hub_down") && ended.stderr.contains("embedded"), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn a_hub_that_dies_while_it_is_down_ends_the_run_as_any_other_death() {
    let quick = QuickRun::new();
    let running = struck(&quick, r#"{ kind = "hub_down" }"#, &["firmware.download=60s", "observe.stage_deadline=90s"]);
    running.until_it_says("fault hub_down begins");
    send(running.children()[0], Signal::SIGKILL);
    let ended = running.wait().expect(96);
    assert!(ended.stderr.contains("the embedded hub died"), "{}", ended.stderr);
    let results = quick.results();
    adds_up(&results);
    assert_eq!(results["hub"]["faults"][0]["ended_s"], Value::Null);
}

#[test]
fn a_hub_that_is_stopped_for_a_while_holds_up_what_it_serves_and_the_result_says_so() {
    let quick = QuickRun::new();
    let sets = ["fleet.shards=2", "load.response_timeout=5s", "observe.stage_deadline=30s", "firmware.apply=2s"];
    let running = struck(&quick, "", &sets);
    running.until_it_says("] running");
    let mut hub = 0;
    eventually("the run has a hub", || {
        let is_hub = |pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().ends_with(b"hub\0--control\0")
        };
        hub = running.children().into_iter().rfind(is_hub).unwrap_or_default();
        hub > 0
    });
    send(hub, Signal::SIGSTOP);
    running.until_it_says("of 2 is stopped by a signal");
    send(hub, Signal::SIGCONT);
    running.wait().expect(96);
    let results = quick.results();
    adds_up(&results);
    assert_eq!(census(&results, "completed"), 40, "{}", results["census"]);
    let reasons = results["invalid_reasons"].to_string();
    assert!(reasons.contains("was stopped by a signal for about"), "{reasons}");
}
