//! Drills over a broker, made short: what they claim of a hub they claim of a broker too.

use serde_json::Value;
use toml::Table;

use crate::program::{ANY_CENSUS, QuickRun, Running, census, twinstorm};
use crate::support::Mosquitto;
use crate::support::quick::{assert_accounted, prompt, set};

/// What makes a drill short. In `steady` there is no duration: lateness would be judged by it.
const SHORT: [&str; 6] = [
    ANY_CENSUS,
    "fleet.connect_rate=1000/s",
    "firmware.wait=uniform 50ms..150ms",
    "firmware.download=uniform 50ms..150ms",
    "firmware.apply=uniform 50ms..150ms",
    r#"drill.steady=["census.completed.pct >= 100", "connected.pct >= 99"]"#,
];

/// What the drill of this name asserts, with one assertion after another replaced by one that suits fewer devices or less time.
fn asserting(drill: &str, replaced: &[(&str, &str)]) -> String {
    let file = format!("{}/profiles/{drill}.toml", env!("CARGO_MANIFEST_DIR"));
    let profile: Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let mut assertions: Vec<&str> =
        profile["drill"]["assert"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    for (shipped, short) in replaced {
        let found = assertions.iter_mut().find(|assertion| *assertion == shipped);
        *found.unwrap_or_else(|| panic!("{drill} no longer asserts `{shipped}`")) = short;
    }
    format!("drill.assert={assertions:?}")
}

/// Runs a drill, which has to pass, and returns its results.
#[track_caller]
fn pass(broker: &Mosquitto, words: [&str; 5], changes: &[&str]) -> Value {
    let quick = QuickRun::new();
    let [drill, ..] = words;
    let mut command = twinstorm(&[&["run", "--hub", &broker.url(), "--plain"], &words[..]].concat());
    command.arg("--out").arg(quick.out()).args(set(&SHORT)).args(set(changes));
    let ended = Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!((&results["name"], &results["verdict"]), (&drill.into(), &"pass".into()), "{}", ended.stdout);
    assert_eq!(census(&results, "unaccounted"), 0);
    assert_eq!(census(&results, "completed"), census(&results, "planned"), "{}", ended.stdout);
    assert_accounted(&results);
    results
}

#[test]
fn half_open_connections_are_found_by_the_keep_alive() {
    let assertions = asserting("half-open", &[("faults.hole.found.max < 12500ms", "faults.hole.found.max < 4s")]);
    let changes = [
        "fleet.keep_alive=2s",
        "load.response_timeout=5s",
        "retry.connect.cap=1s",
        "retry.method.cap=1s",
        "fault.hole.at=2s",
        "fault.hole.for=6500ms",
        "drill.lead=1s",
        "drill.recovery=1500ms",
        &assertions,
    ];
    let results = pass(&prompt().start(), ["half-open", "--devices", "200", "--rate", "17"], &changes);
    assert!(results["faults"][0]["strikes"].as_u64().unwrap() > 0, "{}", results["faults"]);
}

#[test]
fn a_broker_that_is_really_restarted_has_everybody_back() {
    let broker = prompt().start();
    let [down, up] = broker.outage();
    let outage = format!("hub.outage={{down=\"{down}\", up=\"{up}\"}}");
    let changes = [
        &outage,
        "hub.retain=true",
        "retry.method.cap=1s",
        "fault.outage.at=3s",
        "fault.outage.for=3s",
        "drill.lead=2s",
        "drill.recovery=10s",
    ];
    let results = pass(&broker, ["reconnect-storm", "--devices", "600", "--rate", "30"], &changes);
    assert_eq!(broker.log().lines().filter(|line| line.ends_with(" running")).count(), 2);
    // The driver's own connection was lost as well, and came back.
    assert_eq!(results["generator"]["lines"][0]["reconnects"], 1, "{}", results["generator"]["lines"]);
}
