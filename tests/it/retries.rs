//! Devices whose connections are cut come back as their policies have it, and the result compares them.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{HubProcess, QuickRun, Running, census, eventually};

/// A way to a hub that can be cut.
struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    refused: AtomicU32,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// A relay to `target`. Its threads end with the connections; the one that listens, with the test.
    fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // Under the lock, so that a cut leaves nothing out.
                let mut open = shared.open.lock().unwrap();
                if shared.is_cut.load(Ordering::Relaxed) {
                    shared.refused.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let Ok(far) = TcpStream::connect(target) else { continue };
                for (mut from, mut to) in [(&near, &far), (&far, &near)].map(|(a, b)| (copy_of(a), copy_of(b))) {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                open.push(near);
            }
        });
        Self { address, state }
    }

    /// Cuts every connection; new ones are closed at once.
    fn cut(&self) {
        let mut open = self.state.open.lock().unwrap();
        self.state.is_cut.store(true, Ordering::Relaxed);
        open.drain(..).for_each(|near| drop(near.shutdown(Shutdown::Both)));
    }

    fn mend(&self) {
        self.state.is_cut.store(false, Ordering::Relaxed);
    }

    fn refused(&self) -> u32 {
        self.state.refused.load(Ordering::Relaxed)
    }
}

fn copy_of(stream: &TcpStream) -> TcpStream {
    stream.try_clone().unwrap()
}

fn number(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_else(|| panic!("{key}: {row}"))
}

#[test]
fn cohorts_come_back_each_by_its_policy() {
    let mut hub = HubProcess::start(&[]);
    let mqtt = hub.environment.iter_mut().find(|(name, _)| name == "TWINSTORM_HUB_MQTT").unwrap();
    let relay = Relay::to(mqtt.1.rsplit('/').next().unwrap().parse().unwrap());
    mqtt.1 = mqtt.1.replace(mqtt.1.rsplit('/').next().unwrap(), &relay.address.to_string());

    let quick = QuickRun::new();
    let policies = "retry.connect=[\"azure-c\", \"none\", { policy = \"fixed\", delay = \"50ms\" }, \"azure-node\"]";
    let words = ["fleet", "quickstart", "--devices", "22"];
    let sets = ["--set", policies, "--set", "fleet.transport=tcp"];
    let fleet = Running::start(hub.reach(quick.command(&words, &sets)));
    fleet.until_it_says("connected 22/22");
    relay.cut();
    eventually("devices have tried again and again", || relay.refused() > 60);
    let before = fleet.said().len();
    relay.mend();
    eventually("those come back that may", || fleet.said()[before..].contains("connected 16/22"));
    fleet.signal(Signal::SIGINT);
    let ended = fleet.wait();

    let results = quick.results();
    let rows = results["retries"]["connect"].as_array().unwrap();
    let by_name: HashMap<&str, &Value> = rows.iter().map(|row| (row["policy"].as_str().unwrap(), row)).collect();
    assert_eq!(rows.len(), 4, "{rows:?}");
    for (name, devices) in [("azure-c", 6), ("none", 6), ("fixed", 5), ("azure-node", 5)] {
        let row = by_name[name];
        assert_eq!((number(row, "devices"), number(row, "lost")), (devices, devices), "{row}");
        let came_back = if name == "none" { 0 } else { devices };
        assert_eq!((number(&row["back"], "count"), number(row, "give_ups")), (came_back, devices - came_back), "{row}");
        assert_eq!((row["back_99_s"].is_null(), number(row, "retries") == 0), (name == "none", name == "none"));
        assert_eq!(number(row, "attempts"), devices + number(row, "retries"), "{row}");
        assert!(number(row, "peak_per_s") <= number(row, "retries"), "the first connecting is no part of it: {row}");
    }
    let peaks: Vec<u64> = rows.iter().map(|row| number(row, "peak_per_s")).collect();
    let peak = number(&results["retries"], "connect_peak_per_s");
    assert!(peaks.iter().max() <= Some(&peak) && peak <= peaks.iter().sum(), "{peak}: {peaks:?}");
    assert!(number(by_name["fixed"], "attempts") > number(by_name["azure-c"], "attempts"));
    // Seconds and sums agree.
    let seconds = results["intervals"].as_array().unwrap();
    let sum = |key: &str| seconds.iter().map(|second| number(second, key)).sum::<u64>();
    let attempts = rows.iter().map(|row| number(row, "attempts")).sum::<u64>();
    assert_eq!(
        (sum("connect_attempts"), sum("report_attempts")),
        (attempts, number(&results["retries"]["twin"], "attempts"))
    );
    let of_first = |second: &Value| second["cohort_attempts"][0].as_u64().unwrap();
    assert_eq!(seconds.iter().map(of_first).sum::<u64>(), number(&rows[0], "attempts"));
    assert!(ended.stdout.contains("Retries\n  connect by"), "{}", ended.stdout);
}

#[test]
fn calls_that_find_nobody_are_tried_again_and_given_up() {
    let quick = QuickRun::new();
    let sets = [
        "--set",
        "fault=[{ kind = \"offline\", select = { ids = [3, 4] } }]",
        "--set",
        crate::support::ANY_CENSUS,
        "--set",
        "retry.method={ policy = \"fixed\", delay = \"20ms\", max_attempts = 3 }",
    ];
    let command = quick.command(&["run", "quickstart", "--devices", "12", "--rate", "50"], &sets);
    Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "not_online"), 2);
    let row = &results["retries"]["method"];
    let counts = ["attempts", "retries", "give_ups"].map(|key| number(row, key));
    assert_eq!((counts, &row["policy"], &row["waited_s"]), ([16, 4, 2], &"fixed".into(), &0.08.into()), "{row}");
    let twin = &results["retries"]["twin"];
    assert_eq!((number(twin, "attempts"), number(twin, "retries")), (12 + 3 * 10, 0), "{twin}");
}
