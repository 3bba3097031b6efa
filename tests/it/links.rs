//! Faults that act on connections, over real sockets: what each does to a device is told, and the device gets over it.

use serde_json::Value;

use crate::support::{HubProcess, LENIENT, QuickRun, Running, census};

/// Faults of which each hits two devices; whatever they do, updates complete.
const HARMLESS: [&str; 8] = [
    r#"kind = "reset", at = "500ms""#,
    r#"kind = "half_open", at = "500ms""#,
    r#"kind = "latency", delay = "uniform 20ms..40ms", at = "200ms", for = "2s""#,
    r#"kind = "bandwidth", rate = 2000, at = "200ms", for = "2s""#,
    r#"kind = "slow_reader", at = "500ms", for = "1s""#,
    r#"kind = "token_expiry", at = "5s", spread = "1s""#,
    r#"kind = "duplicate_id", at = "500ms", for = "2s""#,
    r#"kind = "offline", at = "500ms", for = "1s""#,
];

/// The words and settings of a run in which each of `faults` hits two devices of its own, and ten devices are hit by none.
fn afflicted(quick: &QuickRun, faults: &[&str], more: &[&str]) -> Running {
    let fault =
        |(nth, fault): (usize, &&str)| format!("{{ {fault}, select = {{ ids = [{}, {}] }} }}", 2 * nth, 2 * nth + 1);
    let list: Vec<String> = faults.iter().enumerate().map(fault).collect();
    let sets = [
        &format!("fault=[{}]", list.join(", ")),
        LENIENT,
        // Updates that go on while all of that happens.
        "firmware.download=uniform 3s..4s",
        "firmware.apply=uniform 1s..2s",
        "observe.stage_deadline=60s",
        "fleet.keep_alive=2s",
        "retry.connect={ policy = \"fixed\", delay = \"100ms\" }",
        "retry.method={ policy = \"fixed\", delay = \"500ms\", max_attempts = 20 }",
        "load.response_timeout=5s",
    ];
    let sets: Vec<&str> = sets.into_iter().chain(more.iter().copied()).flat_map(|set| ["--set", set]).collect();
    let devices = (2 * faults.len() + 10).to_string();
    Running::start(quick.command(&["run", "quickstart", "--devices", &devices, "--rate", "50"], &sets))
}

fn count(row: &Value, of: &str) -> u64 {
    row[of]["count"].as_u64().unwrap_or_default()
}

/// Every fault struck both of its devices, which have got over it, and every update has completed.
#[track_caller]
fn all_get_over(results: &Value, faults: &[&str]) {
    for (nth, fault) in faults.iter().enumerate() {
        let row = &results["faults"][nth];
        assert_eq!((&row["strikes"], count(row, "recovery")), (&2.into(), 2), "{fault}: {row}");
        let is_found = ["half_open", "token_expiry", "duplicate_id"].iter().any(|kind| fault.contains(kind));
        assert_eq!(count(row, "found"), if is_found { 2 } else { 0 }, "{fault}: {row}");
    }
    assert_eq!(census(results, "completed"), 2 * faults.len() as i64 + 10);
}

#[test]
fn devices_get_over_whatever_happens_to_their_connections() {
    let quick = QuickRun::new();
    afflicted(&quick, &HARMLESS, &[]).wait().expect(0);
    let results = quick.results();
    all_get_over(&results, &HARMLESS);
    // A silent hub is asked after a keep-alive, and has half of one to answer.
    let found = results["faults"][1]["found"]["max_us"].as_f64().unwrap();
    assert!(found > 0.0, "{}", results["faults"][1]);
}

#[test]
fn the_same_holds_over_tls_and_websocket() {
    for transport in ["tls", "wss"] {
        let quick = QuickRun::new();
        let faults = &HARMLESS[..5];
        afflicted(&quick, faults, &[&format!("fleet.transport={transport}")]).wait().expect(0);
        all_get_over(&quick.results(), faults);
    }
}

#[test]
fn devices_with_a_wrong_key_are_not_online() {
    let quick = QuickRun::new();
    let faults = [r#"kind = "wrong_key""#];
    let sets = ["retry.method=none", crate::support::ANY_CENSUS];
    let ended = afflicted(&quick, &faults, &sets).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "not_online"), census(&results, "completed")), (2, 10), "{}", ended.stdout);
    let row = &results["faults"][0];
    assert_eq!((&row["strikes"], &row["injected"], &row["observed"]["not_online"]), (&2.into(), &2.into(), &2.into()));
    assert!(!ended.stderr.contains("wrong key"), "{}", ended.stderr);
}

#[test]
fn a_fleet_alone_suffers_against_any_hub() {
    let hub = HubProcess::start(&[]);
    let quick = QuickRun::new();
    let faults = "fault=[{ kind = \"reset\", at = \"100ms\", select = \"all\" }]";
    let words = ["fleet", "quickstart", "--devices", "10"];
    let fleet = Running::start(hub.reach(quick.command(&words, &["--set", faults])));
    fleet.until_it_says("connected 10/10");
    fleet.signal(nix::sys::signal::Signal::SIGINT);
    fleet.wait().expect(0);
}
