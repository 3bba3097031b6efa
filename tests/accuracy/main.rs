//! Whether a number means what it says: a known delay is planted in one place and must show in the series that pass
//! there, by its size, and nowhere else. A binary of its own, so that nothing else runs beside it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod capacity;
#[expect(clippy::expect_used, reason = "it ends where something is missing, as the bench that shares it does")]
#[allow(dead_code, reason = "the bench needs the rest")]
mod honesty;
mod service;
#[allow(dead_code, reason = "other tests need the rest")]
#[path = "../it/support.rs"]
mod support;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use twinstorm::report;
use twinstorm::time::{Clock, Nanos};

use crate::support::{HubProcess, QuickRun, Running, census, eventually, p50_ms, statistic_ms};

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The delay that is planted.
const PLANTED_MS: f64 = 80.0;
/// How exactly it must show: what other programs on this machine do moves the middle of 80 samples by some milliseconds.
const TOLERANCE_MS: f64 = 8.0;

/// A run whose only randomness is the machine's: constant arrivals, fixed delays, and a close look.
fn measure(planted: &[&str]) -> Value {
    let quick = QuickRun::new();
    let mut sets = Vec::new();
    for set in [
        "load.arrivals=constant",
        "firmware.wait=300ms",
        "firmware.download=200ms",
        "firmware.apply=200ms",
        "observe.interval=5ms",
        "observe.overlap=50ms",
    ]
    .iter()
    .chain(planted)
    {
        sets.extend(["--set", set]);
    }
    Running::start(quick.command(&["run", "quickstart", "--devices", "80", "--rate", "40"], &sets)).wait().expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "completed"), 80);
    results
}

#[track_caller]
fn moved(base: &Value, planted: &Value, series: &str, by: f64) {
    let (before, after) = (p50_ms(base, series), p50_ms(planted, series));
    assert!(
        (after - before - by).abs() <= TOLERANCE_MS,
        "{series}: {before:.1} ms became {after:.1} ms, not {by} ms more"
    );
}

const ACKS: [&str; 3] = ["twin.ack.downloading", "twin.ack.applying", "twin.ack.completed"];
const VISIBLE: [&str; 3] = ["twin.visible.downloading", "twin.visible.applying", "twin.visible.completed"];
const CALLS: [&str; 2] = ["method.response", "method.service"];
const WHOLE: [&str; 2] = ["update.total", "update.overhead"];
const LATER: [&str; 2] = ["transition.applying", "transition.completed"];
const FIRST: [&str; 1] = ["transition.downloading"];
const DELIVERY: [&str; 1] = ["method.delivery"];

/// Checks by how much each group of series moved; every group is named, so that none is forgotten.
#[track_caller]
fn check(base: &Value, planted: &Value, expected: [(&[&str], f64); 7]) {
    for (group, by) in expected {
        for series in group {
            moved(base, planted, series, by);
        }
    }
}

#[test]
fn planted_delays_show_where_they_are_and_nowhere_else() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let base = measure(&[]);

    // Before the request goes to the device: the whole update begins so much later.
    let planted = measure(&["hub.slow.method_request=80ms"]);
    check(
        &base,
        &planted,
        [
            (&CALLS, PLANTED_MS),
            (&DELIVERY, PLANTED_MS),
            (&WHOLE, PLANTED_MS),
            (&FIRST, 0.0),
            (&ACKS, 0.0),
            (&VISIBLE, 0.0),
            (&LATER, 0.0),
        ],
    );

    // On the answer, after the device has given it: the device is at work already, so the update ends when it did
    // before, and the first transition, which counts from the answer, is so much shorter.
    let planted = measure(&["hub.slow.method_answer=80ms"]);
    check(
        &base,
        &planted,
        [
            (&CALLS, PLANTED_MS),
            (&FIRST, -PLANTED_MS),
            (&DELIVERY, 0.0),
            (&WHOLE, 0.0),
            (&ACKS, 0.0),
            (&VISIBLE, 0.0),
            (&LATER, 0.0),
        ],
    );

    // On twin acknowledgements, after the merge is visible.
    let planted = measure(&["hub.slow.twin_ack=80ms"]);
    check(
        &base,
        &planted,
        [
            (&ACKS, PLANTED_MS),
            (&CALLS, 0.0),
            (&FIRST, 0.0),
            (&DELIVERY, 0.0),
            (&WHOLE, 0.0),
            (&VISIBLE, 0.0),
            (&LATER, 0.0),
        ],
    );
}

#[test]
fn a_frozen_hub_shows_in_the_calls_that_were_due_and_in_no_later_one() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let hub = HubProcess::start(&[]);
    let quick = QuickRun::new();
    let sets = ["--set", "load.arrivals=constant"];
    let words = ["run", "quickstart", "--hub", "azure", "--devices", "500", "--rate", "100"];
    let running = Running::start(hub.reach(quick.command(&words, &sets)));
    // Freeze it for a second while the load is on.
    running.until_it_says("] running");
    hub.running.signal(Signal::SIGSTOP);
    let clock = Clock::start();
    eventually("a second passed", || clock.now() > Nanos::ZERO + Duration::from_secs(1));
    hub.running.signal(Signal::SIGCONT);
    running.wait().expect(0);
    let results = quick.results();
    // No call is missing.
    assert_eq!((census(&results, "completed"), census(&results, "unaccounted")), (500, 0));
    assert_eq!(results["series"]["method.response"]["count"], 500);
    // Calls kept being sent on time, and those of the frozen second tell how long it was.
    assert!(statistic_ms(&results, "schedule.lag", "max_us") < 500.0);
    assert!(statistic_ms(&results, "method.response", "max_us") > 800.0);
    // About 100 of 500 calls fell into that second: their wait is spread evenly over it.
    assert!(statistic_ms(&results, "method.response", "p90_us") > 200.0);
    assert!(p50_ms(&results, "method.response") < 100.0);
    // Calls after it are served as if nothing had been.
    let last = results["intervals"].as_array().unwrap().iter().rev().find_map(|interval| {
        let data = report::decode(interval["hdr"]["method.service"].as_str()?, 0).unwrap();
        (data.count() >= 20).then_some(data)
    });
    let longest = Duration::from_nanos(last.unwrap().histogram.max());
    assert!(longest.as_secs_f64() < 0.5, "{longest:?}");
}

#[test]
fn a_hub_that_is_slower_by_a_fifth_is_told_from_its_like_and_its_like_is_not() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let side = |name, planted| honesty::Side::new(folder.path(), name, planted);
    let sides = [side("base", "50ms"), side("same", "50ms"), side("slower", "60ms")];
    honesty::interleaved(&sides);
    let same = honesty::compare(&sides[0], &sides[1]);
    assert!(!same.is_change(), "{}", same.in_words());
    let slower = honesty::compare(&sides[0], &sides[2]);
    assert_eq!((slower.verdict.as_str(), slower.exit_code), ("regressed", 98), "{}", slower.in_words());
}

#[test]
fn a_hub_s_limit_is_found_with_five_seeds_of_five() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    capacity::limits_are_found();
}

#[test]
fn a_hub_with_servers_is_as_slow_as_the_formula_says() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    service::quantiles_are_the_formula_s();
}
