//! Each fault ends the updates that it hits in the outcome of its row, and no other.

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
