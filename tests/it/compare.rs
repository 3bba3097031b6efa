//! Comparisons: results made by hand, and series of runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use twinstorm::measure::{RunResult, Verdict};
use twinstorm::policy::Series;
use twinstorm::profile;
use twinstorm::report::{Reporter as _, ResultsJson};

use crate::support::{Ended, QuickRun, Running, run, twinstorm};

/// A valid run of quickstart whose calls were answered after `ms`, and whose hub and network added twice that.
fn result(ms: f64) -> RunResult {
    let plan = serde_json::to_value(profile::load("quickstart", &[]).unwrap()).unwrap();
    let mut result = RunResult { plan, valid: true, verdict: Verdict::Pass, ..RunResult::default() };
    (result.name, result.version) = ("quickstart".to_owned(), "0.1.0".to_owned());
    for (series, factor) in [(Series::MethodResponse, 1.0), (Series::UpdateOverhead, 2.0)] {
        let data = result.series.entry(series).or_default();
        (0..1000).for_each(|_| data.record(Duration::from_secs_f64(ms * factor / 1000.0)));
    }
    result
}

fn write(path: &Path, result: &RunResult) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, ResultsJson.render(result).unwrap()).unwrap();
}

/// A folder of results, a side for each name.
struct Bench {
    folder: TempDir,
}

impl Bench {
    const BASE: [f64; 5] = [50.0, 50.5, 51.0, 51.5, 52.0];

    /// `base`, which `same` hardly differs from and `slower` does.
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        bench.side("base", &Self::BASE);
        bench.side("same", &Self::BASE.map(|ms| ms + 0.2));
        bench.side("slower", &Self::BASE.map(|ms| ms * 1.2));
        bench
    }

    fn side(&self, name: &str, values: &[f64]) {
        for (at, ms) in values.iter().enumerate() {
            write(&self.run(name, at + 1), &result(*ms));
        }
    }

    fn run(&self, side: &str, number: usize) -> PathBuf {
        self.folder.path().join(side).join(format!("run-{number:02}/results.json"))
    }

    /// Compares two sides of this folder.
    fn compare(&self, base: &str, new: &str, more: &[&str]) -> Ended {
        let mut command = twinstorm(&["compare", base, new]);
        command.args(more).current_dir(self.folder.path());
        Running::start(command).wait()
    }
}

#[test]
fn a_regression_has_an_exit_code_of_its_own_and_no_other_verdict_has_it() {
    let bench = Bench::new();
    let regressed = bench.compare("base", "slower", &[]).expect(98);
    assert!(regressed.stdout.starts_with("REGRESSED (exit code 98)\n"), "{}", regressed.stdout);
    assert!(regressed.stdout.contains("0.024  regressed\n"), "{}", regressed.stdout);
    assert!(bench.compare("slower", "base", &[]).expect(0).stdout.starts_with("IMPROVED (exit code 0)\n"));
    assert!(bench.compare("base", "same", &[]).expect(0).stdout.starts_with("EQUIVALENT (exit code 0)\n"));
    // Runs one by one, with commas between, and by flags.
    let list =
        |side: &str| (1..=5).map(|number| bench.run(side, number).display().to_string()).collect::<Vec<_>>().join(",");
    bench.compare(&list("base"), &list("slower"), &[]).expect(98);
    let mut flags = vec!["compare".to_owned()];
    for (flag, side) in [("--base", "base"), ("--new", "slower")] {
        (1..=5).for_each(|number| flags.extend([flag.to_owned(), bench.run(side, number).display().to_string()]));
    }
    run(&flags.iter().map(String::as_str).collect::<Vec<_>>()).expect(98);
}

#[test]
fn what_proves_nothing_does_not_pass_unless_that_was_asked_for() {
    let bench = Bench::new();
    bench.side("one", &[50.0]);
    bench.side("other", &[70.0]);
    let ended = bench.compare("one", "other", &[]).expect(96);
    assert!(ended.stdout.starts_with("INCONCLUSIVE (exit code 96)\n"), "{}", ended.stdout);
    let words = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("1 v 1 runs cannot prove a change: p is 1.000 x 3 metrics = 1.000 at best"), "{words}");
    assert!(words.contains("5 v 5 can (run --repeat 5)"), "{words}");
    let ended = bench.compare("one", "other", &["--inconclusive", "pass"]).expect(0);
    assert!(ended.stdout.starts_with("INCONCLUSIVE (exit code 0)\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("inconclusive proves nothing"), "{}", ended.stdout);
    let ended = bench.compare("one", "other", &["--margin-only"]).expect(98);
    assert!(ended.stdout.contains("no statistics stand behind"), "{}", ended.stdout);
    bench.compare("one", "other", &["--margin-only", "--margin", "50%"]).expect(0);
    // A metric that nobody measured is missing evidence, however equal all else is.
    let metrics = ["--metric", "method.response.p50", "--metric", "rate.achieved"];
    let ended = bench.compare("base", "same", &metrics).expect(96);
    let words = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("rate.achieved: no evidence in 10 runs"), "{words}");
}

