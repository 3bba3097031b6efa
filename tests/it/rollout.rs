//! The fleet is called in waves, and no further once too many updates have failed.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{ANY_CENSUS, LENIENT, QuickRun, Running, census};

/// The waves of a result as the value of one key for each.
fn of_waves(results: &Value, key: &str) -> Vec<f64> {
    let waves = results["rollout"]["waves"].as_array().unwrap();
    waves.iter().map(|wave| wave[key].as_f64().unwrap_or(f64::NAN)).collect()
}

fn three_waves(more: &[&str]) -> Value {
    let quick = QuickRun::new();
    let sets = [
        &["--set", "rollout.waves=[6, 30, \"100%\"]", "--set", "rollout.pause=1s", "--set", "rollout.growth=2"],
        &["--set", LENIENT][..],
        more,
    ];
    let command = quick.command(&["run", "quickstart", "--devices", "90", "--rate", "30"], &sets.concat());
    let ended = Running::start(command).wait().expect(0);
    assert!(ended.stderr.contains("| wave 1 of 3 |") && ended.stderr.contains(", pausing |"), "{}", ended.stderr);
    assert!(ended.stdout.contains("\nRoll-out\n") && ended.stdout.contains("exposed: 90 devices"), "{}", ended.stdout);
    quick.results()
}

#[test]
fn one_shard_and_several_call_the_same_waves_one_after_another() {
    let (one, many) = (three_waves(&[]), three_waves(&["--set", "fleet.shards=3"]));
    for results in [&one, &many] {
        assert_eq!((census(results, "planned"), census(results, "completed")), (90, 90));
        for key in ["updates", "called", "ended", "completed"] {
            assert_eq!(of_waves(results, key), [6.0, 24.0, 60.0], "{key}");
        }
        assert_eq!(of_waves(results, "failed"), [0.0; 3]);
        let released = of_waves(results, "released_s");
        // An update takes 300 ms at least, and a pause is a second.
        assert!(released.windows(2).all(|pair| pair[1] - pair[0] > 1.3), "{released:?}");
        assert_eq!((&results["rollout"]["exposed"], &results["rollout"]["exposed_pct"]), (&90.into(), &100.0.into()));
        assert!(results["rollout"]["aborted"].is_null());
        // What the schedule holds within the waves is the load; the pauses are none of it.
        let rate = |key: &str| results["rate"][key].as_f64().unwrap();
        assert!((40.0..150.0).contains(&rate("offered_per_s")), "{}", results["rate"]);
        assert!((0.8..1.2).contains(&(rate("achieved_per_s") / rate("offered_per_s"))), "{}", results["rate"]);
    }
    assert_eq!(one["rate"]["offered_per_s"], many["rate"]["offered_per_s"]);
    assert_eq!(many["shards"].as_array().unwrap().len(), 3);
}

#[test]
fn a_closed_load_and_jobs_go_in_waves_too() {
    let load = [&["load.kind=closed", "load.in_flight=5"][..], &["load.via=job", "load.job_devices=4"]];
    for sets in load {
        let quick = QuickRun::new();
        let sets: Vec<&str> =
            sets.iter().chain(&["rollout.waves=[3, 12]", ANY_CENSUS]).flat_map(|set| ["--set", set]).collect();
        Running::start(quick.command(&["run", "quickstart", "--devices", "20"], &sets)).wait().expect(0);
        let results = quick.results();
        assert_eq!((census(&results, "planned"), census(&results, "completed")), (12, 12), "{sets:?}");
        assert_eq!(of_waves(&results, "ended"), [3.0, 9.0]);
        assert_eq!(results["rollout"]["exposed_pct"], 60.0);
    }
}

#[test]
fn a_bad_wave_stops_the_roll_out_and_exposes_no_further_one() {
    for shards in ["fleet.shards=1", "fleet.shards=3"] {
        let quick = QuickRun::new();
        // The second wave fails while it is being called: at 20 calls a second it takes four seconds and a half.
        let fault = "fault=[{ kind = \"fail\", stage = \"applying\", code = \"boot_failed\", select = { wave = 2 } }]";
        let sets = [
            "rollout.waves=[\"10%\", \"60%\", \"100%\"]",
            "rollout.abort={ failed = \"20%\", min_executed = 15 }",
            fault,
            ANY_CENSUS,
            shards,
        ];
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let command = quick.command(&["run", "quickstart", "--devices", "180", "--rate", "20"], &sets);
        let ended = Running::start(command).wait().expect(97);
        let results = quick.results();
        assert_eq!((&results["verdict"], census(&results, "unaccounted")), (&"aborted".into(), 0));
        let rollout = &results["rollout"];
        let (exposed, overshoot) = (rollout["exposed"].as_u64().unwrap(), rollout["aborted"]["overshoot"].as_u64());
        // Two waves at most, of the second of which some were not called; the third never was.
        assert!((20..108).contains(&exposed) && overshoot.is_some_and(|calls| calls < 60), "{rollout}");
        assert_eq!((of_waves(&results, "completed")[0], of_waves(&results, "called")[2]), (18.0, 0.0), "{rollout}");
        assert!(rollout["waves"][2]["released_s"].is_null());
        assert_eq!(rollout["aborted"]["wave"], 2, "{rollout}");
        assert!(rollout["aborted"]["reason"].as_str().unwrap().contains("updates failed"), "{rollout}");
        let failed = census(&results, "failed");
        assert_eq!(failed as f64, of_waves(&results, "failed")[1]);
        assert_eq!(census(&results, "aborted"), 180 - 18 - failed);
        let uncalled = results["census_by"]["aborted"]["not_called"].as_u64();
        assert_eq!(uncalled, Some(180 - exposed), "{}", results["census_by"]);
        assert!(ended.stderr.contains("the roll-out is aborted in wave 2: "), "{}", ended.stderr);
        assert!(ended.stdout.contains("aborted after"), "{}", ended.stdout);
    }
}

#[test]
fn an_interrupt_in_a_pause_ends_the_run_at_once() {
    let quick = QuickRun::new();
    let sets = ["--set", "rollout.waves=[5, 20]", "--set", "rollout.pause=1h"];
    let running = Running::start(quick.command(&["run", "quickstart", "--devices", "20", "--rate", "50"], &sets));
    running.until_it_says("wave 1 of 2, pausing");
    running.signal(Signal::SIGINT);
    running.wait().expect(97);
    let results = quick.results();
    assert_eq!(
        (census(&results, "completed"), census(&results, "aborted"), census(&results, "unaccounted")),
        (5, 15, 0)
    );
    assert_eq!((&results["rollout"]["exposed"], &results["rollout"]["aborted"]), (&5.into(), &Value::Null));
    assert!(results["duration_s"].as_f64().unwrap() < 60.0);
}
