//! Whether a search finds a limit that is known: the embedded hub's own, of method calls and of twin updates.

use std::fs;

use serde_json::Value;

use crate::support::{QuickRun, Running, twinstorm};

/// A hub with a limit, and what it comes to.
struct Limited {
    seed: u32,
    hub: &'static str,
    /// Updates a second.
    limit: f64,
    /// Whether it refuses what is too much: a short step just above a limit that lets wait shows nothing yet, a longer one
    /// contradicts it, and that takes more steps.
    refuses: bool,
    /// What an update may take; so many devices are kept busy.
    longest: &'static str,
    /// What a search may be told to take less time.
    more: &'static [&'static str],
}

/// Searches with five seeds for a limit that refuses, and for two that let wait first, side by side: each is idle nearly all
/// the time, and what is judged is what was refused or had to wait for long, which no delay of this machine changes.
pub(crate) fn limits_are_found() {
    let refuses = |seed| Limited {
        seed,
        hub: "hub.throttle.methods={ rate = \"40/s\", burst = 40, queue = \"0s\" }",
        limit: 40.0,
        refuses: true,
        longest: "10s",
        more: &["--budget", "2m"],
    };
    let lets_wait = Limited {
        seed: 6,
        hub: "hub.throttle.methods={ rate = \"40/s\", burst = 40, queue = \"2s\" }",
        limit: 40.0,
        refuses: false,
        longest: "10s",
        more: &["--start", "20", "--budget", "4m"],
    };
    // Three changes of a twin an update.
    let of_twins = Limited {
        seed: 7,
        hub: "hub.throttle.twin_writes={ rate = \"120/s\", burst = 120, queue = \"2s\" }",
        limit: 40.0,
        refuses: false,
        longest: "4s",
        more: &["--start", "30", "--precision", "10%", "--budget", "4m"],
    };
    let searches: Vec<(Limited, QuickRun, Running)> = (1..=5)
        .map(refuses)
        .chain([lets_wait, of_twins])
        .map(|limited| {
            let quick = QuickRun::new();
            let Limited { seed, hub, longest, more, .. } = limited;
            let thresholds = format!(
                "threshold=[{{ expr = \"census.throttled.pct < 1\" }}, {{ expr = \"update.total.max < {longest}\" }}]"
            );
            let mut command = twinstorm(&["capacity", "--seed", &seed.to_string(), "--out"]);
            command.arg(quick.out()).args(["--measure", "6s", "--format", "json"]).args(more);
            for set in [hub, &thresholds] {
                command.args(["--set", set]);
            }
            command.env("TWINSTORM_CALIBRATION", quick.folder.path().join("calibration.json"));
            (limited, quick, Running::start(command))
        })
        .collect();
    for (Limited { seed, limit, refuses, .. }, quick, running) in searches {
        let ended = running.wait().expect(0);
        let results: Value = serde_json::from_slice(&fs::read(quick.out().join("results.json")).unwrap()).unwrap();
        let found = &results["capacity"];
        let number = |key: &str| found[key].as_f64().unwrap();
        let said = format!("seed {seed}: {}\n{}", ended.stderr, ended.stdout);
        assert!(number("low") <= limit && limit <= number("high"), "{said}");
        assert_eq!(found["finished"], true, "{said}");
        assert_eq!((&found["cause"], &found["unit"]), (&"throttled".into(), &"calls/s".into()), "{said}");
        let steps = found["steps"].as_array().unwrap();
        let of_the_way = |step: &&Value| step["purpose"] != "widen" && step["purpose"] != "repeat";
        let first = steps[0]["load"].as_f64().unwrap();
        let most = 8.0 + (limit / first).log2();
        assert!(!refuses || steps.iter().filter(of_the_way).count() as f64 <= most, "{said}");
        // Steps that contradict one another make it wider, and are told of.
        let narrow = number("width") <= number("precision");
        assert!(narrow || !found["notes"].as_array().unwrap().is_empty(), "{said}");
    }
}
