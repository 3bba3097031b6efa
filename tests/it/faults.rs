//! Each fault ends the updates that it hits in the outcome of its row, and no other.

use crate::support::{ANY_CENSUS, QuickRun, Running, census};

/// Runs a small fleet in which `fault` hits devices 3 and 4, and checks their outcome.
#[track_caller]
fn ends_in(fault: &str, outcome: &str, detail: &str) {
    let quick = QuickRun::new();
    let fault = format!("fault=[{{ {fault}, select = {{ ids = [3, 4] }} }}]");
    let sets = [
        "--set",
        &fault,
        "--set",
        ANY_CENSUS,
        "--set",
        "observe.stage_deadline=1500ms",
        "--set",
        "load.response_timeout=5s",
        "--set",
        "retry.method=none",
    ];
    let command = quick.command(&["run", "quickstart", "--devices", "12", "--rate", "50"], &sets);
    let ended = Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, outcome), census(&results, "completed")), (2, 10), "{}", ended.stdout);
    if !detail.is_empty() {
        assert_eq!(results["census_by"][outcome][detail], 2, "{}", results["census_by"]);
    }
    // Truth and observation agree.
    let row = &results["faults"][0];
    assert_eq!((&row["injected"], &row["observed"][outcome]), (&2.into(), &2.into()), "{row}");
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
