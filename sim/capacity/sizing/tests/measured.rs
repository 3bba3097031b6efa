//! What is told, beside what runs on the embedded hub have shown of the same plans.

use super::*;

/// 100 ms each, and how long applying takes.
fn short(apply: &str) -> Vec<String> {
    let apply = format!("firmware.apply={apply}");
    ["firmware.wait=100ms", "firmware.download=100ms", &apply].map(str::to_owned).to_vec()
}

fn sized(profile: &str, sets: &[String], tier: Tier) -> Sizing {
    size(profile, &sets.iter().map(String::as_str).collect::<Vec<_>>(), tier, 1)
}

#[test]
fn a_roll_out_ends_with_its_last_device() {
    // A run took 33.6 s; by the mean of 5 s it would have been over after 16 s.
    let sizing = sized("capacity-s1", &short("exp 5s"), Tier::S1);
    assert!((30.6..=33.6).contains(&sizing.at_least_s), "{}", sizing.at_least_s);
    assert!((33.6..=42.0).contains(&sizing.takes_s) && !sizing.meets(16.0), "{}", sizing.takes_s);

    // A lone device draws what it draws, which may be less than three means: a run took 24.4 s, and
    // with other seeds it is over sooner.
    let exp = |seed: u32| {
        let seed = format!("seed={seed}");
        let delays = ["firmware.wait=exp 5s", "firmware.download=exp 5s", "firmware.apply=exp 5s"];
        size("capacity-s1", &[&delays[..], &["fleet.devices=1", &seed]].concat(), Tier::S1, 1)
    };
    let drawn: Vec<f64> = (0..20).map(|seed| exp(seed).at_least_s).collect();
    assert!(drawn.iter().any(|at_least_s| *at_least_s < 9.0), "{drawn:?}");
    let seven = exp(7);
    assert!((21.3..=24.4).contains(&seven.at_least_s) && (24.4..=32.0).contains(&seven.takes_s), "{seven:?}");

    // 400 devices of one to three hours: the last needs three.
    let hours = ["fleet.devices=400", "firmware.apply=uniform 1h..3h", "observe.stage_deadline=4h"];
    let hours = size("quickstart", &hours, Tier::S1, 1);
    assert!((10_700.0..=10_900.0).contains(&hours.at_least_s) && !hours.meets(7_800.0), "{}", hours.at_least_s);
    assert_eq!(hours.bound, Bound::Device, "seconds that calls wait for are not what three hours are due to");
}

#[test]
fn each_wave_pays_its_slowest_device_and_a_look() {
    let sets = |waves: &str| {
        let more = ["fleet.devices=90", "load.rate=100", "observe.interval=2s", waves].map(str::to_owned);
        [short("uniform 1s..9s"), more.to_vec()].concat()
    };
    let one = sized("capacity-s1", &sets("rollout.waves=[90]"), Tier::S3);
    let three = sized("capacity-s1", &sets("rollout.waves=[30, 60, 90]"), Tier::S3);
    // The slowest of ninety is the slowest of one of the three.
    assert!(three.at_least_s > 2.5 * one.at_least_s - 2.0, "{} {}", three.at_least_s, one.at_least_s);
    // A run of it took 34.6 s. That a wave is over is told once a second.
    close(three.at_rates.last_looks.s, 3.0 * 2.0 + 2.0 * 1.0);
    assert!(three.at_least_s < 34.6 && three.takes_s > 34.6, "{three:?}");
    close(one.at_rates.last_looks.s, 2.0);
}

#[test]
fn a_job_is_due_with_the_first_of_its_calls() {
    // A run took 4.7 s: a job for all devices is due at once.
    let sets = ["load.rate=5", "load.job_devices=500", "firmware.wait=1s", "firmware.download=1s", "firmware.apply=1s"];
    let sizing = size("scheduled-job", &sets, Tier::S1, 1);
    close(sizing.with_bursts.updating.s, 3.0);
    assert!((3.9..=4.7).contains(&sizing.at_least_s), "{}", sizing.at_least_s);
    // Of five jobs of a hundred the last is due with its first call, the 400th, after 8 s.
    let five = size("scheduled-job", &ROUND, Tier::S3, 10);
    close(five.with_bursts.updating.s, 8.0 + 2.0);
    // Each of two shards makes jobs of its own devices: as many, and each twice as long apart.
    let plan = profile::load("scheduled-job", &ROUND.map(|set| Override::set(set).unwrap())).unwrap();
    close(Sizing::of(&Demand::of(&plan, 2), Tier::S3, 10).with_bursts.updating.s, 8.0 + 2.0);
}

