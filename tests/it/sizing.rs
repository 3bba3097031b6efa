//! `twinstorm plan`: what hub a profile needs.

use serde_json::Value;

use crate::support::run;

#[test]
fn a_hub_is_sized_by_the_tables_and_nothing_runs() {
    let told = run(&["plan", "tier-s1", "--format", "json"]).expect(0);
    let answer: Value = serde_json::from_str(&told.stdout).unwrap();
    let hub = &answer["hub"];
    assert_eq!((hub["tier"].as_str(), hub["units"].as_u64()), (Some("S1"), Some(1)), "the profile's own");
    assert_eq!(hub["binding"], "twin_update");
    let updates = hub["updates_per_s"].as_f64().unwrap();
    assert!((updates - 50.0 / 3.0).abs() < 1e-9, "{updates}");
    assert_eq!(answer["sources"][0]["page"], "iot-hub-devguide-quotas-throttling");

    // A tier that is the profile's own keeps its units, and none of another's.
    let units = |tier: &str| {
        let told = run(&["plan", "tier-s1", "--set", "hub.units=5", "--tier", tier, "--format", "json"]).expect(0);
        let answer: Value = serde_json::from_str(&told.stdout).unwrap();
        answer["hub"]["units"].as_u64()
    };
    assert_eq!((units("S1"), units("S2")), (Some(5), Some(1)));

    // What changes a plan for a run changes it here.
    let changed = ["plan", "quickstart", "--devices", "300", "--rate", "5", "--set", "observe.interval=3s"];
    let told = run(&[&changed[..], &["--tier", "F1"]].concat()).expect(0);
    assert!(told.stdout.starts_with("quickstart on F1 x 1: 300 devices, 5 method calls/s\n"), "{}", told.stdout);
    let told = run(&changed).expect(0);
    assert!(told.stdout.replace("\n ", "").contains("the smallest tier is F1 x 1."), "{}", told.stdout);

    // A run here has as many shards as descriptors ask for, each of which observes.
    let three = ["--devices", "300", "--set", "load.max_in_flight=8", "--set", "fleet.max_descriptors=320"];
    let told = run(&[&["plan", "quickstart"], &three[..]].concat()).expect(0);
    assert!(told.stdout.contains("counted: one hub; 3 shards, each of which observes"), "{}", told.stdout);
}

#[test]
fn a_missed_deadline_is_told_by_the_exit_code() {
    run(&["plan", "tier-s1", "--deadline", "4h"]).expect(0);
    let told = run(&["plan", "tier-s1", "--deadline", "1m"]).expect(99);
    assert!(told.stdout.contains("deadline   1 m 00 s: missed by "), "{}", told.stdout);
    run(&["plan", "tier-s1", "--tier", "S3", "--units", "10", "--deadline", "1m"]).expect(0);
    // Two fifths of its messages are left at midnight.
    run(&["plan", "hundred-thousand", "--rate", "16", "--tier", "S1", "--deadline", "24h"]).expect(99);
    run(&["plan", "hundred-thousand", "--rate", "16", "--tier", "S1", "--deadline", "26h"]).expect(0);
    // At its own 2,000 calls a second it would have time enough, and give up most of its updates.
    let told = run(&["plan", "hundred-thousand", "--tier", "S1", "--deadline", "26h"]).expect(99);
    assert!(told.stdout.contains("missed, as updates would be given up"), "{}", told.stdout);
    // Without a hub: whether there is any.
    run(&["plan", "quickstart", "--deadline", "1m"]).expect(0);
    run(&["plan", "quickstart", "--deadline", "1s"]).expect(99);
}

#[test]
fn what_no_hub_can_be_is_wrong_usage() {
    for (words, says) in [
        (&["quickstart", "--units", "3"][..], "of which tier? Say --tier"),
        (&["quickstart", "--tier", "s1"], "allowed are F1, S1, S2, S3"),
        (&["quickstart", "--tier", "S3", "--units", "11"], "a hub of the tier S3 has from 1 to 10"),
        (&["quickstart", "--tier", "S1", "--units", "0"], "0 is not in 1..=200"),
        (&["quickstart", "--deadline", "soon"], "is not a duration"),
        (&["quickstart", "--deadline", "0s"], "longer than nothing"),
        (&["quickstart", "--deadline", "-5s"], "`-5s` is not a duration"),
        (&["nowhere"], "there is no profile `nowhere`"),
    ] {
        let told = run(&[&["plan"], words].concat()).expect(2);
        assert!(told.stderr.contains(says), "{words:?}: {}", told.stderr);
        assert_eq!(told.stdout, "");
    }
}
