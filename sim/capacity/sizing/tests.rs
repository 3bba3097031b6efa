//! Figures by hand, and what always holds.

mod measured;

use proptest::prelude::*;

use super::*;
use crate::hub::{Operation, Tier};
use crate::profile::{self, Override};

fn demand(profile: &str, sets: &[&str]) -> Demand {
    let overrides: Vec<_> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
    let plan = profile::load(profile, &overrides).unwrap();
    Demand::of(&plan, plan.shards.unwrap_or(1))
}

fn size(profile: &str, sets: &[&str], tier: Tier, units: u32) -> Sizing {
    Sizing::of(&demand(profile, sets), tier, units)
}

#[track_caller]
fn close(value: f64, expected: f64) {
    assert!((value - expected).abs() <= 0.002 * expected.abs() + 1e-3, "{value}, not {expected}");
}

/// Delays of 2 s in all and a call at once, so that figures are round.
const ROUND: [&str; 4] =
    ["load.arrivals=constant", "firmware.wait=1s", "firmware.download=500ms", "firmware.apply=500ms"];

#[test]
fn times_are_those_of_a_calculation_by_hand() {
    let two_units = [&ROUND[..], &["fleet.devices=10000"]].concat();
    let sizing = size("quickstart", &two_units, Tier::S1, 2);
    // 10,000 standBy at 50/s, of which 3,000 pass at once.
    close(sizing.at_rates.connecting.s, 9_999.0 / 50.0);
    close(sizing.with_bursts.connecting.s, 7_000.0 / 50.0);
    // Ten pages of 1,000 devices and one of what changed, at 40/min, of which 40 pass at once.
    close(sizing.at_rates.first_look.s, 10.0 / (40.0 / 60.0));
    close(sizing.with_bursts.first_look.s, 0.0);
    // 30,000 reports at 50/s, the first after a second. What passes at once was used up before.
    close(sizing.at_rates.updating.s, 1.0 + 29_999.0 / 50.0);
    close(sizing.with_bursts.updating.s, 600.0);
    // The look that sees the last of them comes a quarter of a second later at most.
    close(sizing.takes_s, 199.98 + 15.0 + 600.98 + 0.25);
    assert_eq!((sizing.bound, sizing.binding), (Bound::Limit(Operation::TwinUpdate), Operation::TwinUpdate));

    // As measured: a run of it took 44.7 s.
    let sizing = size("tier-s1", &[], Tier::S1, 1);
    close(sizing.with_bursts.connecting.s, 1_299.0 / 500.0);
    assert_eq!(sizing.with_bursts.connecting.bound, Bound::ConnectRate);
    close(sizing.at_least_s, (5_200.0 - 3_000.0) / 50.0);

    // Waves: what passes at once comes back in the pauses between them, 2 x 4 s at 50/s.
    let sizing = size("canary-abort", &[], Tier::S2, 3);
    close(sizing.with_bursts.updating.s, (15_000.0 - 400.0) / 50.0);
    close(sizing.with_bursts.idle_s, 8.0);

    // Without a limit that is felt, the schedule is all there is: 999 gaps of 10 ms, and 2 s for the last update.
    let sizing = size("quickstart", &ROUND, Tier::S3, 10);
    assert_eq!((sizing.bound, sizing.at_rates.updating.bound), (Bound::Schedule, Bound::Schedule));
    close(sizing.takes_s - sizing.at_rates.total_s, 0.0);
    close(sizing.at_rates.updating.s, 9.99 + 2.0);
}

#[test]
fn the_long_run_is_bound_by_the_tightest_limit() {
    for (profile, sets, tier, units, updates_per_s, binding) in [
        ("quickstart", vec![], Tier::S1, 1, 50.0 / 3.0, Operation::TwinUpdate),
        ("quickstart", vec![], Tier::S1, 200, 50.0 / 3.0, Operation::TwinUpdate),
        ("quickstart", vec![], Tier::S2, 20, 100.0 / 3.0, Operation::TwinUpdate),
        ("quickstart", vec![], Tier::S3, 2, 500.0 / 3.0, Operation::TwinUpdate),
        ("scheduled-job", vec![], Tier::S1, 1, 10.0, Operation::JobDevice),
        // Of 92 looks in an update two are unavoidable, at once and at the end: the hub makes the others rarer.
        ("tutorial", vec![], Tier::F1, 1, 50.0 / 3.0, Operation::TwinUpdate),
        // Three reports and four of the download's progress.
        (
            "quickstart",
            vec!["firmware.image={ size = \"64KiB\", serve = true, progress = \"25%\" }"],
            Tier::S1,
            1,
            50.0 / 7.0,
            Operation::TwinUpdate,
        ),
    ] {
        let sizing = size(profile, &sets, tier, units);
        close(sizing.updates_per_s, updates_per_s);
        assert_eq!(sizing.binding, binding, "{profile} {sets:?}");
    }
    // Calls of three blocks of 4 KB each, were there a profile that makes them.
    let mut long = demand("quickstart", &[]);
    assert_eq!(long.per_update[&Operation::Method], 1.0);
    long.per_update.insert(Operation::Method, 3.0);
    let sizing = Sizing::of(&long, Tier::S1, 1);
    close(sizing.updates_per_s, 40.0 / 3.0);
    assert_eq!(sizing.binding, Operation::Method);
}

