//! A run cut into several processes measures what one process would have measured, and survives the loss of some.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::faults::truth_of;
use crate::support::{ANY_CENSUS, LENIENT, QuickRun, Running, alive, census, command_line, eventually, send};

/// Faults of every kind that is over quickly, on a fleet that is large enough for each to strike in every shard.
const FAULTS: &str = "fault=[\
    { kind = \"reject\", status = 503, select = { percent = 10 } }, \
    { kind = \"fail\", stage = \"applying\", code = \"checksum_mismatch\", select = { percent = 10 } }, \
    { kind = \"fail\", stage = \"downloading\", code = \"no_space\", select = { ids = [0, 99, 100, 101, 299] } }]";

fn results(more: &[&str]) -> Value {
    let quick = QuickRun::new();
    let sets = [&["--set", ANY_CENSUS, "--set", FAULTS, "--set", "retry.method=none"], more].concat();
    let command = quick.command(&["run", "quickstart", "--devices", "300", "--rate", "100"], &sets);
    Running::start(command).wait().expect(0);
    quick.results()
}

#[test]
fn several_shards_measure_what_one_measures() {
    let one = results(&[]);
    // 150 descriptors beyond what a process needs for itself, of which calls take their part.
    let many = results(&["--set", "fleet.max_descriptors=392", "--set", "load.max_in_flight=100"]);
    assert_eq!((one["shards"].as_array().unwrap().len(), many["shards"].as_array().unwrap().len()), (1, 3));
    assert_eq!(many["hub"]["instances"], 3);
    for truth in ["census", "census_by", "absent"] {
        assert_eq!(one[truth], many[truth], "{truth}");
    }
    assert_eq!(truth_of(&one), truth_of(&many));
    assert_eq!(one["rate"]["offered_per_s"], many["rate"]["offered_per_s"]);
    let (one_series, many_series) = (one["series"].as_object().unwrap(), many["series"].as_object().unwrap());
    assert!(one_series.keys().eq(many_series.keys()), "{:?} {:?}", one_series.keys(), many_series.keys());
    for (name, series) in one_series {
        // A stage that a busy machine's observer saw late has no sample there, and is counted instead.
        let late = if name.starts_with("transition") || name.starts_with("twin.visible") { 2.0 } else { 0.0 };
        let seen_late = |results: &Value| results["observer"]["seen_late"].as_f64().unwrap() * late;
        let difference = series["count"].as_f64().unwrap() - many_series[name]["count"].as_f64().unwrap();
        assert!(difference.abs() <= seen_late(&one) + seen_late(&many), "{name}: {difference} more in one shard");
    }
    let rows = many["shards"].as_array().unwrap();
    let total: i64 = rows.iter().map(|row| row["ended"].as_i64().unwrap()).sum();
    assert_eq!((total, rows[1]["first_device"].as_u64(), rows[2]["hub"].as_u64()), (300, Some(100), Some(2)));
    assert!(rows.iter().all(|row| row["cpu_seconds"].as_f64().unwrap() > 0.0 && row["lost"] == false));
    // Every sample of the whole stands in one interval.
    let in_intervals: u64 =
        many["intervals"].as_array().unwrap().iter().map(|second| second["achieved"].as_u64().unwrap()).sum();
    assert_eq!(in_intervals, 300);
}

/// A run of three shards that goes on until it is disturbed: its process, shards and hubs, once updates are under way.
fn long_run(quick: &QuickRun, more: &[&str]) -> (Running, Vec<u32>, Vec<u32>) {
    let sets = ["--set", "fleet.shards=3", "--set", "firmware.download=20s", "--set", "observe.stage_deadline=30s"];
    let sets = [&sets[..], more].concat();
    let running = Running::start(quick.command(&["run", "quickstart", "--devices", "60", "--rate", "200"], &sets));
    running.until_it_says("] running");
    let of = |role: &str| {
        let mut children = running.children();
        children.retain(|child| command_line(*child).iter().any(|word| word == role));
        children
    };
    let (shards, hubs) = (of("shard"), of("hub"));
    assert_eq!((shards.len(), hubs.len()), (3, 3));
    (running, shards, hubs)
}

