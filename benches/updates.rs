//! Whole updates: method call, three transitions, each observed. First what one costs in all processes together, with
//! our fleet and with rumqttc's clients doing the same work for the same hub and driver; then how many a second are
//! sustained with a valid result.
//!
//! `cargo bench --bench updates` takes about five minutes; `-- 4000 6500` sustains these rates instead.

#![expect(clippy::expect_used, reason = "a bench ends where something is missing")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::peer_fleet;
use support::process::role;
use support::table::verdict;
use twinstorm::measure::Usage;

/// Devices of the comparison: as many as rumqttc can have from one address, with room to spare.
const DEVICES: u32 = 10_000;
/// Calls per second of the comparison, and for how long.
const RATE: u32 = 2_000;
const SECONDS: u32 = 20;
/// Devices, rates and seconds of the sustained load; what an update may cost in all at the first of them.
const SUSTAINED_DEVICES: u32 = 15_000;
const RATES: [u32; 2] = [4_000, 5_000];
const SUSTAINED_SECONDS: u32 = 60;
const MAX_CPU_US: f64 = 320.0;
/// How long each stage of an update takes.
const STAGE: &str = "uniform 200ms..600ms";

fn main() {
    if let Some(words) = role() {
        return peer_fleet::play(&words);
    }
    let rates: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    if rates.is_empty() {
        compare();
    }
    println!("\nsustained for {SUSTAINED_SECONDS} s on {SUSTAINED_DEVICES} devices, connecting included");
    println!("  rate/s   completed  lag p99    CPU/update  result");
    for rate in if rates.is_empty() { RATES.to_vec() } else { rates } {
        sustain(rate);
    }
}

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinstorm"));
    command.args(words);
    for stage in ["wait", "download", "apply"] {
        command.args(["--set", &format!("firmware.{stage}={STAGE}")]);
    }
    command.args(["--set", "threshold=[{ expr = \"census.completed.pct >= 100\" }]"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A process that is killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    fn cpu(&self) -> Duration {
        Usage::of_process(self.0.id()).expect("a process that runs").cpu
    }
}

fn results(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("results.json")).expect("a result")).expect("JSON")
}

fn compare() {
    println!("CPU per whole update at {RATE}/s on {DEVICES} devices, in microseconds");
    println!("  fleet       fleet   hub  driver   all");
    let ours = whole_update("twinstorm");
    let peer = whole_update("rumqttc");
    println!("  rumqttc's clients take {:.2} times the CPU of ours for the same updates", peer / ours);
}

/// The fleet's CPU for an update.
fn whole_update(client: &str) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hub.env");
    let mut hub = Command::new(env!("CARGO_BIN_EXE_twinstorm"));
    hub.args(["hub", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--workers", "1", "--env-file"]).arg(&file);
    let mut hub = Killed(hub.stdout(Stdio::piped()).spawn().expect("a hub"));
    // Its last line before it serves comes after the file.
    let words = BufReader::new(hub.0.stdout.take().expect("piped"));
    words.lines().map_while(Result::ok).find(|line| line.contains("Ctrl-C"));
    let environment: Vec<(String, String)> = fs::read_to_string(&file)
        .expect("the hub's file")
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect();
    let devices = DEVICES.to_string();
    let mut fleet = if client == "rumqttc" {
        peer_fleet::command(DEVICES, STAGE)
    } else {
        let out = folder.path().join("fleet");
        let mut fleet = program(&["fleet", "quickstart", "--devices", &devices, "--set", "fleet.connect_rate=5000/s"]);
        fleet.arg("--out").arg(out);
        fleet
    };
    let fleet = Killed(fleet.envs(environment.clone()).spawn().expect("a fleet"));
    let out = folder.path().join("drive");
    let (rate, updates) = (RATE.to_string(), format!("load.updates={}", RATE * SECONDS));
    let words = ["drive", "quickstart", "--devices", &devices, "--rate", &rate, "--set", &updates];
    // The load starts when all are online: what they and the hub have used until then is known then.
    let mut drive = program(&[&words[..], &["--set", "load.hold=2s"]].concat());
    let mut drive =
        Killed(drive.arg("--out").arg(&out).envs(environment).stderr(Stdio::piped()).spawn().expect("a driver"));
    let mut said = BufReader::new(drive.0.stderr.take().expect("piped")).lines().map_while(Result::ok);
    said.find(|line| line.contains("] holding")).expect("all devices online");
    let before = (fleet.cpu(), hub.cpu());
    said.for_each(drop);
    drive.0.wait().expect("the driver ends");
    let results = results(&out);
    let completed = results["census"]["completed"].as_f64().expect("a census");
    let each = |seconds: f64| seconds * 1e6 / completed;
    let fleet_us = each((fleet.cpu() - before.0).as_secs_f64());
    let hub_us = each((hub.cpu() - before.1).as_secs_f64());
    let driver_us = each(results["generator"]["cpu_seconds"].as_f64().expect("a figure"));
    let all = fleet_us + hub_us + driver_us;
    println!("  {client:<10} {fleet_us:>6.0} {hub_us:>5.0} {driver_us:>7.0} {all:>5.0}");
    fleet_us
}

fn sustain(rate: u32) {
    let out = tempfile::tempdir().expect("a folder");
    let (devices, text) = (SUSTAINED_DEVICES.to_string(), rate.to_string());
    let updates = format!("load.updates={}", rate * SUSTAINED_SECONDS);
    let words = ["run", "quickstart", "--devices", &devices, "--rate", &text, "--set", &updates];
    let sets = ["--set", "fleet.connect_rate=5000/s", "--set", "load.max_in_flight=2000"];
    let mut run = program(&[&words[..], &sets].concat());
    run.arg("--out").arg(out.path()).status().expect("a run");
    let results = results(out.path());
    let figure = |path: &str| results.pointer(path).and_then(Value::as_f64).unwrap_or_default();
    let completed = figure("/census/completed");
    let cpu = (figure("/generator/cpu_seconds") + figure("/hub/cpu_seconds")) * 1e6 / completed.max(1.0);
    let lag = figure("/generator/schedule_lag_p99_us") / 1e3;
    let what = results["verdict"].as_str().unwrap_or("no result");
    let met = if rate == RATES[0] {
        format!(", at most {MAX_CPU_US}: {}", verdict(cpu <= MAX_CPU_US))
    } else {
        String::new()
    };
    println!("  {rate:>6}  {completed:>10}  {lag:>4.1} ms  {cpu:>8.0} us  {what}{met}");
    for reason in results["invalid_reasons"].as_array().into_iter().flatten() {
        println!("          {}", reason.as_str().unwrap_or_default());
    }
}
