//! Thresholds while a run goes on: what ends it, what does not yet, and what is told of it.

use serde_json::Value;

use crate::support::{QuickRun, Running, census, run};

/// Every tenth device reports `failed`, so that a threshold breaks in the middle of the load.
const FAILURES: &str =
    "fault=[{ kind = \"fail\", stage = \"applying\", code = \"boot_failed\", select = { percent = 10 } }]";

/// Ten seconds of calls to a fleet of 200, judged by `threshold` and by a lenient judge of lateness.
fn ten_seconds(quick: &QuickRun, threshold: &str, more: &[&str]) -> Running {
    let thresholds = format!("threshold=[{threshold}, {{ expr = \"update.total.max < 1h\" }}]");
    let sets: Vec<&str> = [&[thresholds.as_str()], more].concat().into_iter().flat_map(|set| ["--set", set]).collect();
    Running::start(quick.command(&["run", "quickstart", "--devices", "200", "--rate", "20"], &sets))
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no time"))
}

/// When the run was ended by a threshold, from the start of the load.
#[track_caller]
fn ended_after(results: &Value) -> f64 {
    seconds(&results["abort"]["at_s"]) - seconds(&results["load"]["from_s"])
}

#[test]
fn a_threshold_that_breaks_ends_the_run_and_everything_is_accounted_for() {
    for shards in ["fleet.shards=1", "fleet.shards=3"] {
        let quick = QuickRun::new();
        let threshold = "{ expr = \"census.failed == 0\", abort = true }";
        let ended = ten_seconds(&quick, threshold, &[FAILURES, shards]).wait().expect(97);
        let results = quick.results();
        assert_eq!((&results["verdict"], census(&results, "unaccounted")), (&"aborted".into(), 0));
        let abort = &results["abort"];
        assert_eq!(abort["expr"], "census.failed == 0");
        let (then, failed) = (abort["observed"].as_f64().unwrap(), census(&results, "failed"));
        // What was under way when it was decided may still have failed.
        assert!(then >= 1.0 && failed as f64 >= then, "{abort}: {failed}");
        assert!(census(&results, "aborted") > 0 && census(&results, "planned") == 200, "{}", results["census"]);
        assert_eq!(results["plan"]["thresholds"][0]["abort"], true);
        assert_eq!(results["thresholds"][0]["ok"], false);
        let says = "warning: threshold `census.failed == 0` is broken: observed ";
        assert_eq!(ended.stderr.matches(says).count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("the run is aborted: threshold `census.failed == 0` is broken"));
        assert!(ended.stdout.contains(" s by `census.failed == 0`: observed "), "{}", ended.stdout);
    }
}

#[test]
fn grace_holds_an_abort_back() {
    let quick = QuickRun::new();
    let threshold = "{ expr = \"census.failed == 0\", abort = true, grace = \"5s\" }";
    ten_seconds(&quick, threshold, &[FAILURES, "fault.0.select=all"]).wait().expect(97);
    let results = quick.results();
    assert!(ended_after(&results) >= 5.0, "{}", results["abort"]);
    assert!(census(&results, "aborted") > 0);

    let quick = QuickRun::new();
    let threshold = "{ expr = \"census.failed == 0\", abort = true, grace = \"1h\" }";
    let ended = ten_seconds(&quick, threshold, &[FAILURES, "fleet.devices=40"]).wait().expect(99);
    let results = quick.results();
    assert_eq!((&results["abort"], census(&results, "aborted")), (&Value::Null, 0));
    assert!(ended.stderr.contains(" | broken: census.failed\n"), "{}", ended.stderr);
}

#[test]
fn what_merely_has_not_happened_yet_ends_nothing_and_what_cannot_any_more_does() {
    // Until the last update has completed, they are not all.
    let threshold = "{ expr = \"census.completed.pct >= 100\", abort = true }";
    let quick = QuickRun::new();
    let ended = ten_seconds(&quick, threshold, &["fleet.devices=40"]).wait().expect(0);
    assert!(!ended.stderr.contains("broken"), "{}", ended.stderr);
    assert_eq!(census(&quick.results(), "completed"), 40);

    let quick = QuickRun::new();
    let reject = "fault=[{ kind = \"reject\", status = 503, select = { count = 10 } }]";
    ten_seconds(&quick, threshold, &[reject]).wait().expect(97);
    let results = quick.results();
    assert_eq!(results["abort"]["expr"], "census.completed.pct >= 100");
    assert!(census(&results, "aborted") > 0 && census(&results, "unaccounted") == 0, "{}", results["census"]);
}

