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
