//! Over a plain broker, Mosquitto: what our devices take beside rumqttc's clients that do the same (connect with a will,
//! subscribe, say that they are there, report, then publish telemetry at QoS 1), and what a whole run takes that updates as
//! many devices as one Mosquitto can have within our limit of open files.
//!
//! `cargo bench --bench broker` takes about six minutes; `-- 5000` has so many devices instead.

#![expect(clippy::expect_used, reason = "a bench ends where something is missing")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{sleep, spawn};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::Event;
use serde_json::Value;
use support::device::{PREFIX, PeerDevice, REPORT, peer_options};
use support::mosquitto::{self, Mosquitto};
use support::online::{IN_FLIGHT, fleet_plan};
use support::process::{Figures, Player, asked, role};
use support::table::{median, verdict};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, interval_at};
use twinstorm::device::Fleet;
use twinstorm::dialect::plain::{PlainDevice, PlainSettings};
use twinstorm::dialect::{DeviceDialect, Message};
use twinstorm::measure::MessageKind;
use twinstorm::mqtt::{Packet, QoS};
use twinstorm::policy::{DeviceIds, Telemetry};
use twinstorm::time::Clock;

/// Devices, as many as one Mosquitto and one address of rumqttc's can have with room to spare.
const DEVICES: u32 = 18_000;
const REPEATS: usize = 3;
/// What each device publishes.
const TELEMETRY: Telemetry = Telemetry { interval: Duration::from_secs(5), size: 256, qos: 1 };
/// How long publishes are counted.
const WINDOW: Duration = Duration::from_secs(10);
const KEEP_ALIVE: u16 = 60;
/// Longer than all take to come online.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How many times ours rumqttc's clients must take: CPU of a connect, memory, CPU of a publish. At so few messages a second each is
/// woken, written and acknowledged by itself, so that both are at what the system calls for that take; see `publish` for more.
const LEAST: [f64; 3] = [1.5, 3.0, 0.9];

fn main() {
    let Some(words) = role() else {
        let devices = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(DEVICES);
        compare(devices);
        return updated(devices);
    };
    if words[0] == "mosquitto" {
        return mosquitto::play(&words);
    }
    let (devices, broker) = (words[1].parse().expect("a number"), words[2].parse().expect("an address"));
    let serve = if words[0] == "twinstorm" { ours } else { peers };
    Figures::now(0).say();
    let published = Arc::new(AtomicU64::new(0));
    let (online, waiting) = channel();
    let count = Arc::clone(&published);
    spawn(move || serve(broker, devices, &online, &count));
    waiting.recv().expect("all devices online");
    Figures::now(u64::from(devices)).say();
    while asked() {
        Figures::now(published.load(Ordering::Relaxed)).say();
    }
}

/// CPU microseconds of a device's coming online, bytes of memory for it, and CPU microseconds of a publish that is
/// acknowledged.
type Costs = [f64; 3];

fn compare(devices: u32) {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        ours.push(measure("twinstorm", devices));
        peer.push(measure("rumqttc", devices));
    }
    println!("{devices} devices at one Mosquitto, medians of {REPEATS}            twinstorm  rumqttc  ratio");
    let rows =
        ["CPU of a connect, with presence and report, us", "user memory of a device, bytes", "CPU of a publish, us"];
    for (index, (row, least)) in rows.into_iter().zip(LEAST).enumerate() {
        let [ours, peer] = [&ours, &peer].map(|costs| median(costs.iter().map(|costs| costs[index]).collect()));
        let ratio = peer / ours;
        println!("  {row:<58} {ours:>8.1} {peer:>8.1} {ratio:>6.2}  at least {least}: {}", verdict(ratio >= least));
    }
}

fn measure(client: &str, devices: u32) -> Costs {
    let broker = Mosquitto::start();
    let mut player = Player::start(&format!("{client} {devices} {}", broker.address));
    let before = player.figures();
    let online = player.figures().since(before);
    // Each has published by now, so that none has its first message within the window.
    while player.ask().count < u64::from(devices) {
        sleep(Duration::from_millis(50));
    }
    let before = player.ask();
    sleep(WINDOW);
    let published = player.ask().since(before);
    // The broker goes first, so that it and not the client is left with ports that wait.
    drop(broker);
    let each = |figures: Figures| figures.cpu.as_secs_f64() * 1e6 / figures.count as f64;
    [each(online), online.memory as f64 / f64::from(devices), each(published)]
}

fn dialect() -> PlainDevice {
    PlainDevice::new(PlainSettings::default(), None, KEEP_ALIVE).expect("topics that can be used")
}