#[test]
fn too_few_samples_end_nothing() {
    // The longest stands in for the 99th percentile of 40 in the end, and ends nothing before.
    let quick = QuickRun::new();
    let threshold = "{ expr = \"update.total.p99 < 1ms\", abort = true }";
    let ended = ten_seconds(&quick, threshold, &["fleet.devices=40"]).wait();
    // 97 would be an end. On a busy machine it is 96: against one millisecond no lateness is little.
    assert!(matches!(ended.code, Some(99 | 96)), "{}\n{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains("broken"), "{}", ended.stderr);
    let results = quick.results();
    assert_eq!((&results["thresholds"][0]["judged_by"], &results["abort"]), (&"max".into(), &Value::Null));

    // Of a median, 20 are enough.
    let quick = QuickRun::new();
    let threshold = "{ expr = \"update.total.p50 < 1ms\", abort = true }";
    ten_seconds(&quick, threshold, &[]).wait().expect(97);
    let results = quick.results();
    assert!(census(&results, "completed") >= 20 && census(&results, "aborted") > 0, "{}", results["census"]);
}

#[test]
fn thresholds_of_the_command_line_are_judged_planned_and_repeated() {
    let quick = QuickRun::new();
    let more = ["--threshold", "census.completed < 5", "--threshold", "update.total.count >= 1"];
    let ended = Running::start(quick.command(&["run", "quickstart", "--devices", "20", "--rate", "50"], &more)).wait();
    let ended = ended.expect(99);
    let results = quick.results();
    let planned: Vec<&str> =
        results["plan"]["thresholds"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(planned[2..], ["census.completed < 5", "update.total.count >= 1"]);
    assert_eq!((&results["thresholds"][2]["ok"], &results["thresholds"][3]["ok"]), (&false.into(), &true.into()));
    let command = results["command"].as_str().unwrap();
    assert!(command.contains("--threshold 'census.completed < 5' --threshold "), "{command}");
    assert!(ended.stdout.contains("broken  census.completed < 5 "), "{}", ended.stdout);
}

#[test]
fn a_wrong_threshold_starts_nothing_and_names_its_flag() {
    for command in ["run", "drive"] {
        for (expr, says) in [
            ("update.total.p99 < 60", "wants a duration"),
            ("update.totl.p99 < 60s", "unknown series `update.totl`"),
            ("rollout.waves == 1", "cannot be judged without a [rollout]"),
        ] {
            let quick = QuickRun::new();
            let out = quick.out();
            let words = [command, "quickstart", "--threshold", expr, "--out", out.to_str().unwrap()];
            let ended = run(&words).expect(2);
            assert!(ended.stderr.starts_with(&format!("error: --threshold \"{expr}\": ")), "{}", ended.stderr);
            assert!(ended.stderr.contains(says) && !out.exists(), "{}", ended.stderr);
        }
    }
    // Whoever only brings devices online has nothing to judge.
    assert!(run(&["fleet", "quickstart", "--threshold", "rate.achieved > 1"]).expect(2).stderr.contains("--threshold"));
}

#[test]
fn a_drill_that_a_threshold_ends_heals_its_fleet() {
    let quick = QuickRun::new();
    let threshold = "{ expr = \"census.not_online == 0\", abort = true }";
    let sets = [
        "fault=[{ kind = \"offline\", select = { percent = 30 }, at = \"2s\", for = \"4s\" }]",
        "drill={ claim = \"it is whole again\", steady = [\"census.completed.pct >= 99\"], recovery = \"1s\" }",
        "retry.method=none",
    ];
    ten_seconds(&quick, threshold, &sets).wait().expect(97);
    let results = quick.results();
    assert_eq!((&results["verdict"], census(&results, "unaccounted")), (&"aborted".into(), 0));
    assert_eq!(results["abort"]["expr"], "census.not_online == 0");
    assert!((2.0..7.0).contains(&ended_after(&results)), "{}", results["abort"]);
    assert!(census(&results, "aborted") > 0, "{}", results["census"]);
    let heal = &results["drill"]["heal"];
    assert_eq!((&heal["whole"], &heal["missing"]), (&true.into(), &0.into()), "{heal}");
}

#[test]
fn the_exit_codes_stand_where_users_look() {
    for words in [&["--help"][..], &["run", "--help"], &["drive", "--help"]] {
        let help = run(words).expect(0).stdout;
        let codes = help.split("Exit codes, ").nth(1).unwrap_or_else(|| panic!("{words:?}: {help}"));
        let order = [" 2 ", " 1 ", " 97 ", " 96 ", " 99 ", " 98 ", " 0 "].map(|code| codes.find(code).unwrap());
        assert!(order.is_sorted(), "{codes}");
    }
}
