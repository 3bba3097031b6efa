//! Bad input and bad luck: each gets a clear message and its exit code; nothing hangs, panics or stays behind.

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::{HubProcess, LENIENT, QuickRun, Running, alive, census, eventually, run, twinstorm};

#[test]
fn bad_input_is_named_with_the_way_out() {
    for (arguments, says) in [
        (&["run", "quickstat"][..], "quickstart"),
        (&["run", "--devices", "0"], "--devices"),
        (&["run", "--rate", "fast"], "--rate"),
        (&["run", "--set", "load.speed=3"], "speed"),
        (&["run", "--set", "nonsense"], "--set"),
        (&["run", "--set", "threshold=[{ expr = \"update.totl.p99 < 3s\" }]"], "update.totl"),
        (&["run", "--trace", "5000"], "0 to 999"),
        (&["run", "--devices", "40000", "--set", "fleet.shards=1"], "open files"),
        (&["run", "--out", "/proc/nowhere"], "/proc/nowhere"),
        (&["run", "--hub", "mqtt"], "mqtt"),
        (&["fleet", "quickstart"], "IOTHUB_CONNECTION_STRING"),
        (&["drive", "quickstart"], "IOTHUB_CONNECTION_STRING"),
        (&["profile", "show", "nothing"], "quickstart"),
    ] {
        let ended = run(arguments).expect(2);
        assert!(ended.stderr.contains(says), "{arguments:?} says\n{}", ended.stderr);
    }
}

#[test]
fn a_wrong_profile_points_at_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let path = file.to_str().unwrap();
    for (text, line, says) in [
        ("name = \"mine\"\n\n[load]\nrat = 3\n", "4", "rat"),
        ("name = \"mine\"\n[fleet]\ndevices = 0\n", "3", "devices"),
        ("name = \"mine\"\n[fleet\n", "2", ""),
        ("name = \"mine\"\n\n\n[[fault]]\nkind = \"reject\"\nstatus = 200\nselect = \"all\"\n", "6", "200"),
        ("name = \"mine\"\n[firmware]\nwait = \"soon\"\n", "3", "soon"),
        ("name = \"mine\"\n[[threshold]]\nexpr = \"census.done == 1\"\n", "3", "done"),
    ] {
        std::fs::write(&file, text).unwrap();
        let ended = run(&["run", path]).expect(2);
        assert!(ended.stderr.contains("mine.toml") && ended.stderr.contains(says), "{text}\n{}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!(":{line}")) || ended.stderr.contains(&format!("line {line}")),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&["hub", "--mqtt", &address, "--http", "127.0.0.1:0"]).expect(1);
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
}

#[test]
fn a_hub_that_cannot_be_reached_is_named() {
    let hub = HubProcess::start(&[]);
    let quick = QuickRun::new();
    let mut command = hub.reach(quick.command(&["run", "quickstart", "--hub", "azure", "--devices", "5"], &[]));
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    command.env("TWINSTORM_HUB_REST", format!("http://{free}"));
    let ended = Running::start(command).wait().expect(1);
    assert!(ended.stderr.contains(&free), "{}", ended.stderr);
}

#[test]
fn a_wrong_key_is_named_and_not_shown() {
    let hub = HubProcess::start(&[]);
    let wrong = "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc=";
    let quick = QuickRun::new();
    // Devices that are registered already, with other keys.
    Running::start(
        hub.reach(quick.command(&["run", "quickstart", "--hub", "azure", "--devices", "5"], &["--rate", "50"])),
    )
    .wait()
    .expect(0);
    let mut command = hub.reach(quick.command(&["fleet", "quickstart", "--devices", "5"], &[]));
    command.env("TWINSTORM_FLEET_KEY", wrong);
    let ended = Running::start(command).wait().expect(1);
    assert!(ended.stderr.to_lowercase().contains("key"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(wrong) && !ended.stdout.contains(wrong));
    let mut command = hub.reach(quick.command(&["drive", "quickstart", "--devices", "5"], &[]));
    let mut service = String::new();
    for (name, value) in &hub.environment {
        if name == "IOTHUB_CONNECTION_STRING" {
            service = format!("{}SharedAccessKey={wrong}", value.split("SharedAccessKey=").next().unwrap());
        }
    }
    command.env("IOTHUB_CONNECTION_STRING", service);
    let ended = Running::start(command).wait().expect(1);
    assert!(ended.stderr.contains("401") && !ended.stderr.contains(wrong), "{}", ended.stderr);
}

/// A run that goes on until it is disturbed.
fn long_run(quick: &QuickRun) -> Running {
    let sets = ["--set", "firmware.download=60s", "--set", "observe.stage_deadline=90s"];
    Running::start(quick.command(&["run", "quickstart", "--devices", "40", "--rate", "40"], &sets))
}

/// Waits until the run's hub is there and updates are under way.
fn hub_of(running: &Running) -> u32 {
    let mut hub = None;
    eventually("the run has a hub", || {
        hub = running.children().first().copied();
        hub.is_some()
    });
    let hub = hub.unwrap();
    running.until_it_says("] running");
    hub
}

#[test]
fn a_hub_that_dies_ends_the_run_as_invalid() {
    let quick = QuickRun::new();
    let running = long_run(&quick);
    crate::support::send(hub_of(&running), Signal::SIGKILL);
    let ended = running.wait().expect(96);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "hub_error")), (40, 40));
    assert_eq!(census(&results, "unaccounted"), 0);
    assert!(ended.stderr.contains("the embedded hub died"), "{}", ended.stderr);
    assert!(results["invalid_reasons"][0].as_str().unwrap().contains("hub died"), "{}", results["invalid_reasons"]);
}