/// Our fleet, on one worker.
fn ours(broker: SocketAddr, devices: u32, online: &Sender<()>, published: &Arc<AtomicU64>) {
    let mut plan = fleet_plan(broker, devices, KEEP_ALIVE, dialect());
    plan.config.telemetry = Some(TELEMETRY);
    let clock = plan.clock;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let fleet = Fleet::start(plan).expect("threads");
        let mut all = false;
        loop {
            let sample = fleet.sample().await;
            if let Some(telemetry) = sample.measurements.messages.0.get(&MessageKind::Telemetry) {
                published.fetch_add(telemetry.acknowledged, Ordering::Relaxed);
            }
            if !all && sample.gauges.ready == devices {
                all = true;
                let _ = online.send(());
                fleet.load_starts(clock.now(), clock.now()).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

/// rumqttc, on one thread as well.
fn peers(broker: SocketAddr, devices: u32, online: &Sender<()>, published: &Arc<AtomicU64>) {
    let shared = Rc::new((dialect(), Clock::start(), Notify::new(), Arc::clone(published)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        for device in 0..devices {
            let permit = Arc::clone(&in_flight).acquire_owned().await.expect("open");
            let shared = Rc::clone(&shared);
            // As with ours, each has a phase of its own.
            let phase = TELEMETRY.interval * device / devices;
            spawn_local(async move {
                let (dialect, clock, begin, published) = &*shared;
                let id = DeviceIds::new(PREFIX).id(device);
                let mut peer = PeerDevice::new(peer_options(broker, dialect, device));
                say_hello(&mut peer, dialect, &id).await;
                drop(permit);
                let mut messages = (0..).map(|seq| TELEMETRY.message(seq, clock.now()).into());
                let mut message = || dialect.telemetry(&id, QoS::AtLeastOnce, messages.next().expect("endless"));
                let begun = begin.notified();
                tokio::pin!(begun);
                let (mut waiting, mut ticks) = (true, interval_at(Instant::now() + PATIENCE, TELEMETRY.interval));
                loop {
                    tokio::select! {
                        event = peer.events.poll() => match event {
                            Ok(Event::Incoming(Packet::PubAck(_))) => {
                                published.fetch_add(1, Ordering::Relaxed);
                            }
                            Ok(_) => {}
                            // The broker goes first.
                            Err(_) => return,
                        },
                        () = &mut begun, if waiting => {
                            waiting = false;
                            ticks.reset_at(Instant::now() + phase);
                        }
                        _ = ticks.tick() => publish(&peer, message()),
                    }
                }
            });
        }
        let _all = in_flight.acquire_many(IN_FLIGHT).await.expect("open");
        let _ = online.send(());
        shared.2.notify_waiters();
        std::future::pending::<()>().await;
    });
}

fn publish(peer: &PeerDevice, message: Message) {
    let Message { topic, payload, qos, retain } = message;
    peer.client.try_publish(topic, qos, retain, payload.to_vec()).expect("room");
}

/// Connects, subscribes, says that it is there, reports, and has both acknowledged.
async fn say_hello(peer: &mut PeerDevice, dialect: &PlainDevice, id: &str) {
    let mut acknowledged = 0;
    while acknowledged < 2 {
        match peer.events.poll().await.expect("a connection that lasts") {
            Event::Incoming(Packet::ConnAck(_)) => {
                peer.client.try_subscribe_many(dialect.subscriptions(id)).expect("room");
            }
            Event::Incoming(Packet::SubAck(_)) => {
                publish(peer, dialect.presence(id, true).expect("a topic of presence"));
                publish(peer, dialect.report(id, "1", Bytes::from_static(REPORT)));
            }
            Event::Incoming(Packet::PubAck(_)) => acknowledged += 1,
            _ => {}
        }
    }
}

/// A whole run over a Mosquitto: every device connects, is updated, and disconnects.
fn updated(devices: u32) {
    let broker = Mosquitto::start();
    let out = tempfile::tempdir().expect("a folder");
    let mut run = Command::new(env!("CARGO_BIN_EXE_twinstorm"));
    let url = format!("mqtt://{}", broker.address);
    run.args(["run", "quickstart", "--hub", &url, "--devices", &devices.to_string(), "--rate", "200"]);
    run.args(["--set", "fleet.connect_rate=1000", "--out"]).arg(out.path());
    run.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a run");
    let file = fs::read(out.path().join("results.json")).expect("a result");
    let results: Value = serde_json::from_slice(&file).expect("JSON");
    let figure = |path: &str| results.pointer(path).and_then(Value::as_f64).unwrap_or_default();
    let (taken, mib) = (broker.usage(), |bytes: f64| bytes / f64::from(1 << 20));
    println!("\na whole run: {devices} devices updated at 200/s");
    println!(
        "  {}, {} of them completed",
        results["verdict"].as_str().unwrap_or("no result"),
        figure("/census/completed")
    );
    println!("  process      CPU-s  peak MiB");
    let generator = (figure("/generator/cpu_seconds"), mib(figure("/generator/rss_peak_bytes")));
    println!("  twinstorm  {:>7.1}  {:>8.1}", generator.0, generator.1);
    println!("  mosquitto  {:>7.1}  {:>8.1}", taken.cpu.as_secs_f64(), mib(taken.rss_peak as f64));
    for reason in results["invalid_reasons"].as_array().into_iter().flatten() {
        println!("  {}", reason.as_str().unwrap_or_default());
    }
}
