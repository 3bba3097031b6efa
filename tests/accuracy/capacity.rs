//! Whether a search finds a limit that is known: the embedded hub's own, of method calls.

use std::fs;

use serde_json::Value;

use crate::support::{QuickRun, Running, twinstorm};

/// Calls that the hub allows in a second.
const LIMIT: f64 = 40.0;
/// What each search may take, in seconds.
const BUDGET_S: f64 = 120.0;
/// Steps that a search may take at most, from 10/s to 5 %: 8 + log2(40 / 10).
const STEPS: usize = 10;

/// Searches with five seeds, side by side: each is idle nearly all the time, and what is judged is what was refused, which
/// no delay of this machine changes.
pub(crate) fn limits_are_found() {
    let searches: Vec<(QuickRun, Running)> = (1..=5)
        .map(|seed: u32| {
            let quick = QuickRun::new();
            let out = quick.out();
            let mut command = twinstorm(&["capacity", "--seed", &seed.to_string(), "--out"]);
            command.arg(out).args(["--budget", "2m", "--measure", "6s", "--format", "json"]);
            for set in [
                "hub.throttle.methods={ rate = \"40/s\", burst = 40, queue = \"0s\" }",
                "threshold=[{ expr = \"census.throttled.pct < 1\" }, { expr = \"update.total.max < 10s\" }]",
            ] {
                command.args(["--set", set]);
            }
            command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
            (quick, Running::start(command))
        })
        .collect();
    for (seed, (quick, running)) in (1..).zip(searches) {
        let ended = running.wait().expect(0);
        let results: Value = serde_json::from_slice(&fs::read(quick.out().join("results.json")).unwrap()).unwrap();
        let found = &results["capacity"];
        let number = |key: &str| found[key].as_f64().unwrap();
        let said = format!("seed {seed}: {}\n{}", ended.stderr, ended.stdout);
        assert!(number("low") <= LIMIT && LIMIT <= number("high"), "{said}");
        assert!(number("took_s") < BUDGET_S && found["finished"] == true, "{said}");
        assert_eq!((&found["cause"], &found["unit"]), (&"throttled".into(), &"calls/s".into()), "{said}");
        let steps = found["steps"].as_array().unwrap();
        let further = |step: &&Value| step["purpose"] != "widen" && step["purpose"] != "repeat";
        assert!(steps.iter().filter(further).count() <= STEPS, "{said}");
        // Steps that contradict one another make it wider, and are told of.
        let narrow = number("width") <= number("precision");
        assert!(narrow || !found["notes"].as_array().unwrap().is_empty(), "{said}");
    }
}