#[test]
fn messages_are_those_that_a_run_was_billed() {
    // Runs of both on the embedded hub were billed 8,700 and 1,452.
    for (profile, sets, tier, billed) in [
        ("tier-s1", &["observe.overlap=0s"][..], Tier::S1, 8_700.0),
        (
            "tutorial",
            &["fleet.devices=40", "load.in_flight=40", "firmware.wait=2s", "firmware.download=2s", "firmware.apply=2s"],
            Tier::F1,
            1_452.0,
        ),
    ] {
        let total = size(profile, sets, tier, 1).messages.total as f64;
        assert!((total / billed - 1.0).abs() < 0.05, "{profile}: {total}, not {billed}");
    }
    let messages = size("tier-s1", &[], Tier::S1, 1).messages;
    assert_eq!((messages.connecting, messages.calls, messages.reports), (1_300, 2_600, 3_900));
    // By jobs the calls are the hub's own: one message for each device.
    assert_eq!(size("scheduled-job", &[], Tier::S1, 1).messages.calls, 500);
}

#[test]
fn a_quota_that_is_used_up_counts_whole_days_and_what_is_left_on_the_last() {
    let sizing = size("hundred-thousand", &[], Tier::S1, 1);
    assert_eq!((sizing.messages.days, sizing.bound), (2, Bound::Quota));
    // 400,000 on the first day, and the other two fifths of what takes 2 h 20 m on the second.
    let (total, alone_s) = (sizing.messages.total as f64, sizing.at_rates.total_s);
    assert!((660_000.0..720_000.0).contains(&total) && (8_300.0..8_400.0).contains(&alone_s), "{total} {alone_s}");
    close(sizing.takes_s, 86_400.0 + alone_s * (total - 400_000.0) / total);
    // Whoever starts shortly before midnight has the messages of two days at once.
    close(sizing.at_least_s, sizing.with_bursts.total_s);
    assert!(sizing.findings.iter().any(|finding| finding.contains("a start shortly before 00:00 UTC")));
    // What is slow anyhow never uses up a day's.
    let messages = Messages { total: 1_000_000, per_day: 400_000, days: 3, ..sizing.messages };
    close(messages.takes_s(300_000.0), 300_000.0);
    close(messages.least_s(), 86_400.0);
    close(messages.takes_s(86_400.0), 2.0 * 86_400.0 + 0.2 * 86_400.0);
    assert!(sizing.findings.iter().any(|finding| finding.contains("400000")), "{:?}", sizing.findings);
    assert!(!sizing.keeps_up_with(Some(1.0)));
    assert_eq!(size("hundred-thousand", &[], Tier::S1, 2).messages.days, 1);
}

#[test]
fn an_observer_that_asks_too_often_is_told_how_often_it_may() {
    let observer = |profile, sets: &[&str], tier, units| size(profile, sets, tier, units).observer;
    let asked = observer("tier-s1", &[], Tier::S1, 1).unwrap();
    assert!(!asked.fits);
    close(asked.fits_every_s.unwrap(), 3.0);
    assert!(observer("tier-s1", &["observe.interval=3s"], Tier::S1, 1).unwrap().fits);
    assert!(observer("tier-s1", &[], Tier::S1, 3).unwrap().fits, "20/min for each unit");
    close(observer("tier-s1", &["fleet.shards=2"], Tier::S1, 1).unwrap().fits_every_s.unwrap(), 6.0);
    // 250 reports/s and 3 s of them, with a second that is asked for again, are one page.
    let busy = ["fleet.devices=100000", "observe.interval=30s"];
    let asked = observer("quickstart", &busy, Tier::S3, 1).unwrap();
    close(asked.per_s, 8.0 / 30.0);
    // Few looks in all pass at once.
    let few = [&ROUND[..], &["fleet.devices=10", "observe.interval=500ms"]].concat();
    assert!(observer("quickstart", &few, Tier::S1, 1).unwrap().fits);
}