#[test]
fn a_disk_that_is_full_in_the_end_is_named_and_what_was_measured_is_printed() {
    let quick = QuickRun::new();
    let running = Running::start(quick.command(&["run", "quickstart", "--devices", "20", "--rate", "40"], &[]));
    running.until_it_says("] running");
    // Whatever is written to the first of the results' files meets a full disk from now on.
    symlink("/dev/full", quick.out().join("results.json.part")).unwrap();
    let ended = running.wait().expect(1);
    let path = quick.out().join("results.json").display().to_string();
    for says in [path.as_str(), "No space left", "make room", "--out"] {
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
    assert!(ended.stdout.contains("completed") && ended.stdout.contains("method.response"), "{}", ended.stdout);
    assert_eq!(std::fs::read_dir(quick.out()).unwrap().count(), 0, "nothing looks like a result");
}

#[test]
fn files_that_may_not_grow_are_no_reason_to_die() {
    let quick = QuickRun::new();
    let command = quick.command(&["run", "quickstart", "--devices", "20", "--rate", "40"], &[]);
    // In blocks of 512 or 1024 bytes: less than a result needs.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 4; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = Running::start(limited).wait().expect(1);
    assert!(ended.stderr.contains("results.json") && ended.stderr.contains("ulimit -f"), "{}", ended.stderr);
    assert!(ended.stdout.contains("method.response"), "{}", ended.stdout);
    assert_eq!(std::fs::read_dir(quick.out()).unwrap().count(), 0, "nothing looks like a result");
}

#[test]
fn a_trace_that_meets_a_full_disk_ends_short_and_the_run_does_not() {
    let quick = QuickRun::new();
    std::fs::create_dir(quick.out()).unwrap();
    symlink("/dev/full", quick.out().join("trace-sim-0000003.txt")).unwrap();
    let command = quick.command(&["run", "quickstart", "--devices", "5", "--rate", "40"], &["--trace", "3"]);
    let ended = Running::start(command).wait().expect(0);
    let part = quick.out().join("trace-sim-0000003.txt.part");
    assert!(ended.stderr.contains(&format!("cannot write to {}", part.display())), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("the trace ends short").count(), 1, "{}", ended.stderr);
    assert!(part.is_symlink() && !quick.out().join("trace-sim-0000003.txt").exists());
    assert_eq!(census(&quick.results(), "completed"), 5);
}

#[test]
fn an_interrupt_writes_what_there_is() {
    let quick = QuickRun::new();
    let running = long_run(&quick);
    let hub = hub_of(&running);
    running.signal(Signal::SIGINT);
    running.wait().expect(97);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "unaccounted")), (40, 0));
    assert!(census(&results, "aborted") > 0);
    assert_eq!(results["verdict"], "aborted");
    eventually("the hub is gone", || !alive(hub));
}

#[test]
fn a_second_interrupt_leaves_at_once() {
    let quick = QuickRun::new();
    let running = long_run(&quick);
    let hub = hub_of(&running);
    // A hub that answers nothing cannot hold it.
    crate::support::send(hub, Signal::SIGSTOP);
    running.signal(Signal::SIGINT);
    running.signal(Signal::SIGTERM);
    running.wait().expect(97);
    eventually("the hub is gone", || !alive(hub));
}

#[test]
fn a_hub_never_outlives_its_parent() {
    let quick = QuickRun::new();
    let running = long_run(&quick);
    let hub = hub_of(&running);
    running.signal(Signal::SIGKILL);
    eventually("the hub is gone", || !alive(hub));
}

#[test]
fn a_reader_that_goes_away_harms_nothing() {
    for words in [&["run", "quickstart", "--devices", "5", "--rate", "50"][..], &["run", "tutorial"]] {
        let quick = QuickRun::new();
        let mut child = quick.command(words, &[]).spawn().unwrap();
        drop(child.stdout.take());
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(quick.results()["valid"], true);
    }
}

#[test]
fn two_runs_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = twinstorm(&["run", "quickstart", "--devices", "2", "--rate", "50"]);
        for stage in ["wait", "download", "apply"] {
            command.args(["--set", &format!("firmware.{stage}=10ms")]);
        }
        command.args(["--set", LENIENT]).current_dir(folder.path());
        Running::start(command)
    };
    let runs = [start(), start(), start()];
    runs.into_iter().for_each(|run| drop(run.wait().expect(0)));
    let results = std::fs::read_dir(folder.path().join("reports/runs")).unwrap().flatten();
    assert_eq!(results.filter(|run| run.path().join("results.json").exists()).count(), 3);
}

#[test]
fn nothing_is_taken_for_granted_about_the_working_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut command =
        twinstorm(&["run", "quickstart", "--devices", "5", "--rate", "50", "--set", "firmware.wait=10ms"]);
    command.args(["--set", "firmware.download=10ms", "--set", "firmware.apply=10ms", "--set", LENIENT]);
    command.current_dir(folder.path());
    Running::start(command).wait().expect(0);
    let runs: Vec<_> = std::fs::read_dir(folder.path().join("reports/runs")).unwrap().flatten().collect();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].path().join("results.json").exists());
}