#[test]
fn what_would_be_given_up_is_told_and_is_no_met_deadline() {
    // A run of it completed 1,365 updates, and gave up 1,635 as stuck; reports waited for 159 s at most.
    let stuck = ["fleet.devices=3000", "observe.interval=3s"];
    let sizing = size("tier-s1", &stuck, Tier::S1, 1);
    assert!(sizing.gives_up && !sizing.meets(600.0) && sizing.would_meet(600.0));
    let told = sizing.findings.join("\n");
    assert!(told.contains("reports wait for up to 148s") && told.contains("observe.stage_deadline is 60s"), "{told}");
    assert!(told.contains("set load.rate to 16.66/s or less"), "{told}");
    let answer = Answer::of(&demand("tier-s1", &stuck), Some((Tier::S1, 1)), Some(600.0));
    assert_eq!((answer.met, answer.tiers[1].enough_units), (Some(false), None));
    assert_eq!(answer.smallest.map(|hub| hub.tier), Some(Tier::S2));
    // The hub has time enough, if calls come at its pace.
    assert_eq!(answer.smallest_with_patience, Some(Enough { tier: Tier::S1, units: 1 }));
    let text = sizing_text(&answer);
    assert!(text.contains("missed, as updates would be given up") && text.contains("*if nobody gave up"), "{text}");
    let text = sizing_text(&Answer::of(&demand("tier-s1", &stuck), None, Some(600.0)));
    let text = text.replace("\n           ", " ").replace("\n  ", " ");
    assert!(text.contains("With more patience, or fewer calls at once, S1 x 1 would do"), "{text}");
    assert!(text.contains("warning  reports wait for up to 148s"), "{text}");
    let patient = ["fleet.devices=3000", "observe.interval=3s", "observe.stage_deadline=10m"];
    assert!(size("tier-s1", &patient, Tier::S1, 1).meets(600.0));

    // As measured: of 1,300 none is lost.
    assert!(!size("tier-s1", &[], Tier::S1, 1).gives_up);
    // In a closed load nobody waits behind more than those in progress.
    let closed = |in_flight| {
        let sets = ["load.kind=closed", in_flight, "fleet.devices=3000", "observe.interval=3s"];
        size("quickstart", &sets, Tier::S1, 1)
    };
    assert!(!closed("load.in_flight=816").gives_up);
    let told = closed("load.in_flight=2900").findings.join("\n");
    assert!(told.contains("set load.in_flight to 816 or less"), "{told}");
}

#[test]
fn what_calls_wait_for_reports_do_not_wait_for_again() {
    // By jobs no more than ten devices a second are called, so that their reports never fill the limit of 50/s.
    let sizing = size("scheduled-job", &["fleet.devices=5000", "observe.interval=3s"], Tier::S1, 1);
    assert!(!sizing.gives_up && sizing.with_bursts.waits.report_s < 30.0, "{:?}", sizing.with_bursts.waits);
    assert_eq!(sizing.at_rates.updating.bound, Bound::Limit(Operation::JobDevice));
    assert!((499.0..510.0).contains(&sizing.at_rates.updating.s), "{:?}", sizing.at_rates.updating);
}

#[test]
fn calls_that_are_tried_no_more_are_told() {
    // A run at 1,000 calls a second let 3,009 through, and 991 updates ended as `throttled`. 4,000 at once, of which 2,400 pass: the last waits for 40 s, and retries last for 1.5 s after a queue of 10 s.
    let sets = ["fleet.devices=4000", "load.rate=4000", "observe.stage_deadline=10m", "observe.interval=3s"];
    let sizing = size("quickstart", &sets, Tier::S1, 1);
    let told = sizing.findings.join("\n");
    assert!(sizing.gives_up && told.contains("more than 10s is refused (429)"), "{told}");
    assert!(told.contains("by retry.method for 1.5s at most") && told.contains("set load.rate to 40/s"), "{told}");
    let patient = [&sets[..], &["retry.method={ policy = \"fixed\", delay = \"10s\", max_attempts = 6 }"]].concat();
    assert!(!size("quickstart", &patient, Tier::S1, 1).gives_up);
}

/// Telemetry of 200 devices every second, on the free tier.
const TELEMETRY: [&str; 6] = [
    "fleet.devices=200",
    "telemetry.interval=1s",
    "telemetry.size=256B",
    "telemetry.qos=1",
    "load.rate=5",
    "load.lasts=60s",
];

