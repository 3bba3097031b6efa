//! The main job: hub, fleet and driver in one run.

use crate::support::{QuickRun, Running, census, run};

#[test]
fn a_run_updates_every_device_and_says_so() {
    let quick = QuickRun::new();
    let command = quick.command(&["run", "quickstart", "--devices", "120", "--rate", "100"], &[]);
    let ended = Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!(results["schema"], "twinstorm.results/1");
    assert_eq!(
        (census(&results, "planned"), census(&results, "completed"), census(&results, "unaccounted")),
        (120, 120, 0)
    );
    assert_eq!(
        (&results["valid"], &results["verdict"], &results["exit_code"]),
        (&true.into(), &"pass".into(), &0.into())
    );
    for series in [
        "connect",
        "method.response",
        "method.service",
        "method.delivery",
        "twin.ack.standBy",
        "twin.ack.downloading",
        "twin.ack.applying",
        "twin.ack.completed",
        "update.total",
        "update.overhead",
        "schedule.lag",
    ] {
        assert_eq!(results["series"][series]["count"], 120, "{series}");
    }
    // A look may find that a stage came and went: then there is no sample, but it is counted.
    let seen_late = results["observer"]["seen_late"].as_i64().unwrap();
    for stage in ["downloading", "applying", "completed"] {
        let seen = results["series"][format!("transition.{stage}")]["count"].as_i64().unwrap();
        assert!(seen <= 120 && seen + seen_late >= 120, "{stage}: {seen} seen, {seen_late} late");
    }
    assert!(results["hub"]["rss_peak_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(results["generator"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(results["absent"].as_array().unwrap().len(), 0);
    assert!(ended.stdout.contains("completed") && ended.stdout.contains("results.json"), "{}", ended.stdout);
    assert!(ended.stderr.lines().any(|line| line.contains("connected")), "a line a second: {}", ended.stderr);
    assert!(quick.file("histograms.hlog").contains("Tag=update.total,"));
}

#[test]
fn a_closed_load_keeps_so_many_updates_in_progress() {
    let quick = QuickRun::new();
    let sets = ["--set", "load.kind=closed", "--set", "load.in_flight=10"];
    Running::start(quick.command(&["run", "quickstart", "--devices", "40"], &sets)).wait().expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "completed"), 40);
    assert!(results["rate"]["offered_per_s"].is_null());
    // Four rounds of at least 300 ms each.
    let duration = results["duration_s"].as_f64().unwrap();
    assert!(duration > 1.2, "{duration}");
}

#[test]
fn polling_observes_the_same_updates() {
    let quick = QuickRun::new();
    let sets = ["--set", "observe.kind=poll"];
    Running::start(quick.command(&["run", "quickstart", "--devices", "30", "--rate", "60"], &sets)).wait().expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "completed"), 30);
    assert_eq!(results["observer"]["kind"], "poll");
}

#[test]
fn the_tutorial_tells_its_story() {
    let quick = QuickRun::new();
    // The tutorial's texts and order; its 45 seconds are shortened.
    let sets = ["--set", "observe.interval=50ms"];
    let ended = Running::start(quick.command(&["run", "tutorial"], &sets)).wait().expect(0);
    let story = [
        "Device twins initialized.",
        "Direct Method called.",
        "Starting firmware update.",
        "Firmware update started",
        "Waiting on device...",
        "Downloading image from: {\"fwPackageUri\":\"https://secureURL\"}",
        "Downloading firmware...",
        "Applying image from:",
        "Download complete, applying firmware...",
        "Image applied.",
        "Firmware applied",
        "Get reported properties from device twin:",
        "\"firmwareStatus\":\"completed\"",
    ];
    let mut rest = ended.stdout.as_str();
    for line in story {
        let at = rest.find(line).unwrap_or_else(|| panic!("`{line}` is missing or out of order in\n{}", ended.stdout));
        rest = &rest[at..];
    }
    assert!(ended.stdout.contains("SharedAccessKey=****"), "{}", ended.stdout);
}

#[test]
fn a_trace_holds_every_step_of_one_update() {
    let quick = QuickRun::new();
    let command = quick.command(&["run", "quickstart", "--devices", "20", "--rate", "50", "--trace", "7"], &[]);
    Running::start(command).wait().expect(0);
    let trace = quick.file("trace-sim-0000007.txt");
    for step in [
        "published standBy",
        "call due",
        "call sent, attempt 1",
        "received method firmwareUpdate",
        "answered 200",
        "published downloading",
        "published applying",
        "published completed",
        "report completed answered 204",
        "saw completed",
        "ended: completed",
    ] {
        assert!(trace.contains(step), "`{step}` is missing in\n{trace}");
    }
}

#[test]
fn the_same_seed_plans_the_same_run() {
    let plans: Vec<_> = [7, 7, 8]
        .map(|seed: u64| {
            let quick = QuickRun::new();
            let seed = seed.to_string();
            let words = ["run", "quickstart", "--devices", "25", "--rate", "50", "--seed", &seed, "--trace", "3"];
            Running::start(quick.command(&words, &[])).wait().expect(0);
            let trace = quick.file("trace-sim-0000003.txt");
            // The number of the update that calls device 3 comes from the seed alone.
            let id =
                trace.split("\\\"updateId\\\":\\\"").nth(1).or_else(|| trace.split("\"updateId\":\"").nth(1)).unwrap();
            let id = id.split(['"', '\\']).next().unwrap().rsplit_once('-').unwrap().1.to_owned();
            (id, quick.results()["plan"].clone())
        })
        .into();
    assert_eq!(plans[0], plans[1]);
    assert_ne!(plans[0].1, plans[2].1);
}

#[test]
fn the_answers_to_the_last_reports_are_waited_for() {
    let quick = QuickRun::new();
    let sets = ["--set", "hub.slow.twin_ack=1s"];
    Running::start(quick.command(&["run", "quickstart", "--devices", "20", "--rate", "100"], &sets)).wait().expect(0);
    let results = quick.results();
    assert_eq!(results["series"]["twin.ack.completed"]["count"], 20);
    assert!(results["series"]["twin.ack.completed"]["min_us"].as_u64().unwrap() >= 990_000, "three digits exact");
}

#[test]
fn a_lost_answer_is_decided_by_the_twin() {
    let quick = QuickRun::new();
    // The hub answers calls so late that the client has given up, while the devices are at work all along.
    let sets =
        ["--set", "hub.slow.method_answer=20s", "--set", "load.response_timeout=5s", "--set", "retry.method=none"];
    let command = quick.command(&["run", "quickstart", "--devices", "5", "--rate", "50"], &sets);
    Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "completed"), census(&results, "unaccounted")), (5, 0));
    assert_eq!(results["series"]["method.response.error"]["count"], 5);
}

#[test]
fn help_and_profiles_are_at_hand() {
    assert!(run(&["--help"]).expect(0).stdout.contains("quickstart"));
    assert!(run(&["profile", "list"]).expect(0).stdout.contains("tutorial"));
    assert!(run(&["profile", "show", "quickstart"]).expect(0).stdout.contains("[observe]"));
    run(&["profile", "check", "quickstart"]).expect(0);
}