#[test]
fn looks_at_an_interval_make_nothing_longer() {
    let polls = |interval: &str| {
        let interval = format!("observe.interval={interval}");
        size("tutorial", &["fleet.devices=400", "load.in_flight=400", &interval], Tier::S1, 1)
    };
    let (often, rarely) = (polls("500ms"), polls("45s"));
    let alone = |sizing: &Sizing| (sizing.at_rates.updating.s, sizing.at_least_s);
    assert_eq!(alone(&often), alone(&rarely));
    assert_eq!(often.updates_per_s, rarely.updates_per_s);
    let (asked, borne) = (often.observer.unwrap(), rarely.observer.unwrap());
    assert_eq!((asked.operation, asked.fits, borne.fits), (Operation::TwinRead, false, true));
    // 400 updates in 45 s want 92 looks each; 100/s are allowed.
    close(asked.per_s, 400.0 * 92.0 / 45.0);
    assert_eq!(asked.fits_every_s, Some(4.9));
    close(borne.in_all, 400.0);
    // What is read is what the hub lets through.
    let read = often.need(Operation::TwinRead).unwrap();
    assert!((4_300.0..=4_500.0).contains(&read.in_all), "{}", read.in_all);

    let jobs = |sets: &[&str], tier| size("scheduled-job", sets, tier, 1).job_looks;
    assert_eq!(jobs(&[], Tier::S1), None, "500 calls pass at once");
    let asked = jobs(&["fleet.devices=5000"], Tier::S1).unwrap();
    // One job runs, for 440 s in all, and is asked for every 250 ms; fifty are scheduled. 100/min are allowed.
    close(asked.per_s, 4.0 + 50.0 / 440.0);
    assert_eq!((asked.fits, asked.fits_every_s), (false, Some(0.7)));
    assert!(jobs(&["fleet.devices=5000", "observe.interval=700ms"], Tier::S1).unwrap().fits);
    let five = jobs(&["fleet.devices=5000", "load.rate=1000"], Tier::S2).unwrap();
    assert_eq!((five.fits, five.fits_every_s), (false, Some(3.3)), "five run at once");
}

#[test]
fn what_settles_is_counted_and_is_no_rate_to_keep_up_with() {
    let settled = ["load.settle={ over = \"60s\", factor = 2, pause = \"1s\" }", "threshold=[]"];
    let (with, without) = (demand("quickstart", &[&ROUND[..], &settled].concat()), demand("quickstart", &ROUND));
    assert_eq!((with.updates, without.updates), (13_000, 1_000));
    assert_eq!((with.own_rate, without.own_rate), (Some(100.0), Some(100.0)));
    let updating = |demand| Sizing::of(demand, Tier::S3, 10).at_rates.updating.s;
    close(updating(&with), 61.0 + updating(&without));

    let connecting = demand("quickstart", &["fleet.connect_settle={ over = \"1s\", factor = 1, pause = \"10s\" }"]);
    close(connecting.connect_s, 10.0 + without.connect_s);
}

#[test]
fn a_load_without_a_rate_of_its_own_wants_none() {
    let at_once =
        ["load.kind=closed", "load.in_flight=1", "firmware.wait=0s", "firmware.download=0s", "firmware.apply=0s"];
    let demand = demand("quickstart", &[&at_once[..], &["observe.interval=3s"]].concat());
    assert_eq!(demand.own_rate, None);
    let answer = Answer::of(&demand, Some((Tier::S1, 1)), None);
    let text = sizing_text(&answer);
    assert!(text.contains("the plan wants as many as there can be"), "{text}");
    // The free tier has room for half of the devices.
    assert_eq!(answer.smallest, Some(Enough { tier: Tier::S1, units: 1 }));
}

#[test]
fn faults_are_named_as_not_counted() {
    for profile in ["throttled-hub", "reconnect-storm"] {
        let plan = profile::load(profile, &[]).unwrap();
        let text = sizing_text(&Answer::of(&Demand::of(&plan, 1), Some((Tier::S1, 1)), None));
        let named = format!("by [[fault]] ({}", plan.faults[0].name);
        assert!(text.contains(&named), "{text}");
    }
}