#[test]
fn telemetry_is_throttled_billed_and_goes_on_for_as_long_as_the_plan_says() {
    let sizing = size("quickstart", &TELEMETRY, Tier::F1, 1);
    let need = sizing.need(Operation::Telemetry).unwrap();
    assert_eq!((need.beside_per_s, need.limit_per_s, need.in_all), (200.0, 100.0, 12_000.0));
    assert_eq!((sizing.messages.telemetry, sizing.messages.days), (12_000, 2));
    // The load lasts for 60 s, and connecting comes before. What is lost is not sent the next day.
    assert!(sizing.at_least_s >= 60.0 && sizing.takes_s <= 70.0, "{sizing:?}");
    assert_eq!(sizing.bound, Bound::Lasts);
    let told = sizing.findings.join("\n");
    assert!(told.contains("200 messages/s of telemetry, and F1 x 1 allows 100"), "{told}");
    // A run of it was billed 8,028 messages; then connections were closed, and 55 of 200 updates ended as `hub_error`.
    assert!(told.contains("the messages of 2 days are needed with telemetry, and a day of UTC has 8000"), "{told}");
    assert!(told.contains("set telemetry.interval to 2.25 times as much or more"), "{told}");
    assert!(sizing.throws_off && !sizing.would_meet(1e9));
    // A minute's worth passes at once, so that nobody is thrown off within the minute; in the long run it is too much.
    let sizing = size("quickstart", &TELEMETRY, Tier::S1, 1);
    assert!(!sizing.throws_off && !sizing.keeps_up_with(Some(5.0)));
    // A run of two minutes was refused 830 messages, and its devices reconnected 732 times.
    let longer = [&TELEMETRY[..], &["load.lasts=2m"]].concat();
    let sizing = size("quickstart", &longer, Tier::S1, 1);
    assert!(
        sizing.throws_off && !sizing.would_meet(1e9) && sizing.findings.join("\n").contains("thrown off"),
        "{:?}",
        sizing.findings
    );
    let rare = [&TELEMETRY[..], &["load.lasts=10m", "telemetry.interval=2s"]].concat();
    let rare = size("quickstart", &rare, Tier::S1, 1);
    assert!(!rare.throws_off && rare.keeps_up_with(Some(5.0)) && rare.meets(620.0) && !rare.meets(600.0));
    // A message of more than a block is billed for each.
    let large = [&TELEMETRY[..], &["telemetry.size=600B"]].concat();
    assert_eq!(size("quickstart", &large, Tier::F1, 1).messages.telemetry, 24_000);
    // Without a time of its own it goes on to the end of the load.
    let own = size("quickstart", &[&TELEMETRY[..], &["load.lasts=0s"]].concat(), Tier::S1, 1);
    assert!((8_000..14_000).contains(&own.messages.telemetry), "{:?}", own.messages);
    let text = sizing_text(&Answer::of(&demand("quickstart", &TELEMETRY), Some((Tier::F1, 1)), None));
    assert!(text.contains("telemetry 12000") && text.contains("lasting"), "{text}");
}

#[test]
fn connections_that_come_and_go_are_new_connections_and_miss_messages() {
    let churn = ["fleet.churn={ up = \"3s\", down = \"1s\" }", "load.lasts=10m"];
    let sizing = size("quickstart", &[&TELEMETRY[..], &["fleet.devices=500"], &churn].concat(), Tier::S1, 1);
    let connect = sizing.need(Operation::Connect).unwrap();
    assert_eq!((connect.beside_per_s, connect.in_all), (125.0, 500.0 + 125.0 * 600.0));
    assert_eq!(sizing.need(Operation::Telemetry).unwrap().beside_per_s, 375.0);
    let told = sizing.findings.join("\n");
    assert!(told.contains("devices come back 125 times/s, and S1 x 1 allows 100"), "{told}");
}

#[test]
fn long_versions_are_billed_where_reports_name_them() {
    // Runs on F1 were billed 1,036 messages with a version of 1,200 characters, and 655 without.
    let long = format!("firmware.new_version={}", "2".repeat(1_200));
    let sets = ["fleet.devices=60", "load.rate=10", "observe.overlap=0s", "observe.interval=3s"];
    let messages = |more: &[&str]| size("quickstart", &[&sets[..], more].concat(), Tier::F1, 1).messages;
    let (short, long) = (messages(&[]), messages(&[&long]));
    assert_eq!(long.reports - short.reports, 60 * 2, "only the last report names the new version");
    assert_eq!(long.calls - short.calls, 60 * 2);
    for (messages, billed) in [(short, 655.0), (long, 1_036.0)] {
        assert!((messages.total as f64 / billed - 1.0).abs() < 0.08, "{messages:?}, not {billed}");
    }
    let none = messages(&["firmware.new_version=", "firmware.version="]);
    assert_eq!(none.reports, short.reports);
}
