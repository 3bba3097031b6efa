//! Calling by jobs of the hub.

use crate::support::{ANY_CENSUS, QuickRun, Running, census};

const BY_JOB: [&str; 6] =
    ["--set", "load.via=job", "--set", "load.job_devices=25", "--set", "load.response_timeout=5s"];

#[test]
fn jobs_call_every_device_and_what_they_cannot_tell_is_not_measured() {
    let quick = QuickRun::new();
    let command = quick.command(&["run", "quickstart", "--devices", "60", "--rate", "100"], &BY_JOB);
    let ended = Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "completed"), census(&results, "unaccounted")), (60, 0));
    assert_eq!((&results["valid"], &results["plan"]["driver"]["via"]["devices"]), (&true.into(), &25.into()));
    let absent: Vec<&str> = results["absent"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for series in [
        "method.response",
        "method.response.error",
        "method.service",
        "method.service.error",
        "method.delivery",
        "transition.downloading",
    ] {
        assert!(absent.contains(&series) && results["series"][series].is_null(), "{series}");
    }
    for series in ["update.total", "update.overhead", "schedule.lag", "twin.ack.completed"] {
        assert_eq!(results["series"][series]["count"], 60, "{series}");
    }
    assert!(results["series"]["twin.visible.completed"]["count"].as_i64().unwrap() > 0);
    assert!(ended.stdout.contains("a job tells of a call no more than how it ended"), "{}", ended.stdout);
}

#[test]
fn each_device_of_a_job_ends_in_its_own_outcome() {
    let quick = QuickRun::new();
    let faults = "fault=[{ kind = \"reject\", status = 503, select = { ids = [3] } }, \
                  { kind = \"offline\", select = { ids = [4] } }, \
                  { kind = \"fail\", stage = \"applying\", code = \"boot_failed\", select = { ids = [5] } }, \
                  { kind = \"no_reply\", select = { ids = [6] } }]";
    let sets = ["--set", faults, "--set", ANY_CENSUS, "--set", "observe.stage_deadline=1500ms"];
    let sets = [&BY_JOB[..], &sets[..]].concat();
    let command = quick.command(&["run", "quickstart", "--devices", "12", "--rate", "50"], &sets);
    Running::start(command).wait().expect(0);
    let results = quick.results();
    for (outcome, count) in [("completed", 8), ("rejected", 1), ("not_online", 1), ("failed", 1), ("no_response", 1)] {
        assert_eq!(census(&results, outcome), count, "{outcome}: {}", results["census"]);
    }
    assert_eq!(results["census_by"]["rejected"]["503"], 1);
    for row in results["faults"].as_array().unwrap() {
        assert_eq!(row["injected"], 1, "{row}");
    }
}
