//! Each fault ends the updates that it hits in the outcome of its row, and no other.

use serde_json::Value;

use crate::support::{ANY_CENSUS, QuickRun, Running, census};

/// A fault, the outcome of the updates that it hits, and its detail, unless that is left open.
type Row<'a> = (&'a str, &'a str, &'a str);

/// Runs a small fleet in which `fault` hits two devices, and checks their outcome.
#[track_caller]
fn ends_in(fault: &str, outcome: &str, detail: &str) {
    end_in("1500ms", &[(fault, outcome, detail)]);
}

/// The same with several faults, each of which hits two devices of its own; all others complete.
#[track_caller]
fn end_in(stage_deadline: &str, rows: &[Row<'_>]) {
    let quick = QuickRun::new();
    let fault = |(nth, (fault, ..)): (usize, &Row<'_>)| {
        format!("{{ {fault}, select = {{ ids = [{}, {}] }} }}", 2 * nth, 2 * nth + 1)
    };
    let faults: Vec<String> = rows.iter().enumerate().map(fault).collect();
    let faults = format!("fault=[{}]", faults.join(", "));
    let deadline = format!("observe.stage_deadline={stage_deadline}");
    let sets = [
        "--set",
        &faults,
        "--set",
        ANY_CENSUS,
        "--set",
        &deadline,
        "--set",
        "load.response_timeout=5s",
        "--set",
        "retry.method=none",
    ];
    let devices = 2 * rows.len() + 10;
    let command = quick.command(&["run", "quickstart", "--devices", &devices.to_string(), "--rate", "50"], &sets);
    let ended = Running::start(command).wait().expect(0);
    let results = quick.results();
    for (nth, (fault, outcome, detail)) in rows.iter().enumerate() {
        // Truth and observation agree.
        let row = &results["faults"][nth];
        assert_eq!((&row["injected"], &row["observed"][outcome]), (&2.into(), &2.into()), "{fault}: {row}");
        let by = &results["census_by"][outcome];
        assert!(detail.is_empty() || by[detail].as_i64() >= Some(2), "{fault}: {by}");
    }
    let hit = |outcome: &str| 2 * rows.iter().filter(|row| row.1 == outcome).count() as i64;
    for outcome in rows.iter().map(|row| row.1).chain(["completed"]) {
        let others = if outcome == "completed" { 10 } else { 0 };
        assert_eq!(census(&results, outcome), hit(outcome) + others, "{}", ended.stdout);
    }
    let matrix = &results["matrix"];
    let hits = |nth: usize, outcome: &str| matrix[nth]["outcomes"][outcome].as_i64();
    assert_eq!((&matrix[0]["hit_by"], hits(0, "completed")), (&"none".into(), Some(10)), "{matrix}");
    for (nth, (fault, outcome, _)) in rows.iter().enumerate() {
        assert_eq!(hits(nth + 1, outcome), Some(2), "{fault}: {matrix}");
    }
    assert_eq!(results["off_diagonal_total"], 0, "{}", results["off_diagonal"]);
    let invariants = results["invariants"].as_array().unwrap();
    assert!(!invariants.is_empty() && invariants.iter().all(|row| row["violations"] == 0), "{invariants:?}");
}

#[test]
fn a_device_that_rejects_the_method() {
    ends_in(r#"kind = "reject", status = 503"#, "rejected", "503");
}

#[test]
fn a_device_that_never_answers() {
    ends_in(r#"kind = "no_reply""#, "no_response", "");
}

#[test]
fn a_device_that_is_not_connected() {
    ends_in(r#"kind = "offline""#, "not_online", "");
}

#[test]
fn a_device_that_fails_to_download() {
    ends_in(r#"kind = "fail", stage = "downloading", code = "no_space""#, "failed", "downloading/no_space");
}

#[test]
fn a_device_that_fails_to_apply() {
    ends_in(r#"kind = "fail", stage = "applying", code = "checksum_mismatch""#, "failed", "applying/checksum_mismatch");
}

#[test]
fn a_device_that_stalls() {
    ends_in(r#"kind = "stall", stage = "applying""#, "stuck", "applying");
}

#[test]
fn a_device_that_stalls_before_it_begins() {
    ends_in(r#"kind = "stall", stage = "waiting""#, "stuck", "waiting");
}

#[test]
fn devices_that_complete_all_the_same() {
    end_in(
        "10s",
        &[
            (r#"kind = "slow_reply", delay = "uniform 200ms..300ms""#, "completed", ""),
            (r#"kind = "slow", stage = "downloading", factor = 3"#, "completed", ""),
            (r#"kind = "slow", stage = "applying", delay = "300ms""#, "completed", ""),
            (r#"kind = "reboot", away = "300ms""#, "completed", ""),
            (r#"kind = "duplicate", stage = "applying""#, "completed", ""),
            (r#"kind = "duplicate", stage = "completed""#, "completed", ""),
        ],
    );
}

#[test]
fn devices_that_do_not_run_the_new_version() {
    end_in(
        "10s",
        &[
            (r#"kind = "rollback", delay = "100ms""#, "rolled_back", ""),
            (r#"kind = "boot_loop", times = 2"#, "failed", "rebooting/boot_failed"),
            (r#"kind = "false_success""#, "protocol_violation", "false_success"),
        ],
    );
}

#[test]
fn devices_that_report_what_the_workflow_forbids() {
    let malformed = |form: &str, stage: &str| format!(r#"kind = "malformed", form = "{form}", stage = "{stage}""#);
    end_in(
        "10s",
        &[
            (r#"kind = "skip", stage = "downloading""#, "protocol_violation", "skipped:downloading"),
            (r#"kind = "skip", stage = "applying""#, "protocol_violation", "skipped:applying"),
            (r#"kind = "reorder""#, "protocol_violation", ""),
            (&malformed("bad_json", "downloading"), "protocol_violation", "skipped:downloading"),
            (&malformed("too_large", "applying"), "protocol_violation", "skipped:applying"),
            (&malformed("wrong_type", "applying"), "protocol_violation", ""),
        ],
    );
}

#[test]
fn devices_that_are_gone_for_good() {
    end_in(
        "1500ms",
        &[
            (r#"kind = "vanish", stage = "waiting""#, "lost_device", "waiting"),
            (r#"kind = "vanish", stage = "applying""#, "lost_device", "applying"),
        ],
    );
}

/// What the seed decides of faults and of how the updates that they hit ended.
pub(crate) fn truth_of(results: &Value) -> (Vec<Value>, Value) {
    let mut faults = results["faults"].as_array().unwrap().clone();
    for row in &mut faults {
        let row = row.as_object_mut().unwrap();
        // These are times, and what came of them.
        row.retain(|key, _| !["peak_per_s", "recovery", "found"].contains(&key.as_str()));
    }
    assert_eq!(results["off_diagonal_total"], 0, "{}", results["off_diagonal"]);
    (faults, results["matrix"].clone())
}

#[test]
fn the_same_seed_gives_the_same_truth_on_any_number_of_workers_and_shards() {
    let faults = r#"fault=[
        { kind = "reject", status = 503, select = { percent = 20 } },
        { kind = "fail", stage = "applying", code = "boot_failed", select = { percent = 20 } },
        { kind = "fail", stage = "downloading", code = "no_space", select = { count = 9 } },
        { kind = "stall", stage = "applying", select = { percent = 20 } },
        { kind = "offline", select = { ids = [5, 50] } },
    ]"#
    .replace('\n', " ");
    let started: Vec<_> = [(1, 1), (4, 1), (1, 3)]
        .into_iter()
        .map(|(workers, shards)| {
            let quick = QuickRun::new();
            let (workers, shards) = (format!("fleet.workers={workers}"), format!("fleet.shards={shards}"));
            let sets = [&faults, ANY_CENSUS, "observe.stage_deadline=2s", &workers, &shards];
            let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
            let command = quick.command(&["run", "quickstart", "--devices", "60", "--rate", "60"], &sets);
            (quick, Running::start(command))
        })
        .collect();
    let mut truths = Vec::new();
    for (quick, running) in started {
        running.wait().expect(0);
        truths.push(truth_of(&quick.results()));
    }
    assert!(truths[0].0.iter().all(|row| row["strikes"].as_u64() > Some(0)), "{:?}", truths[0].0);
    assert_eq!(truths[0], truths[1], "on four workers");
    assert_eq!(truths[0], truths[2], "on three shards");
}

#[test]
fn an_update_that_ends_otherwise_than_its_faults_say_makes_the_result_invalid() {
    let quick = QuickRun::new();
    // The hub answers reports so late that nobody gets on in time, though a fault is to hit device 3 alone.
    let sets = [
        "--set",
        r#"fault=[{ kind = "reject", status = 503, select = { ids = [3] } }]"#,
        "--set",
        "hub.slow={ twin_ack = \"1500ms\" }",
        "--set",
        "observe.stage_deadline=500ms",
        "--set",
        ANY_CENSUS,
    ];
    let command = quick.command(&["run", "quickstart", "--devices", "5", "--rate", "50"], &sets);
    let ended = Running::start(command).wait().expect(96);
    let results = quick.results();
    assert_eq!((census(&results, "stuck"), &results["off_diagonal_total"]), (4, &4.into()));
    let first = &results["off_diagonal"][0];
    assert_eq!((&first["observed"], &first["expected"][0]), (&"stuck".into(), &"completed".into()));
    let (device, update) = (first["device"].as_str().unwrap(), first["update"].as_str().unwrap());
    let reason = results["invalid_reasons"][0].as_str().unwrap();
    assert!(reason.contains(device) && reason.contains(update), "{reason}");
    assert!(ended.stdout.contains("Off the diagonal"), "{}", ended.stdout);
}
