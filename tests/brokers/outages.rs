//! A broker that is taken down is brought back by its operator's command, however the run ends.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::program::{ANY_CENSUS, QuickRun, Running};
use crate::support::Mosquitto;
use crate::support::quick::{command, prompt, quickstart};

/// A run of `quickstart` with an outage to the end, by commands that only note themselves in the returned file; `up` does more.
fn struck(quick: &QuickRun, broker: &Mosquitto, up: &str, more: &[&str]) -> (Running, PathBuf) {
    let log = quick.folder.path().join("outages");
    let note = |word: &str| format!("echo {word} >> {}", log.display());
    let outage = format!("hub.outage={{down=\"{}\", up=\"{up}; {}\"}}", note("down"), note("up"));
    let fault = r#"fault=[{ kind = "hub_down", at = "100ms" }]"#;
    let changes = [&[outage.as_str(), fault, ANY_CENSUS], more].concat();
    (Running::start(command(quick, &quickstart(&broker.url(), "20"), &changes)), log)
}

fn noted(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

#[test]
fn one_that_cannot_be_brought_back_in_the_end_is_told_of() {
    let (quick, broker) = (QuickRun::new(), prompt().start());
    let (running, _) = struck(&quick, &broker, "echo out of order >&2; exit 3", &[]);
    let ended = running.wait().expect(96);
    let says = "ended with exit status: 3: out of order";
    assert!(ended.stderr.contains("hub.outage.up: ") && ended.stderr.contains(says), "{}", ended.stderr);
    let reasons = quick.results()["invalid_reasons"].to_string();
    assert!(reasons.contains("hub.outage.up") && reasons.contains(says), "{reasons}");
}

#[test]
fn one_that_is_left_at_once_is_brought_back_first() {
    let (quick, broker) = (QuickRun::new(), prompt().start());
    let (running, log) = struck(&quick, &broker, "sleep 1", &["firmware.apply=60s", "observe.stage_deadline=90s"]);
    running.until_it_says("fault hub_down begins");
    running.signal(Signal::SIGINT);
    running.until_it_says("Ctrl-C again leaves at once");
    running.signal(Signal::SIGINT);
    running.wait().expect(97);
    assert_eq!(noted(&log), "down\nup\n");
}