#[test]
fn a_shard_that_dies_is_counted_and_the_rest_goes_on() {
    let quick = QuickRun::new();
    let (running, shards, _) = long_run(&quick, &["--set", "firmware.download=2s"]);
    send(shards[1], Signal::SIGKILL);
    running.until_it_says("ended without a result");
    let ended = running.wait().expect(96);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "unaccounted")), (60, 0));
    let (completed, lost) = (census(&results, "completed"), census(&results, "lost_shard"));
    assert!(lost > 0 && completed >= 40 && completed + lost == 60, "{completed} completed, {lost} lost");
    let rows = results["shards"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["lost"] == true).count(), 1);
    assert!(results["invalid_reasons"].to_string().contains("ended without a result"), "{}", ended.stderr);
}

#[test]
fn a_hub_that_dies_takes_its_own_updates_alone() {
    let quick = QuickRun::new();
    let (running, _, hubs) = long_run(&quick, &["--set", "firmware.download=2s"]);
    send(hubs[2], Signal::SIGKILL);
    let ended = running.wait().expect(96);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "unaccounted")), (60, 0));
    let (completed, failed) = (census(&results, "completed"), census(&results, "hub_error"));
    assert!(failed > 0 && completed >= 40 && completed + failed == 60, "{completed} completed, {failed} failed");
    assert!(ended.stderr.contains("of 3 died"), "{}", ended.stderr);
}

#[test]
fn an_interrupt_stops_all_shards_and_hubs() {
    let quick = QuickRun::new();
    let (running, shards, hubs) = long_run(&quick, &[]);
    running.signal(Signal::SIGINT);
    running.wait().expect(97);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "unaccounted")), (60, 0));
    assert!(census(&results, "aborted") > 0);
    eventually("all children are gone", || !shards.iter().chain(&hubs).any(|child| alive(*child)));
}

#[test]
fn an_interrupt_before_anything_is_assigned_aborts_what_was_planned() {
    let quick = QuickRun::new();
    let sets = ["--set", "fleet.shards=20", "--set", "fleet.connect_rate=1"];
    let running = Running::start(quick.command(&["run", "quickstart", "--devices", "60", "--rate", "200"], &sets));
    eventually("the first shard is there", || {
        running.children().iter().any(|child| command_line(*child).iter().any(|word| word == "shard"))
    });
    running.signal(Signal::SIGINT);
    running.wait().expect(97);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "aborted")), (60, 60), "{}", results["invalid_reasons"]);
}

#[test]
fn no_child_outlives_a_parent_that_is_killed() {
    let quick = QuickRun::new();
    let (running, shards, hubs) = long_run(&quick, &[]);
    // Not even one that hears and does nothing.
    send(shards[0], Signal::SIGSTOP);
    send(hubs[0], Signal::SIGSTOP);
    running.signal(Signal::SIGKILL);
    eventually("all children are gone", || !shards.iter().chain(&hubs).any(|child| alive(*child)));
}

#[test]
fn a_device_is_followed_into_its_shard() {
    let quick = QuickRun::new();
    let sets = ["--set", "fleet.shards=3", "--trace", "25"];
    Running::start(quick.command(&["run", "quickstart", "--devices", "30", "--rate", "100"], &sets)).wait().expect(0);
    let trace = quick.file("trace-sim-0000025.txt");
    for step in
        ["CONNACK: accepted", "call due", "received method firmwareUpdate", "published completed", "ended: completed"]
    {
        assert!(trace.contains(step), "`{step}` is missing:\n{trace}");
    }
}

#[test]
fn shards_may_share_a_hub() {
    let quick = QuickRun::new();
    let sets = ["--set", "fleet.shards=4", "--set", "hub.instances=2", "--set", LENIENT];
    Running::start(quick.command(&["run", "quickstart", "--devices", "40", "--rate", "100"], &sets)).wait().expect(0);
    let results = quick.results();
    let hubs: Vec<_> = results["shards"].as_array().unwrap().iter().map(|row| row["hub"].as_u64().unwrap()).collect();
    assert_eq!((hubs, census(&results, "completed")), (vec![0, 0, 1, 1], 40));
}
