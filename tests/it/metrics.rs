//! Metrics while a run goes on, and what is left of them afterwards.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::{HubProcess, QuickRun, Running, census, eventually, run};

/// Where a run said that it serves metrics.
fn address(running: &Running) -> String {
    running.until_it_says("metrics on http://");
    let said = running.said();
    let url = said.lines().find_map(|line| line.strip_prefix("metrics on http://")).unwrap();
    url.strip_suffix("/metrics").unwrap().to_owned()
}

/// Head and body of the answer to a request; `None` if nobody listens any more.
fn ask(address: &str, request: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "{request}\r\nhost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_lowercase(), body.to_owned()))
}

/// The samples of a text by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(sample).collect()
}

fn scrape(address: &str) -> Option<BTreeMap<String, f64>> {
    let (head, body) = ask(address, "GET /metrics HTTP/1.1")?;
    assert!(head.starts_with("http/1.1 200 ok"), "{head}");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    Some(samples(&body))
}

const COMPLETED: &str = "twinstorm_updates_total{outcome=\"completed\"}";

#[test]
fn a_run_tells_how_it_goes_as_long_as_it_goes_on() {
    let quick = QuickRun::new();
    let sets = ["--metrics", "127.0.0.1:0", "--set", "fleet.shards=2"];
    let running = Running::start(quick.command(&["run", "quickstart", "--devices", "90", "--rate", "15"], &sets));
    let address = address(&running);
    let completed = |metrics: &BTreeMap<String, f64>| metrics.get(COMPLETED).copied().unwrap_or_default();
    let mut first = BTreeMap::new();
    eventually("updates complete", || {
        first = scrape(&address).unwrap();
        completed(&first) > 0.0
    });
    let mut second = BTreeMap::new();
    eventually("more do", || {
        second = scrape(&address).unwrap();
        completed(&second) > completed(&first)
    });
    let duration = |metrics: &BTreeMap<String, f64>| metrics["twinstorm_run_duration_seconds"];
    assert!(duration(&second) > duration(&first));
    let count = "twinstorm_duration_seconds_count{series=\"update.total\"}";
    assert!(second[count] > first[count] && second[count] == completed(&second));
    assert_eq!((second["twinstorm_devices_connected"], second["twinstorm_updates_planned"]), (90.0, 90.0));
    assert_eq!(second["twinstorm_shards"], 2.0);
    assert!(second["twinstorm_phase{phase=\"running\"}"] == 1.0 && !second.contains_key("twinstorm_valid"));
    assert!(second.contains_key("twinstorm_rate_achieved") && second["twinstorm_generator_cpu_seconds_total"] > 0.0);
    assert_eq!(second["twinstorm_threshold_ok{expr=\"update.total.max < 1h\"}"], 1.0, "a light");
    let stages: f64 =
        second.iter().filter(|(name, _)| name.starts_with("twinstorm_devices_by_stage")).map(|(_, count)| count).sum();
    assert_eq!(stages, 90.0);

    let (head, body) = ask(&address, "GET /metrics HTTP/1.1\r\naccept: text/plain;version=0.0.4").unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(!body.contains("# EOF") && body.contains("# TYPE twinstorm_updates_total counter\n"), "{body}");
    assert!(
        ask(&address, "HEAD /metrics HTTP/1.1").is_some_and(|(head, body)| head.contains("200") && body.is_empty())
    );
    for (request, status) in [("GET / HTTP/1.1", "404"), ("POST /metrics HTTP/1.1\r\ncontent-length: 0", "405")] {
        let (head, _) = ask(&address, request).unwrap();
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{request}: {head}");
    }

    running.wait().expect(0);
    let metrics = quick.file("metrics.txt");
    assert!(metrics.ends_with("# EOF\n") && metrics.contains("verdict=\"pass\"} 1\n"), "{metrics}");
    let ended = samples(&metrics);
    assert_eq!((ended[COMPLETED], ended[count]), (90.0, 90.0));
    assert_eq!((ended["twinstorm_valid"], ended["twinstorm_exit_code"]), (1.0, 0.0));
    assert!(!ended.keys().any(|name| name.starts_with("twinstorm_phase")));
    // What grows while the run goes on has not shrunk at its end.
    for (name, value) in second.iter().filter(|(name, _)| name.contains("_total") || name.contains("_count")) {
        assert!(ended.get(name).is_some_and(|end| end >= value), "{name}: {value}, {:?} in the end", ended.get(name));
    }
}

#[test]
fn an_address_that_is_taken_is_named_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let quick = QuickRun::new();
    let ended = Running::start(quick.command(&["run", "quickstart", "--metrics", &address], &[])).wait().expect(2);
    for says in [address.as_str(), "in use", "--metrics", "port 0"] {
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
    assert!(!quick.out().exists(), "nothing was begun");
    let ended = run(&["run", "quickstart", "--metrics", "9464"]).expect(2);
    assert!(ended.stderr.contains("--metrics 9464") && ended.stderr.contains("127.0.0.1:9464"), "{}", ended.stderr);
}

#[test]
fn fleet_and_driver_tell_of_themselves() {
    let hub = HubProcess::start(&[]);
    let (fleet, drive) = (QuickRun::new(), QuickRun::new());
    let more = ["--devices", "20", "--rate", "20", "--set", "report.metrics=127.0.0.1:0"];
    let fleet_run = Running::start(hub.reach(fleet.command(&["fleet", "quickstart"], &more)));
    let fleet_metrics = address(&fleet_run);
    eventually("all devices are connected", || {
        scrape(&fleet_metrics).unwrap().get("twinstorm_devices_connected") == Some(&20.0)
    });
    let drive_run = Running::start(hub.reach(drive.command(&["drive", "quickstart"], &more)));
    let drive_metrics = address(&drive_run);
    eventually("it drives", || {
        // It may have ended meanwhile; then all of it completed.
        scrape(&drive_metrics).is_none_or(|metrics| metrics.get(COMPLETED).is_some_and(|completed| *completed > 0.0))
    });
    drive_run.wait().expect(0);
    assert_eq!(census(&drive.results(), "completed"), 20);
    let known = scrape(&fleet_metrics).unwrap();
    assert!(
        known["twinstorm_duration_seconds_count{series=\"connect\"}"] == 20.0
            && known["twinstorm_updates_planned"] == 0.0
    );
    assert!(!known.contains_key("twinstorm_embedded_hubs"), "the hub is none of ours");
}