#[test]
fn results_that_do_not_count_are_refused() {
    let bench = Bench::new();
    let mut invalid = result(60.0);
    (invalid.valid, invalid.verdict) = (false, Verdict::Invalid);
    invalid.invalid_reasons = vec!["the embedded hub died".to_owned()];
    write(&bench.run("slower", 3), &invalid);
    let ended = bench.compare("base", "slower", &[]).expect(96);
    assert!(
        ended.stderr.contains("slower/run-03/results.json is not valid: the embedded hub died"),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);
    let forced = bench.compare("base", "slower", &["--force"]).expect(98);
    assert!(forced.stdout.contains("\nFORCED   slower/run-03/results.json is not valid"), "{}", forced.stdout);
}

#[test]
fn only_the_hub_may_differ_and_no_run_counts_twice() {
    let bench = Bench::new();
    for number in 1..=5 {
        let mut slower = result(60.0 + number as f64 / 2.0);
        slower.plan["hub"]["slow"]["method_request"] = "10ms".into();
        write(&bench.run("slower", number), &slower);
    }
    let ended = bench.compare("base", "slower", &[]).expect(98);
    assert!(ended.stdout.contains("\nhub      hub.slow.method_request: 0s and 10ms\n"), "{}", ended.stdout);
    let mut other = result(60.0);
    other.plan["load"] = 9.into();
    other.plan["seed"] = 8.into();
    write(&bench.run("slower", 2), &other);
    let ended = bench.compare("base", "slower", &[]).expect(2);
    assert!(ended.stderr.contains("seed: 7 and 8"), "{}", ended.stderr);
    let ended = bench.compare("base", "base", &[]).expect(2);
    assert!(ended.stderr.contains("are the same run"), "{}", ended.stderr);
    for (words, says) in [
        (&["base", "nowhere"][..], "cannot read nowhere"),
        (&["base", "same", "--metric", "update.totl.p50"], "--metric update.totl.p50: unknown series `update.totl`"),
        (&["base", "same", "--metric", "connect.count"], "gets neither better nor worse"),
        (&["base", "same", "--margin", "10"], "--margin 10: must be a share like"),
        (&["base", "same", "--format", "json", "--format", "markdown"], "need a folder to be written to"),
        (&["base"], "required arguments were not provided"),
    ] {
        let mut command = twinstorm(&["compare"]);
        command.args(words).current_dir(bench.folder.path());
        let ended = Running::start(command).wait().expect(2);
        assert!(ended.stderr.contains(says), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn files_are_written_where_they_are_asked_for() {
    let bench = Bench::new();
    let out = bench.folder.path().join("out");
    let ended = bench.compare("base", "slower", &["--out", "out"]).expect(98);
    assert!(ended.stdout.starts_with("REGRESSED"), "{}", ended.stdout);
    let json: Value = serde_json::from_slice(&fs::read(out.join("comparison.json")).unwrap()).unwrap();
    assert_eq!((&json["schema"], &json["exit_code"]), (&"twinstorm.comparison/1".into(), &98.into()));
    assert_eq!(json["new"][4]["path"], "slower/run-05/results.json");
    assert!(fs::read_to_string(out.join("comparison.md")).unwrap().contains("| `update.overhead.p50` |"));
    let page = fs::read_to_string(out.join("comparison.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains(">REGRESSED<"), "{page}");
    let printed = bench.compare("base", "slower", &["--format", "json"]).expect(98);
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(printed, json);
    let ended = bench.compare("base", "slower", &["--out", "some", "--format", "markdown"]).expect(98);
    assert!(ended.stdout.starts_with("REGRESSED"), "{}", ended.stdout);
    let some: Vec<_> = fs::read_dir(bench.folder.path().join("some")).unwrap().flatten().collect();
    assert_eq!(some.iter().map(|entry| entry.file_name()).collect::<Vec<_>>(), ["comparison.md"]);
}

#[test]
fn the_ci_service_is_told_what_did_not_pass() {
    let bench = Bench::new();
    let github = |new: &str, more: &[&str]| {
        let mut command = twinstorm(&["compare", "base", new]);
        command.args(more).current_dir(bench.folder.path());
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", bench.folder.path().join("summary.md"));
        Running::start(command).wait()
    };
    let ended = github("slower", &[]).expect(98);
    assert_eq!(ended.stdout.matches("\n::error").count(), 3, "{}", ended.stdout);
    assert!(ended.stdout.contains("update.overhead.p50"), "{}", ended.stdout);
    assert!(!github("same", &[]).expect(0).stdout.contains("::error"));
    let summary = fs::read_to_string(bench.folder.path().join("summary.md")).unwrap();
    assert!(summary.contains("regressed: 5 runs") && summary.contains("equivalent: 5 runs"), "{summary}");
    // What a program reads stays what it is.
    let json = github("slower", &["--format", "json"]).expect(98).stdout;
    assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json}");
}

#[test]
fn a_series_leaves_a_folder_for_each_run_which_compare_takes() {
    let quick = QuickRun::new();
    let command = quick.command(&["run", "quickstart", "--devices", "30", "--rate", "100", "--repeat", "2"], &[]);
    let ended = Running::start(command).wait().expect(0);
    for says in ["2 of 2 runs of quickstart: 2 pass (exit code 0)", "update.total.p50"] {
        assert!(ended.stdout.contains(says), "{says}: {}", ended.stdout);
    }
    assert!(ended.stderr.contains("| run 2 of 2 | "), "{}", ended.stderr);
    let results: Vec<Value> = ["run-01/results.json", "run-02/results.json"]
        .map(|file| serde_json::from_str(&quick.file(file)).unwrap())
        .into();
    assert_eq!(results[0]["plan"], results[1]["plan"]);
    assert_ne!(results[0]["started_at"], results[1]["started_at"]);
    let again = results[1]["command"].as_str().unwrap();
    assert!(again.starts_with("twinstorm run quickstart --devices 30") && !again.contains("--part"), "{again}");
    // What would be taken for a part of another series is in the way.
    let shorter = quick.command(&["run", "quickstart", "--devices", "30", "--repeat", "1"], &[]);
    let ended = Running::start(shorter).wait().expect(2);
    assert!(ended.stderr.contains("holds run-02, which would be taken for a part of this series"), "{}", ended.stderr);
    assert!(quick.out().join("run-01/results.json").exists());
    let side = |number| quick.out().join(format!("run-0{number}")).display().to_string();
    let ended = run(&["compare", &side(1), &side(2), "--margin-only", "--margin", "1000%"]);
    // 30 updates are too few for a p99, and that is told rather than left out.
    let words = ended.expect(96).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("it has 30 samples, and p99 takes 1000"), "{words}");
}

#[test]
fn a_series_that_is_stopped_ends_with_the_run_that_was_under_way() {
    let quick = QuickRun::new();
    let words = ["run", "quickstart", "--devices", "200", "--rate", "20", "--repeat", "3"];
    let running = Running::start(quick.command(&words, &[]));
    running.until_it_says("] running | run 1 of 3");
    // To the series alone, as `kill` sends it; a terminal's Ctrl-C reaches the run as well.
    running.signal(Signal::SIGINT);
    let ended = running.wait().expect(97);
    assert!(ended.stdout.contains("1 of 3 runs of quickstart: 1 aborted (exit code 97)"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("run 2 of 3"), "{}", ended.stderr);
    let results: Value = serde_json::from_str(&quick.file("run-01/results.json")).unwrap();
    assert_eq!((&results["verdict"], &results["exit_code"]), (&"aborted".into(), &97.into()));
}

#[test]
fn the_gravest_end_of_a_series_is_its_own() {
    let quick = QuickRun::new();
    let sets = ["--set", "threshold=[{ expr = \"update.total.min > 1h\" }, { expr = \"update.total.max < 1h\" }]"];
    let words = ["run", "quickstart", "--devices", "20", "--rate", "100", "--repeat", "2"];
    let ended = Running::start(quick.command(&words, &sets)).wait().expect(99);
    assert!(ended.stdout.contains("2 of 2 runs of quickstart: 2 fail (exit code 99)"), "{}", ended.stdout);
}
