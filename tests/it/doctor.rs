//! What this machine lacks for a plan is told before anything starts, with what mends it.

use crate::support::{QuickRun, Running, run};

#[test]
fn a_plan_that_this_machine_carries_is_told_so() {
    let ended = run(&["doctor", "quickstart", "--devices", "50"]).expect(0);
    for word in ["1 shard and 1 embedded hub", "open files", "ports", "memory", "cores", "can carry the plan"] {
        assert!(ended.stdout.contains(word), "`{word}` is missing:\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("SHORT"), "{}", ended.stdout);
}

#[test]
fn a_plan_that_it_does_not_carry_is_refused_by_doctor_and_run_alike() {
    for (sets, what, mend) in [
        (&["fleet.source_addresses=[\"192.0.2.7\"]"][..], "192.0.2.7", "fleet.source_addresses"),
        (&["fleet.shards=1", "fleet.max_descriptors=300", "load.max_in_flight=60"], "300", "fleet.shards"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let ended = run(&[&["doctor"][..], &sets].concat()).expect(2);
        assert!(ended.stdout.contains("SHORT") && ended.stdout.contains(what), "{}", ended.stdout);
        assert!(ended.stdout.contains("mend: ") && ended.stdout.contains(mend), "{}", ended.stdout);
        let quick = QuickRun::new();
        let ended = Running::start(quick.command(&["run"], &sets)).wait().expect(2);
        assert!(ended.stderr.contains(what) && ended.stderr.contains(mend), "{}", ended.stderr);
        assert!(!quick.out().exists(), "nothing was begun");
    }
}

#[test]
fn a_run_says_in_one_line_that_it_was_checked() {
    let quick = QuickRun::new();
    let ended = Running::start(quick.command(&["run", "--devices", "5", "--rate", "50"], &[])).wait().expect(0);
    let lines: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("checks")).collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert!(lines[0].contains("1 shard and 1 embedded hub"), "{}", lines[0]);
}

#[test]
fn what_the_hub_is_given_is_told_before_anything_runs_and_that_several_hubs_multiply_it() {
    let limits = [
        "--set",
        "hub.tier=S2",
        "--set",
        "hub.throttle.twin_writes={ rate = \"20/m\", queue = \"10s\" }",
        "--set",
        "hub.service={ methods = \"exp 5ms\", servers = 4 }",
    ];
    let shards = ["--set", "fleet.shards=2"];
    for command in [&["doctor", "quickstart"][..], &["profile", "check", "quickstart"]] {
        let ended = run(&[command, &limits, &shards].concat()).expect(0);
        for word in [
            "tier S2 with 1 unit; twin_writes 0.333/s (1 at once, others wait up to 10s); ",
            "; 4 servers (methods exp 5ms, others wait up to 1m)",
            "2 shards and 2 embedded hubs",
            "note: 2 hubs, each with the limits and the servers for itself",
        ] {
            assert!(ended.stdout.contains(word), "`{word}` is missing:\n{}", ended.stdout);
        }
        let ended = run(&[command, &limits, &shards, &["--set", "hub.instances=1"]].concat()).expect(0);
        assert!(ended.stdout.contains("hub.instances 1") && !ended.stdout.contains("note: "), "{}", ended.stdout);
        let ended = run(&[command, &shards].concat()).expect(0);
        assert!(!ended.stdout.contains("note: ") && !ended.stdout.contains("the hub has"), "{}", ended.stdout);
    }
    let ended = run(&["profile", "check", "quickstart", "--set", "hub.tier=S9"]).expect(2);
    assert!(ended.stderr.contains("hub.tier"), "{}", ended.stderr);
}

#[test]
fn a_run_notes_that_each_of_its_hubs_had_the_limits_for_itself() {
    let quick = QuickRun::new();
    let sets = ["--set", "fleet.shards=2", "--set", "hub.throttle.methods={ rate = \"900/s\" }"];
    let words = [&["run", "--devices", "4", "--rate", "50"][..], &sets].concat();
    let ended = Running::start(quick.command(&words, &[])).wait().expect(0);
    let told = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("note: 2 hubs, each with the limits for itself, are 2 times the profile's"),
        "{}",
        ended.stdout
    );
}
