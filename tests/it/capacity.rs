//! `twinstorm capacity`: a search as its user meets it. That it finds the right figure is for tests/accuracy, where nothing runs
//! beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{ANY_CENSUS, HubProcess, QuickRun, Running, twinstorm};

/// A search that takes a few seconds: short steps, on a hub that allows 25 calls a second.
fn search(quick: &QuickRun, words: &[&str], more: &[&str]) -> Command {
    let mut command = quick.command(&[&["capacity"], words].concat(), &[]);
    for set in [
        "hub.throttle.methods={ rate = \"25/s\", burst = 25 }",
        "capacity.settle={ over = \"1s\", factor = 2 }",
        "capacity.measure=2s",
        "capacity.precision=20%",
        "threshold=[{ expr = \"census.throttled.pct < 5\" }, { expr = \"update.total.max < 1h\" }]",
    ] {
        command.args(["--set", set]);
    }
    // Nothing is read of what the user of this machine has calibrated.
    command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
    command.args(more);
    command
}

fn capacity(quick: &QuickRun) -> Value {
    quick.results()["capacity"].clone()
}

/// Of each step its load, whether it was kept, and whether its result lies where it is said to.
fn steps(quick: &QuickRun) -> Vec<(f64, bool)> {
    let capacity = capacity(quick);
    let steps = capacity["steps"].as_array().unwrap();
    for (number, step) in (1..).zip(steps) {
        assert_eq!(step["number"], number);
        let file = quick.out().join(format!("steps/{number:02}/results.json"));
        let result: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(result["plan"]["driver"]["load"]["rate"], step["load"]);
        let command = result["command"].as_str().unwrap();
        assert!(command.contains("twinstorm run capacity") && command.contains("--set 'load.rate="), "{command}");
    }
    steps.iter().map(|step| (step["load"].as_f64().unwrap(), step["kept"].as_bool().unwrap())).collect()
}

#[test]
fn a_search_that_was_stopped_is_gone_on_with_and_comes_to_its_end() {
    let quick = QuickRun::new();
    let running = Running::start(search(&quick, &[], &[]));
    running.until_it_says("step 03");
    running.signal(Signal::SIGINT);
    let ended = running.wait().expect(97);
    assert!(ended.stdout.contains("--resume"), "{}", ended.stdout);
    let before = steps(&quick);
    assert_eq!(before, [(10.0, true), (20.0, true)]);
    assert_eq!((&capacity(&quick)["finished"], &capacity(&quick)["of_step"]), (&false.into(), &2.into()));
    let began = capacity(&quick)["started_at"].clone();
    // What is there is not thrown away unasked.
    let refused = Running::start(search(&quick, &[], &[])).wait().expect(2);
    assert!(refused.stderr.contains("holds a search that is not finished (2 steps)"), "{}", refused.stderr);
    let other = Running::start(search(&quick, &["--resume"], &["--set", "fleet.keep_alive=30s"])).wait().expect(2);
    assert!(other.stderr.contains("`fleet.keep_alive` was"), "{}", other.stderr);
    let ended = Running::start(search(&quick, &["--resume"], &[])).wait().expect(0);
    assert!(ended.stderr.contains("2 steps were made before, 2 of which count"), "{}", ended.stderr);
    let after = steps(&quick);
    assert!(after.starts_with(&before) && after.len() > before.len() + 2, "{after:?}");
    let found = capacity(&quick);
    assert_eq!(
        (&found["finished"], &found["cause"], &found["unit"]),
        (&true.into(), &"throttled".into(), &"calls/s".into())
    );
    assert_eq!(found["started_at"], began, "of the whole search");
    let of = &found["steps"][found["of_step"].as_u64().unwrap() as usize - 1];
    assert_eq!((&of["load"], &of["kept"]), (&found["low"], &true.into()));
    let (low, high) = (found["low"].as_f64().unwrap(), found["high"].as_f64().unwrap());
    assert!(low >= 20.0 && high <= 40.0 && low < high, "{low} to {high}");
    // The same again begins anew, as nothing is lost by it, and no step of the other stays.
    let stale = quick.out().join("steps").join(format!("{:02}", after.len() + 1));
    fs::create_dir_all(&stale).unwrap();
    fs::copy(quick.out().join("results.json"), stale.join("results.json")).unwrap();
    let ended = Running::start(search(&quick, &["--budget", "6s"], &[])).wait().expect(0);
    assert!(ended.stdout.contains("its time, 6s, ran out"), "{}", ended.stdout);
    assert!(!stale.exists() && steps(&quick).len() < after.len());
    assert_eq!(capacity(&quick)["finished"], false);
    // A report is made again of it as of any other result.
    fs::remove_file(quick.out().join("summary.md")).unwrap();
    Running::start(twinstorm(&["report", quick.out().to_str().unwrap(), "--format", "markdown"])).wait().expect(0);
    assert!(quick.file("summary.md").contains("calls/s"));
}

