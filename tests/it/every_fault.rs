//! What was injected is what is observed, with every kind of fault at once.

use crate::support::{QuickRun, Running, census};

#[test]
fn every_kind_at_once_leaves_nothing_off_the_diagonal() {
    let quick = QuickRun::new();
    let mut command = crate::support::twinstorm(&["run", "every-fault", "--rate", "60"]);
    command.arg("--out").arg(quick.out());
    // The load is over sooner than that of the profile, so the hub is struck sooner.
    for set in [
        "fault.token_expiry.at=6s",
        "fault.half_open.at=5s",
        "fault.reset.at=8s",
        "fault.hub_slow.at=7s",
        "fault.hub_slow.for=3s",
        "fault.throttle.at=10s",
        "fault.throttle.for=3s",
        "fault.hub_down.at=13s",
        "observe.stage_deadline=15s",
        "retry.method.max_attempts=5",
        // The machine that tests run on may be slow: an objective of an hour makes lateness none of its business.
        "threshold=[{ expr = \"faults.off_diagonal == 0\" }, { expr = \"connections.lost.unexplained == 0\" }, \
         { expr = \"invariants.violations == 0\" }, { expr = \"update.total.max < 1h\" }]",
    ] {
        command.args(["--set", set]);
    }
    let ended = Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "unaccounted")), (1000, 0), "{}", ended.stdout);
    let faults = results["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 27);
    for fault in faults {
        assert!(fault["strikes"].as_u64() > Some(0), "nobody was struck by {fault}");
        assert_eq!(fault["off_diagonal"], 0, "{fault}");
    }
}
