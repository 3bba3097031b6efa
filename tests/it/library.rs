//! The crate as a library: a program runs plans within itself, and its process stays its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;
use twinstorm::measure::{RunResult, Usage, Verdict};
use twinstorm::policy::{Outcome, Series, Statistic};
use twinstorm::profile::{self, Override, Plan};
use twinstorm::report::{self, Reporter as _, Terminal};
use twinstorm::run::{self, ResultsFolder, RunError, RunOptions, StopHandle};

use crate::support::{ANY_CENSUS, LENIENT, Running, eventually};

/// A small plan whose stages are short, with `sets` over it.
fn plan(sets: &[&str]) -> Plan {
    let short = [
        "fleet.devices=30",
        "fleet.connect_rate=1000",
        "load.rate=60",
        "firmware.wait=uniform 100ms..200ms",
        "firmware.download=uniform 100ms..200ms",
        "firmware.apply=uniform 100ms..200ms",
        "observe.interval=20ms",
        LENIENT,
    ];
    let all: Vec<Override> = short.iter().chain(sets).map(|set| Override::set(set).unwrap()).collect();
    profile::load("quickstart", &all).unwrap()
}

/// What a plan comes to, run within this process.
#[track_caller]
fn result(plan: Plan) -> RunResult {
    run::execute(RunOptions::new(plan)).unwrap().result
}

#[test]
fn two_runs_at_once_on_threads_of_a_program_do_not_mix() {
    let start = |devices: u32, seed: u32| {
        let plan = plan(&[&format!("fleet.devices={devices}"), &format!("seed={seed}")]);
        thread::spawn(move || result(plan))
    };
    let (one, other) = (start(30, 1), start(50, 2));
    for (run, devices, seed) in [(one, 30, 1), (other, 50, 2)] {
        let result = run.join().unwrap();
        assert_eq!((result.verdict, result.exit_code), (Verdict::Pass, 0), "{:?}", result.invalid_reasons);
        assert_eq!((result.seed, result.census.planned, result.census.unaccounted()), (seed, devices, 0));
        assert_eq!(result.census.count(Outcome::Completed), devices);
        let total = &result.series[&Series::UpdateTotal];
        assert_eq!(total.statistic(Statistic::Count), Some(devices as f64));
        assert!(total.statistic(Statistic::Min).unwrap() >= 0.3, "three stages of at least 100 ms each");
        // Nobody can tell the hub's part of what this process used.
        let hub = result.hub.as_ref().unwrap();
        assert_eq!((hub.instances, hub.cpu_seconds, hub.rss_peak_bytes), (1, None, None));
        assert!(result.hub_is_within_generator() && result.generator.cpu_seconds > 0.0);
        let table = String::from_utf8(Terminal { color: false }.render(&result).unwrap()).unwrap();
        assert!(table.contains("within the generator's process"), "{table}");
    }
}

#[test]
fn a_run_may_be_started_within_an_async_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(async { result(plan(&["fleet.devices=5"])) });
    assert_eq!(result.verdict, Verdict::Pass, "{:?}", result.invalid_reasons);
}

#[test]
fn a_handle_stops_a_run_and_everything_is_accounted_for() {
    let stop = StopHandle::new();
    let pull = stop.clone();
    let (tell, told) = channel();
    let plan = plan(&["firmware.download=1h", "observe.stage_deadline=2h"]);
    let options = RunOptions::new(plan).stopped_by(&stop).observed_by(move |status| {
        if status.phase == "running" && status.gauges.stages.iter().sum::<u32>() == 30 {
            pull.stop();
        }
        let _ = tell.send(status.clone());
    });
    let run = run::execute(options).unwrap();
    assert_eq!((run.result.verdict, run.result.exit_code, run.folder), (Verdict::Aborted, 97, None));
    let census = &run.result.census;
    assert_eq!((census.planned, census.count(Outcome::Aborted), census.unaccounted()), (30, 30, 0));
    let told: Vec<_> = told.iter().collect();
    assert!(told.iter().any(|status| status.devices == 30 && status.gauges.connected == 30), "{told:?}");
    let last = told.last().unwrap();
    assert!(last.series.iter().any(|row| row.name == "connect" && row.count == 30), "{last:?}");
    assert!(last.health.generator_memory > 0 && last.health.hub_memory.is_none(), "{last:?}");
    assert!(told.windows(2).all(|two| two[0].elapsed < two[1].elapsed), "{told:?}");
}

#[test]
fn a_handle_that_was_used_before_lets_nothing_complete() {
    let stop = StopHandle::new();
    stop.stop();
    match run::execute(RunOptions::new(plan(&[])).stopped_by(&stop)) {
        Ok(run) => assert_eq!((run.result.exit_code, run.result.census.unaccounted()), (97, 0)),
        Err(error) => assert_eq!(error.exit_code().code(), 97, "{error}"),
    }
}

