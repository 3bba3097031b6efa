//! `events.ndjson`: everything that happens to updates, and nothing twice.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{ANY_CENSUS, QuickRun, Running, census, command_line, eventually, send};

/// Faults that end updates in several ways, and retries.
const FAULTS: &str = "fault=[\
    { kind = \"reject\", status = 503, select = { percent = 10 } }, \
    { kind = \"fail\", stage = \"applying\", code = \"checksum_mismatch\", select = { percent = 10 } }, \
    { kind = \"stall\", stage = \"downloading\", select = { ids = [3, 30, 57] } }]";

fn events(quick: &QuickRun) -> Vec<Value> {
    quick.file("events.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How updates ended by the events, with the details.
fn ends(events: &[Value]) -> BTreeMap<(String, String), i64> {
    let mut ends = BTreeMap::new();
    for event in events.iter().filter(|event| event["event"] == "ended") {
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        *ends.entry((word("outcome"), word("detail"))).or_default() += event["count"].as_i64().unwrap_or(1);
    }
    ends
}

/// The events of a quick run add up to its result.
#[track_caller]
fn adds_up(quick: &QuickRun) -> Vec<Value> {
    let (events, results) = (events(quick), quick.results());
    assert_eq!(results["events"]["written"], events.len(), "{}", results["events"]);
    assert_eq!(results["events"]["dropped"], 0);
    let ends = ends(&events);
    let mut outcomes = BTreeMap::<&str, i64>::new();
    for ((outcome, detail), count) in &ends {
        *outcomes.entry(outcome).or_default() += count;
        let of_census = &results["census_by"][outcome][detail];
        assert!(detail.is_empty() || of_census == *count, "{outcome} {detail}: {count}, {of_census} in the census");
    }
    for (outcome, count) in results["census"].as_object().unwrap() {
        if outcome != "planned" && outcome != "unaccounted" {
            let told = outcomes.get(outcome.as_str()).copied().unwrap_or_default();
            assert_eq!(*count, told, "{outcome}: {told} by the events");
        }
    }
    assert!(!quick.out().join("events.ndjson.part").exists());
    events
}

fn count(events: &[Value], name: &str) -> u64 {
    events.iter().filter(|event| event["event"] == name).count() as u64
}

#[test]
fn events_add_up_to_the_census_on_one_shard_and_on_three() {
    let mut all = Vec::new();
    for shards in ["1", "3"] {
        let quick = QuickRun::new();
        let shards = format!("fleet.shards={shards}");
        let sets = ["--set", ANY_CENSUS, "--set", FAULTS, "--set", "observe.stage_deadline=2s", "--format", "events"];
        let sets = [&sets[..], &["--set", &shards]].concat();
        let command = quick.command(&["run", "quickstart", "--devices", "90", "--rate", "150"], &sets);
        Running::start(command).wait().expect(0);
        let events = adds_up(&quick);
        let results = quick.results();
        // Every sample of these series is an event.
        let samples = |series: &str| results["series"][series]["count"].as_u64().unwrap_or_default();
        let with = |key: &str| events.iter().filter(|event| !event[key].is_null()).count() as u64;
        assert_eq!((count(&events, "due"), with("lag_us")), (90, samples("schedule.lag")));
        assert_eq!(with("response_us"), samples("method.response") + samples("method.response.error"));
        assert_eq!(with("service_us"), samples("method.service") + samples("method.service.error"));
        assert_eq!(with("overhead_us"), samples("update.overhead"));
        assert_eq!(count(&events, "called"), results["retries"]["method"]["attempts"].as_u64().unwrap());
        assert_eq!(count(&events, "seen_late"), results["observer"]["seen_late"].as_u64().unwrap());
        let transitions: u64 = ["downloading", "applying", "completed", "failed", "rolledBack"]
            .map(|stage| samples(&format!("transition.{stage}")))
            .iter()
            .sum();
        assert_eq!(with("transition_us"), transitions);
        assert!(with("visible_us") > 0 && census(&results, "stuck") == 3, "{}", results["census"]);
        all.push((ends(&events), events));
    }
    assert_eq!(all[0].0, all[1].0, "the truth is the same on any number of shards");
    let shards = |events: &[Value]| events.iter().map(|event| event["shard"].as_u64().unwrap()).max();
    assert_eq!((shards(&all[0].1), shards(&all[1].1)), (Some(0), Some(2)));
}

#[test]
fn what_a_stop_and_a_lost_shard_leave_unfinished_stands_there_as_sums() {
    let quick = QuickRun::new();
    let sets = ["--set", "fleet.shards=3", "--set", "firmware.download=20s", "--set", "observe.stage_deadline=30s"];
    let sets = [&sets[..], &["--format", "events"]].concat();
    // At such a rate nobody is called twice, and many are never called.
    let running = Running::start(quick.command(&["run", "quickstart", "--devices", "60", "--rate", "5"], &sets));
    running.until_it_says("] running");
    let is_shard = |child: &u32| command_line(*child).iter().any(|word| word == "shard");
    let shard = running.children().into_iter().find(is_shard).unwrap();
    send(shard, Signal::SIGKILL);
    running.until_it_says("ended without a result");
    running.signal(Signal::SIGINT);
    running.wait().expect(97);
    let events = adds_up(&quick);
    let summed = events.iter().filter(|event| !event["count"].is_null());
    assert!(summed.clone().all(|event| event["device"].is_null() && event["update"].is_null()));
    assert!(summed.clone().any(|event| event["outcome"] == "lost_shard"));
    assert!(summed.clone().any(|event| event["detail"] == "not_called"));
}

#[test]
fn nobody_who_did_not_ask_gets_events() {
    let quick = QuickRun::new();
    let command = quick.command(&["run", "quickstart", "--devices", "5", "--rate", "50"], &[]);
    Running::start(command).wait().expect(0);
    assert!(!quick.out().join("events.ndjson").exists() && quick.results()["events"].is_null());
}

#[test]
fn events_that_meet_a_full_disk_cost_the_exit_code_and_not_the_run() {
    let quick = QuickRun::new();
    std::fs::create_dir(quick.out()).unwrap();
    symlink("/dev/full", quick.out().join("events.ndjson.part")).unwrap();
    // An earlier run's.
    std::fs::write(quick.out().join("events.ndjson"), "{}\n").unwrap();
    let more = ["--format", "events", "--set", "firmware.apply=2s"];
    let running = Running::start(quick.command(&["run", "quickstart", "--devices", "10", "--rate", "40"], &more));
    eventually("the warning is said", || running.said().contains("warning: there will be no events.ndjson"));
    let ended = running.wait().expect(1);
    let path = quick.out().join("events.ndjson").display().to_string();
    for says in [path.as_str(), "No space left", "make room"] {
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
    let results = quick.results();
    assert_eq!((census(&results, "completed"), &results["valid"]), (10, &true.into()));
    assert!(results["events"]["written"] == 0 && results["events"]["dropped"].as_u64().unwrap() > 10);
    let files: Vec<_> = std::fs::read_dir(quick.out()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["results.json"], "half a file is none");
    assert!(ended.stdout.contains("could not be kept"), "{}", ended.stdout);
}