#[test]
fn what_is_no_time_at_all_is_told_in_words_and_devices_that_do_not_fit_by_name() {
    let sizing = size("tier-s1", &[], Tier::S1, 1);
    let asked = |deadline_s| sizing_text(&Answer::of(&demand("tier-s1", &[]), Some((Tier::S1, 1)), Some(deadline_s)));
    let text = asked(sizing.takes_s - 0.001);
    assert!(text.contains("missed by less than 0.1 s"), "{text}");
    let answer = Answer::of(&demand("quickstart", &[]), Some((Tier::F1, 1)), None);
    assert_eq!((answer.hub.as_ref().unwrap().bound, answer.tiers[0].sizes[0].bound), (Bound::Devices, Bound::Devices));
    assert!(sizing_json(&answer).unwrap().contains("\"bound\": \"devices\""));
}

#[test]
fn days_of_messages_are_told_of_every_tier_that_needs_them() {
    let text = sizing_text(&Answer::of(&demand("hundred-thousand", &[]), Some((Tier::S3, 1)), Some(14_400.0)));
    let text = text.replace("\n           ", " ");
    assert!(text.contains("the messages of 2 days are needed, and a day of UTC has 400000, on S1 x 1"), "{text}");
}

#[test]
fn keys_of_the_profiles_own_hub_are_named_as_not_counted() {
    let uncounted = |sets: &[&str]| demand("quickstart", sets).uncounted;
    assert_eq!(uncounted(&[]), Vec::<&str>::new());
    assert_eq!(uncounted(&["hub.tier=S1"]), Vec::<&str>::new(), "it is what is sized");
    let own = [
        "hub.throttle.methods={ rate = \"5/s\" }",
        "hub.service={ methods = \"exp 5ms\", servers = 4 }",
        "hub.slow.twin_ack=1s",
        "fleet.shards=2",
        "hub.instances=2",
    ];
    let demand = demand("quickstart", &own);
    assert_eq!(demand.uncounted, ["hub.throttle", "hub.service", "hub.slow", "hub.instances"]);
    for hub in [None, Some((Tier::S1, 1))] {
        let text = sizing_text(&Answer::of(&demand, hub, None));
        assert!(text.contains("hub.throttle, hub.service, hub.slow"), "{text}");
    }
}

#[test]
fn what_cannot_go_well_is_told_with_the_way_out() {
    for (profile, sets, tier, says) in [
        ("quickstart", vec![], Tier::F1, "F1 x 1 holds 500 devices at most, and the plan has 1000: take S1 or more"),
        ("quickstart", vec!["fleet.devices=1000001"], Tier::S3, "spread them over several hubs"),
        (
            "tutorial",
            vec!["fleet.devices=400", "load.in_flight=400"],
            Tier::S1,
            "set observe.interval to 4.9s or more, or let observe.kind be query",
        ),
        ("scheduled-job", vec!["fleet.devices=5000"], Tier::S1, "set load.rate to 10/s or less"),
        ("scheduled-job", vec!["fleet.devices=5000"], Tier::S1, "set observe.interval to 0.7s or more"),
        ("million", vec![], Tier::S2, "raise fleet.token_life"),
    ] {
        let sizing = size(profile, &sets, tier, 1);
        assert!(sizing.findings.iter().any(|finding| finding.contains(says)), "{says}: {:?}", sizing.findings);
    }
    assert_eq!(size("quickstart", &["observe.interval=3s"], Tier::S1, 1).findings, Vec::<String>::new());
}