/// What lies in a folder, with its size.
fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), entry.metadata().unwrap().len());
        }
    }
    found
}

#[test]
fn a_search_that_comes_to_nothing_takes_nothing_away() {
    let quick = QuickRun::new();
    let short = ["--limit", "20", "--set", "capacity.measure=1s"];
    Running::start(search(&quick, &[], &short)).wait().expect(0);
    let before = files(&quick.out());
    for (words, code, says) in [
        (&["--budget", "1s"][..], 2, "is too short for a single step"),
        (&["--threshold", "reconnect.p99 < 1s"], 2, "cannot be judged"),
    ] {
        let ended = Running::start(search(&quick, words, &short)).wait().expect(code);
        assert!(
            ended.stderr.contains(says) && !ended.stderr.contains("--resume goes on"),
            "{words:?}: {}",
            ended.stderr
        );
        assert_eq!(files(&quick.out()), before, "{words:?}");
    }
    let running = Running::start(search(&quick, &[], &[]));
    running.until_it_says("step 01");
    running.signal(Signal::SIGINT);
    running.wait().expect(97);
    assert_eq!(files(&quick.out()), before, "it was stopped in its first step");
}

#[test]
fn a_search_whose_time_ran_out_is_not_thrown_away_by_one_that_wants_less() {
    let quick = QuickRun::new();
    Running::start(search(&quick, &[], &["--budget", "12s"])).wait().expect(0);
    assert_eq!(capacity(&quick)["finished"], false);
    let less = ["--set", "capacity.measure=1s", "--precision", "90%"];
    let refused = Running::start(search(&quick, &[], &less)).wait().expect(2);
    assert!(refused.stderr.contains("holds a search that is not finished"), "{}", refused.stderr);
    // What was told of so many steps goes as soon as there are more.
    let resumed =
        Running::start(search(&quick, &["--resume"], &["--format", "json", "--budget", "1h"])).wait().expect(0);
    assert!(resumed.stderr.contains("results   in ") && resumed.stderr.contains(", then "), "{}", resumed.stderr);
    assert!(!quick.out().join("report.html").exists() && capacity(&quick)["finished"] == true);
}

#[test]
fn a_step_that_would_take_longer_than_there_is_time_is_ended() {
    let quick = QuickRun::new();
    // Two servers of a second each: what thirty calls a second leave behind takes longer than anybody waits for.
    let slow =
        ["--set", "hub.service={ methods = \"1s\", servers = 2 }", "--set", "hub.throttle.methods={ rate = 900 }"];
    let start = ["--start", "1", "--set", "capacity.start=1", "--budget", "15s", "--set", "capacity.drain=10m"];
    let ended = Running::start(search(&quick, &[], &[&slow[..], &start[..]].concat())).wait().expect(0);
    assert!(ended.stdout.contains("its time, 15s, ran out"), "{}", ended.stdout);
    let found = capacity(&quick);
    assert!(found["took_s"].as_f64().unwrap() < 25.0 && found["finished"] == false, "{found}");
}

#[test]
fn a_hub_that_has_gone_is_not_told_as_one_that_has_had_enough() {
    let hub = HubProcess::start(&["--throttle", "methods=25/s,burst=25"]);
    let quick = QuickRun::new();
    let settle = "capacity.settle={ over = \"1s\", factor = 2 }";
    let thresholds = "threshold=[{ expr = \"census.throttled.pct < 5\" }, { expr = \"census.completed.pct >= 95\" }]";
    let search = |resume: &[&str]| {
        let words = [&["capacity", "--hub", "azure", "--measure", "2s", "--precision", "20%"], resume].concat();
        let mut command = hub.reach(quick.command(&words, &["--set", settle, "--set", thresholds]));
        command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
        command
    };
    let running = Running::start(search(&[]));
    // 10 and 20 were kept, 40 was not; between them it dies.
    running.until_it_says("step 04");
    hub.running.signal(Signal::SIGKILL);
    let ended = running.wait().expect(97);
    assert!(ended.stdout.contains("the hub was gone: not even 10 calls/s came about any more"), "{}", ended.stdout);
    let found = capacity(&quick);
    assert_eq!((&found["low"], &found["high"]), (&20.0.into(), &40.0.into()), "{found}");
    assert_eq!((&found["cause"], &found["finished"]), (&"throttled".into(), &false.into()));
    let steps = found["steps"].as_array().unwrap();
    let left_out: Vec<bool> = steps.iter().map(|step| step["left_out"].as_bool().unwrap()).collect();
    assert_eq!(left_out, [false, false, false, true, true], "{found}");
    assert_eq!(steps[4]["purpose"], "check");
}

