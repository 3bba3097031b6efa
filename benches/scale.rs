//! What a device costs while idle, and what an update costs, as the fleet grows from 1,000 to 100,000 devices (which are
//! several shards and hubs where a process may not have so many descriptors). Neither may follow the size of the fleet:
//! each is compared with all smaller ones.
//!
//! All processes of a run together: hub, fleet, driver and coordinator. About four minutes.

#![expect(clippy::expect_used, reason = "a bench ends where something is missing")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::table::verdict;
use twinstorm::measure::Usage;
use twinstorm::time::Clock;

const FLEETS: [u32; 3] = [1_000, 10_000, 100_000];
/// Updates per second while they are measured.
const RATE: u32 = 1_000;
/// How long each state is measured, and how long it settles before.
const MEASURED: Duration = Duration::from_secs(12);
const SETTLED: Duration = Duration::from_secs(4);
/// What a larger fleet may cost more for each device and each update.
const MOST: f64 = 1.2;

fn main() {
    println!("CPU of all processes, by size of the fleet");
    println!("  devices   idle, per device-minute   per update");
    let mut before: Vec<(f64, f64)> = Vec::new();
    for devices in FLEETS {
        let costs = costs(devices);
        // The smallest fleet's processes have little to share their fixed cost: all smaller ones are looked at.
        let worst =
            |part: fn(&(f64, f64)) -> f64| before.iter().map(|other| part(&costs) / part(other)).fold(0.0, f64::max);
        let (idle, update) = (worst(|costs| costs.0), worst(|costs| costs.1));
        let met = verdict(idle <= MOST && update <= MOST);
        let ratios = format!("{idle:.2} and {update:.2} times a smaller fleet's, at most {MOST}: {met}");
        row(devices, costs, if before.is_empty() { "" } else { &ratios });
        before.push(costs);
    }
}

fn row(devices: u32, (idle, update): (f64, f64), ratios: &str) {
    println!("  {devices:>7}   {:>20.0} us   {:>7.0} us   {ratios}", idle * 1e6, update * 1e6);
}

/// CPU-seconds of a device in an idle minute, and of an update.
fn costs(devices: u32) -> (f64, f64) {
    let out = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinstorm"));
    let hold = (SETTLED + MEASURED + SETTLED).as_secs();
    let seconds = (SETTLED + MEASURED + SETTLED).as_secs() as u32;
    command.args(["run", "quickstart", "--devices", &devices.to_string(), "--rate", &RATE.to_string()]);
    for set in [
        format!("load.hold={hold}s"),
        format!("load.updates={}", RATE * seconds),
        "fleet.connect_rate=5000/s".to_owned(),
        "fleet.connect_in_flight=1000".to_owned(),
        "firmware.wait=uniform 50ms..250ms".to_owned(),
        "firmware.download=uniform 50ms..250ms".to_owned(),
        "firmware.apply=uniform 50ms..250ms".to_owned(),
    ] {
        command.args(["--set", &set]);
    }
    command.arg("--out").arg(out.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut run = Run(command.spawn().expect("a run"));
    let mut said = BufReader::new(run.0.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let mut measured = |what: &str| {
        said.find(|line| line.contains(what)).expect("a run that comes so far");
        wait(SETTLED);
        let (clock, before) = (Clock::start(), run.cpu());
        wait(MEASURED);
        (run.cpu() - before).as_secs_f64() / clock.now().as_secs_f64()
    };
    let idle = measured("] holding");
    let loaded = measured("] running");
    said.for_each(drop);
    run.0.wait().expect("the run ends");
    let results = fs::read(out.path().join("results.json")).expect("a result");
    let results: serde_json::Value = serde_json::from_slice(&results).expect("JSON");
    assert_eq!(results["census"]["completed"], RATE * seconds, "an update that did not complete did not cost its due");
    (idle * 60.0 / f64::from(devices), (loaded - idle) / f64::from(RATE))
}

fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// A run, killed when dropped.
struct Run(Child);

impl Run {
    /// CPU of its process and its children so far.
    fn cpu(&self) -> Duration {
        let parent = self.0.id();
        let stat = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        let parent_of = |stat: &str| stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse::<u32>().ok();
        let processes = fs::read_dir("/proc").expect("proc").flatten();
        let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let family =
            processes.filter(|pid| *pid == parent || stat(*pid).is_some_and(|stat| parent_of(&stat) == Some(parent)));
        family.filter_map(Usage::of_process).map(|usage| usage.cpu).sum()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
