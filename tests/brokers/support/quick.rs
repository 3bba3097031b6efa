//! Runs over a broker, and what their results must tell whatever happened.

use std::process::Command;

use serde_json::Value;

use super::{Mosquitto, Setup};
use crate::program::{Ended, QuickRun, Running, census};

/// The figures of messages of which each one sent is in exactly one.
const FATES: [&str; 3] = ["acknowledged", "lost", "unconfirmed"];

/// The words that run `quickstart` with so many devices, each of them called within a second.
pub(crate) fn quickstart<'a>(broker: &'a str, devices: &'a str) -> [&'a str; 9] {
    ["run", "quickstart", "--hub", broker, "--devices", devices, "--rate", devices, "--plain"]
}

/// What is given to the program as `--set`.
pub(crate) fn set<'a>(changes: &[&'a str]) -> Vec<&'a str> {
    changes.iter().flat_map(|change| ["--set", change]).collect()
}

/// A command over a broker that a run is to be watched at: `words`, changed by `changes`.
pub(crate) fn command(quick: &QuickRun, words: &[&str], changes: &[&str]) -> Command {
    let mut more = set(&["observe.kind=subscribe", "observe.interval=1s"]);
    more.extend(set(changes));
    quick.command(words, &more)
}

/// `quickstart` over a broker with 60 devices, to its end.
#[track_caller]
pub(crate) fn run(quick: &QuickRun, broker: &Mosquitto, changes: &[&str]) -> Ended {
    Running::start(command(quick, &quickstart(&broker.url(), "60"), changes)).wait()
}

/// The results of a run of `quickstart` by 60 devices, each of which completed it.
#[track_caller]
pub(crate) fn complete(broker: &Mosquitto, changes: &[&str]) -> Value {
    let quick = QuickRun::new();
    run(&quick, broker, changes).expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "completed")), (60, 60));
    assert_accounted(&results);
    results
}

/// A broker that does not wait for more to send.
pub(crate) fn prompt() -> Setup {
    Setup::default().line("set_tcp_nodelay true")
}

/// How many messages of a kind met this fate.
#[track_caller]
pub(crate) fn messages(results: &Value, kind: &str, fate: &str) -> i64 {
    results["messages"][kind][fate].as_i64().unwrap_or_else(|| panic!("no {kind}.{fate}: {}", results["messages"]))
}

/// Each message that was sent is accounted for exactly once, and what was acknowledged was delivered or is named.
#[track_caller]
pub(crate) fn assert_accounted(results: &Value) {
    let all = results["messages"].as_object().unwrap_or_else(|| panic!("no messages: {results}"));
    assert!(!all.is_empty());
    for kind in all.keys() {
        let fates: i64 = FATES.iter().map(|fate| messages(results, kind, fate)).sum();
        assert_eq!(messages(results, kind, "sent"), fates, "{kind}: {}", results["messages"]);
        // What the driver itself publishes, it does not receive; and presence is what is retained of it, not each word.
        if matches!(kind.as_str(), "request" | "presence") {
            continue;
        }
        let come = messages(results, kind, "delivered") + messages(results, kind, "undelivered");
        assert!(come >= messages(results, kind, "acknowledged"), "{kind}: {}", results["messages"]);
    }
}