#[test]
fn a_search_in_which_nothing_is_kept_says_so_and_is_over() {
    let quick = QuickRun::new();
    // A condition that no load can keep; of devices, as there are fewer steps from two to none than from any rate. The hub
    // refuses most reports, so that it is to blame however busy the machine of the tests is.
    let mut command = quick.command(&["capacity", "capacity-devices", "--start", "2"], &[]);
    command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
    for set in [
        "hub.throttle.twin_writes={ rate = \"4/s\", burst = 1, queue = \"0s\" }",
        "capacity.measure=1s",
        "threshold=[{ expr = \"census.completed.pct < 50\" }, { expr = \"update.total.max < 1h\" }]",
    ] {
        command.args(["--set", set]);
    }
    let ended = Running::start(command).wait().expect(99);
    assert!(ended.stdout.contains("nothing was kept down to 1 "), "{}", ended.stdout);
    assert_eq!((&capacity(&quick)["low"], &capacity(&quick)["cause"]), (&Value::Null, &"throttled".into()));
}

#[test]
fn devices_are_looked_for_up_to_a_bound() {
    let quick = QuickRun::new();
    let mut command = quick.command(&["capacity", "capacity-devices", "--start", "20", "--limit", "70"], &[]);
    command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
    let keep_alive = "fleet.keep_alive=1s";
    for set in ["capacity.measure=3s", keep_alive, ANY_CENSUS, "threshold.1={ expr = \"ping.count > 0\" }"] {
        command.args(["--set", set]);
    }
    let ended = Running::start(command).wait().expect(0);
    let found = capacity(&quick);
    assert_eq!(
        (&found["low"], &found["high"], &found["finished"]),
        (&70.0.into(), &Value::Null, &true.into()),
        "{found}"
    );
    assert!(ended.stdout.contains("70 devices"), "{}", ended.stdout);
    let tried: Vec<f64> =
        found["steps"].as_array().unwrap().iter().map(|step| step["load"].as_f64().unwrap()).collect();
    assert_eq!(tried, [20.0, 40.0, 70.0, 70.0]);
}

#[test]
fn connections_are_looked_for_past_what_a_hub_saves_up() {
    let quick = QuickRun::new();
    let mut command = quick.command(&["capacity", "capacity-connects"], &[]);
    command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
    for set in [
        "hub.throttle.connects={ rate = \"20/s\", burst = 20 }",
        "capacity.measure=3s",
        "capacity.precision=30%",
        "capacity.start=14",
        ANY_CENSUS,
    ] {
        command.args(["--set", set]);
    }
    Running::start(command).wait().expect(0);
    let found = capacity(&quick);
    let (low, high) = (found["low"].as_f64().unwrap(), found["high"].as_f64().unwrap());
    assert!(low <= 20.0 && 20.0 < high && high <= 40.0, "{found}");
    assert_eq!((&found["cause"], &found["unit"]), (&"throttled".into(), &"connects/s".into()));
}

#[test]
fn what_cannot_be_searched_is_refused_with_the_way_out() {
    let quick = QuickRun::new();
    for (words, says) in [
        (&["quickstart", "--set", "threshold=[]"][..], "it has no thresholds to keep; add a [[threshold]]"),
        (&["canary-abort"], "it calls the fleet in waves; leave [rollout] out"),
        (&["reconnect-storm"], "it is a drill; leave [drill] out"),
        (&["scheduled-job"], "it calls by jobs; set load.via to \"calls\""),
        (&["--set", "load.kind=closed"], "its load is closed"),
        (&["--of", "messages"], "--of messages: `capacity.of` cannot be `messages`: allowed are `calls`, `devices`"),
        (&["--precision", "5"], "--precision 5: `capacity.precision` must be a share like \"5%\""),
        (&["--start", "50/s", "--limit", "20/s"], "--limit 20/s: `capacity.limit` must not be below `capacity.start`"),
        (&["--start", "0"], "--start 0: `capacity.start`"),
        (&["--budget", "1s"], "capacity.budget, 1s, is too short for a single step"),
        (&["--resume", "--set", "seed=3"], "holds no search to go on with: no results.json"),
    ] {
        let out = quick.out();
        let mut arguments = vec!["capacity"];
        arguments.extend(words);
        arguments.extend(["--out", out.to_str().unwrap()]);
        let ended = Running::start(twinstorm(&arguments)).wait().expect(2);
        assert!(ended.stderr.contains(says), "{words:?}: {}", ended.stderr);
    }
}