#[test]
fn the_smallest_hub_is_of_the_first_tier_that_has_one() {
    let enough = |profile, deadline_s| {
        let answer = Answer::of(&demand(profile, &[]), None, deadline_s);
        let units: Vec<_> = answer.tiers.iter().map(|tier| tier.enough_units).collect();
        (units, answer.smallest.map(|hub| (hub.tier, hub.units)), answer.met)
    };
    let hour = 3_600.0;
    const PATIENT: [&str; 1] = ["retry.method={ policy = \"fixed\", delay = \"10s\", max_attempts = 1000 }"];
    let patient = |profile, deadline_s| {
        let answer = Answer::of(
            &demand(profile, &[&PATIENT[..], &["observe.stage_deadline=24h"]].concat()),
            None,
            Some(deadline_s),
        );
        (answer.tiers.iter().map(|tier| tier.enough_units).collect::<Vec<_>>(), answer.smallest_with_patience)
    };
    assert_eq!(patient("hundred-thousand", 4.0 * hour), (vec![None, Some(2), Some(1), Some(1)], None));
    // Within a minute from stage to stage, 2,000 updates/s for 50 s take more than what meets the deadline.
    let impatient = Answer::of(&demand("hundred-thousand", &[]), None, Some(4.0 * hour));
    assert_eq!(impatient.smallest, Some(Enough { tier: Tier::S3, units: 9 }));
    assert_eq!(impatient.smallest_with_patience, Some(Enough { tier: Tier::S1, units: 2 }));
    // 1,030,000 reports in what is left of the hour after ten minutes of idle time.
    assert_eq!(patient("million", hour), (vec![None, None, Some(70), Some(2)], None));
    assert_eq!(enough("quickstart", Some(1.0)), (vec![None; 4], None, Some(false)));
    // 100 updates/s are 300 reports/s: 60 units at 5/s each, or two at 250/s.
    assert_eq!(enough("quickstart", None), (vec![None, None, Some(60), Some(2)], Some((Tier::S2, 60)), None));
    // Its observer, which nobody asked about, makes more queries than it may.
    let text = sizing_text(&Answer::of(&demand("hundred-thousand", &[]), None, Some(4.0 * hour)));
    assert!(text.contains("  warning  the observer makes ") && text.contains("S1 x 2 allows 40:"), "{text}");
    let asked = |units| Answer::of(&demand("tier-s1", &[]), Some((Tier::S2, units)), Some(60.0)).met;
    assert_eq!((asked(1), asked(200)), (Some(false), Some(true)), "of the hub that was asked for");
}

/// A plan whose figures are round on any machine.
fn round_job() -> Answer {
    let sets = [&ROUND[..], &["fleet.devices=200"]].concat();
    Answer::of(&demand("scheduled-job", &sets), Some((Tier::S1, 1)), Some(60.0))
}

#[test]
fn the_answer_for_people_and_for_programs() {
    let asked = Answer::of(&demand("tier-s1", &[]), Some((Tier::S1, 1)), Some(60.0));
    let text = sizing_text(&asked);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!("hub", text);
    insta::assert_snapshot!("no_hub", sizing_text(&Answer::of(&demand("hundred-thousand", &[]), None, None)));
    insta::assert_snapshot!("json", sizing_json(&round_job()).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn more_units_never_take_longer(
        devices in 1_u32..200_000, rate in 1_u32..3_000, interval in 1_u32..200, tier in 0_usize..4,
        units in (1_u32..=200, 1_u32..=200), kind in 0_usize..5,
    ) {
        let tier = Tier::ALL[tier];
        let (devices, rate) = (format!("fleet.devices={devices}"), format!("load.rate={rate}"));
        let interval = format!("observe.interval={}ms", interval * 50);
        let more = [
            &[][..],
            &["observe.kind=poll"],
            &["load.via=job", "threshold=[]"],
            &["rollout.waves=[\"1%\", \"10%\", \"100%\"]", "rollout.pause=7s", "rollout.growth=2.0"],
            &["hub.kind=azure", "load.hold=20s"],
        ][kind];
        // A roll-out's first wave has one device at least.
        let devices = if kind == 3 { "fleet.devices=5000".to_owned() } else { devices };
        let sets = [&ROUND[..], &[&devices, &rate, &interval], more].concat();
        let demand = demand("quickstart", &sets);
        let (few, many) = (units.0.min(units.1), units.0.max(units.1));
        let (few, many) = (Sizing::of(&demand, tier, few), Sizing::of(&demand, tier, many));
        let tiny = 1e-6 * few.takes_s + 1e-6;
        prop_assert!(many.takes_s <= few.takes_s + tiny, "{} x {}: {} > {}", tier.name(), many.units, many.takes_s, few.takes_s);
        prop_assert!(many.at_least_s <= few.at_least_s + tiny);
        prop_assert!(many.updates_per_s >= few.updates_per_s);
        for sizing in [&few, &many] {
            prop_assert!(sizing.bound != Bound::Quota || sizing.messages.days > 1, "a day's messages bind within a day");
            prop_assert!(sizing.at_least_s <= sizing.takes_s + tiny, "what passes at once makes nothing longer");
        }
    }
}
