//! Every exit code, each shown by the program itself, and which one comes first where several apply.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::drills;
use crate::support::{Ended, QuickRun, Running, run};

/// A threshold that no run keeps, beside the lenient judge of lateness.
const BROKEN: &str = "threshold=[{ expr = \"update.total.min > 1h\" }, { expr = \"update.total.max < 1h\" }]";
/// Forget one outcome, so that the census does not add up.
const SWALLOW: (&str, &str) = ("TWINSTORM_TEST_SWALLOW_OUTCOMES", "1");

/// A small run with `sets` over it.
fn small(quick: &QuickRun, sets: &[&str]) -> Command {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    quick.command(&["run", "quickstart", "--devices", "10", "--rate", "50"], &sets)
}

/// A small run that goes on until it is stopped, which happens once its load has begun.
fn interrupted(quick: &QuickRun, environment: &[(&str, &str)]) -> Running {
    let mut command = small(quick, &["firmware.download=60s", "observe.stage_deadline=90s"]);
    command.envs(environment.iter().copied());
    let running = Running::start(command);
    running.until_it_says("] running");
    running.signal(Signal::SIGINT);
    running
}

/// What a run that ended with `code` left behind: its results, which say the same.
#[track_caller]
fn left(quick: &QuickRun, running: Running, code: i32, verdict: &str) -> Value {
    running.wait().expect(code);
    let results = quick.results();
    assert_eq!((results["exit_code"].as_i64(), results["verdict"].as_str()), (Some(code.into()), Some(verdict)));
    results
}

#[test]
fn done_and_everything_held_is_0() {
    let quick = QuickRun::new();
    let running = Running::start(small(&quick, &[]));
    run(&["profile", "check", "quickstart"]).expect(0);
    let results = left(&quick, running, 0, "pass");
    assert_eq!((&results["valid"], &results["thresholds"][0]["ok"]), (&true.into(), &true.into()));
}

#[test]
fn what_cannot_be_meant_is_2_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let (profile, out) = (folder.path().join("mine.toml"), folder.path().join("out"));
    fs::write(&profile, "[load]\nrate = \"much\"\n").unwrap();
    for words in [
        &["run", "--nonsense"][..],
        &["run", "quickstart", "another"],
        &["nonsense"],
        &[],
        &["run", profile.to_str().unwrap()],
        &["run", "--set", "threshold=[{ expr = \"update.total.p99 < much\" }]"],
        &["run", "--threshold", "update.total.p99 60s"],
    ] {
        let in_folder = if words.len() > 1 { vec!["--out", out.to_str().unwrap()] } else { Vec::new() };
        let ended = run(&[words, &in_folder].concat()).expect(2);
        assert!(!ended.stderr.is_empty() && ended.stdout.is_empty(), "{words:?}: {}", ended.stdout);
    }
    assert!(!out.exists(), "nothing was started");
}

#[test]
fn what_went_wrong_otherwise_is_1() {
    let quick = QuickRun::new();
    // Longer than it takes to hear that it runs.
    let running = Running::start(small(&quick, &["firmware.download=2s"]));
    running.until_it_says("] running");
    fs::remove_dir_all(quick.out()).unwrap();
    let without_a_hub = without_its_file(&["run", "quickstart", "--out", quick.folder.path().to_str().unwrap()]);
    assert!(without_a_hub.stderr.contains("cannot start the hub"), "{}", without_a_hub.stderr);
    let ended = running.wait().expect(1);
    let file = quick.out().join("results.json").display().to_string();
    assert!(ended.stderr.contains(&file) && ended.stderr.contains("--out"), "{}", ended.stderr);
    // What was measured is not lost with the folder.
    assert!(ended.stdout.contains("update.total"), "{}", ended.stdout);
}

/// The end of a program whose own file is gone, so that it cannot be started again as a hub.
#[track_caller]
fn without_its_file(words: &[&str]) -> Ended {
    // Another name for the file, below the same folder as that of the program, as it cannot lead to another disk.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let name = folder.path().join("twinstorm");
    fs::hard_link(Path::new(env!("CARGO_BIN_EXE_twinstorm")), &name).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec 3<"$0" && rm "$0" && exec /proc/self/fd/3 "$@""#]).arg(name).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::start(command).wait().expect(1)
}

#[test]
fn a_result_that_does_not_count_is_96_also_if_a_threshold_is_broken() {
    for sets in [&[][..], &[BROKEN]] {
        let quick = QuickRun::new();
        let mut command = small(&quick, sets);
        let (name, count) = SWALLOW;
        command.env(name, count);
        let results = left(&quick, Running::start(command), 96, "invalid");
        assert_eq!((&results["valid"], &results["census"]["unaccounted"]), (&false.into(), &1.into()));
        assert_eq!(results["thresholds"][0]["ok"], sets.is_empty() && results["census"]["completed"] == 10);
    }
}

#[test]
fn a_run_that_was_stopped_is_97_whatever_else_it_is() {
    let quick = [QuickRun::new(), QuickRun::new()];
    let running = [interrupted(&quick[0], &[]), interrupted(&quick[1], &[SWALLOW])];
    for ((quick, running), valid) in quick.iter().zip(running).zip([true, false]) {
        let results = left(quick, running, 97, "aborted");
        // Updates were aborted, so that the threshold that wants all of them completed is broken as well.
        assert_eq!(results["thresholds"][0]["ok"], false, "{}", results["thresholds"]);
        assert_eq!(results["valid"], valid, "{}", results["invalid_reasons"]);
    }
}

#[test]
fn a_broken_threshold_is_99_and_so_is_a_drill_that_fails_or_does_not_recover() {
    let stall =
        r#"fault=[{ kind = "stall", stage = "apply", select = { percent = 50 }, at = "500ms", for = "500ms" }]"#;
    let not_recovered = [stall, "fleet.devices=40", "load.updates=80", "observe.stage_deadline=400ms"];
    let quick = [QuickRun::new(), QuickRun::new(), QuickRun::new()];
    let running = [
        Running::start(small(&quick[0], &[BROKEN])),
        drills::drill(&quick[1], &[r#"drill.assert=["census.completed.pct >= 100"]"#]),
        drills::drill(&quick[2], &not_recovered),
    ];
    for ((quick, running), verdict) in quick.iter().zip(running).zip(["fail", "fail", "not_recovered"]) {
        let results = left(quick, running, 99, verdict);
        assert_eq!(results["valid"], true, "{}", results["invalid_reasons"]);
    }
}

#[test]
fn the_help_names_every_code_in_the_order_in_which_they_apply() {
    let help = run(&["--help"]).expect(0).stdout;
    let lines = help.split("Exit codes").nth(1).unwrap().lines().skip(1).take_while(|line| !line.is_empty());
    let codes: Vec<u8> = lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    // 98 is shown by the comparisons in compare.rs, all others here.
    assert_eq!(codes, [2, 1, 97, 96, 99, 98, 0], "{help}");
}