#[test]
fn faults_strike_a_hub_within_this_process_too() {
    let down = r#"fault=[{ kind = "hub_down", at = "300ms", for = "500ms", name = "night" }]"#;
    let result = result(plan(&[ANY_CENSUS, down]));
    assert!(result.valid, "{:?}", result.invalid_reasons);
    assert_eq!((result.census.planned, result.census.unaccounted()), (30, 0));
    let row = &result.hub.as_ref().unwrap().faults[0];
    assert_eq!((row.name.as_str(), row.strikes), ("night", 1));
    assert!(row.began_s.unwrap() >= 0.3 && row.ended_s.unwrap() >= 0.8, "{row:?}");
}

#[test]
fn results_are_written_where_they_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let planned = format!("report.out={}", out("planned").display());
    for (folder, goes_to) in [(ResultsFolder::Planned, "planned"), (ResultsFolder::At(out("mine")), "mine")] {
        let mut options = RunOptions::new(plan(&["fleet.devices=3", &planned]));
        options.folder = folder;
        let run = run::execute(options).unwrap();
        assert_eq!(run.folder, Some(out(goes_to)));
        let bytes = std::fs::read(out(goes_to).join("results.json")).unwrap();
        let read = report::from_json(&bytes).unwrap();
        assert_eq!((read.census, read.command), (run.result.census, run.result.command));
    }
}

#[test]
fn what_cannot_be_done_within_one_process_is_refused_with_the_way_out() {
    let refused = |sets: &[&str], trace: Option<u32>| {
        let mut options = RunOptions::new(plan(sets));
        options.trace = trace;
        let error = run::execute(options).unwrap_err();
        assert!(!matches!(error, RunError::System(_)), "{error}");
        error.to_string()
    };
    for (sets, trace, says) in [
        (&["fleet.shards=2"][..], None, &["2 shards", "RunOptions::program"][..]),
        // Enough for the devices, and enough for the hub, but not for both.
        (&["fleet.max_descriptors=300"], None, &["may have 300", "raise_descriptor_limit", "RunOptions::program"]),
        (&[], Some(3), &["device 3", "folder"]),
        (&[], Some(30), &["0 to 29"]),
    ] {
        let error = refused(sets, trace);
        assert!(says.iter().all(|say| error.contains(say)), "{error}");
    }
}

#[test]
fn a_program_that_can_be_started_carries_what_one_process_cannot() {
    let mut options = RunOptions::new(plan(&["fleet.shards=2"]));
    options.program = Some(PathBuf::from(env!("CARGO_BIN_EXE_twinstorm")));
    // The children are bound to the thread that starts them, which need not be the main one.
    let result = thread::spawn(move || run::execute(options)).join().unwrap().unwrap().result;
    assert_eq!((result.verdict, result.shards.len()), (Verdict::Pass, 2), "{:?}", result.invalid_reasons);
    assert!(!result.hub_is_within_generator() && result.hub.unwrap().rss_peak_bytes.unwrap() > 1 << 20);
}

/// What [`a_run_leaves_nothing_behind`] says around the runs, to be told from what the harness says.
const MARK: &str = "between these two";

#[test]
fn a_run_prints_nothing_and_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "library::a_run_leaves_nothing_behind", "--ignored", "--nocapture"]);
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = Running::start(command).wait().expect(0);
    let between: Vec<&str> = ended.stdout.split(MARK).collect();
    assert_eq!((between.len(), between.get(1)), (3, Some(&"\n")), "{}", ended.stdout);
    assert_eq!(ended.stderr, "");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// What else belongs to a process: its threads, open files, limits and signals.
#[test]
#[ignore = "needs a process of its own, in which `a_run_prints_nothing_and_writes_nothing` starts it"]
fn a_run_leaves_nothing_behind() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(900), hard).unwrap();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let caught = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find(|line| line.starts_with("SigCgt:")).unwrap().to_owned()
    };
    let signals = caught();
    println!("{MARK}");
    // One that ends before it has begun: what an async runtime opens once in a process is open from then on.
    let stop = StopHandle::new();
    stop.stop();
    let never = run::execute(RunOptions::new(plan(&[])).stopped_by(&stop));
    let before = (threads(), Usage::open_descriptors());
    // One that would tell its story on a terminal.
    let told = result(plan(&["report.narrate=true"]));
    println!("{MARK}");
    assert_eq!(never.map_or_else(|error| error.exit_code().code(), |run| run.result.exit_code), 97);
    assert_eq!(told.verdict, Verdict::Pass, "{:?}", told.invalid_reasons);
    eventually("all threads and files are gone", || (threads(), Usage::open_descriptors()) == before);
    assert_eq!(caught(), signals);
    assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0, hard.min(900));
}
