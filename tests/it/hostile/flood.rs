//! More connections than a hub has any use for, at a hub of its own process, whose memory and descriptors are looked at.

use std::fs;
use std::process::{Command, Stdio};

use tokio::task::JoinSet;

use super::reach::{Client, Reach};
use crate::support::{HubProcess, eventually, twinstorm};

/// Connections of strangers.
const FLOOD: usize = 10_000;
/// What they may cost, and what the same may cost more after it has happened twice, in KiB.
const MAX_GROWTH: u64 = 64 * 1024;
const MAX_MORE: u64 = 8 * 1024;

/// A figure of `/proc/PID/status`, in KiB.
fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// User and system time that a process has used, in ticks of a hundredth of a second.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    rest.split_ascii_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

async fn open_many(reach: &Reach, count: usize) -> Vec<Client> {
    let mut opening = JoinSet::new();
    for n in 0..count {
        opening.spawn(Client::open(if n % 2 == 0 { reach.mqtt } else { reach.http }));
    }
    opening.join_all().await
}

#[tokio::test]
async fn ten_thousand_strangers_cost_little_and_disturb_nobody() {
    let hub = HubProcess::run_by(twinstorm(&[]), &["--workers", "2"], Stdio::piped());
    let (reach, pid) = (Reach::of(&hub), hub.running.pid());
    let witness = reach.witness().await;
    reach.is_undisturbed().await;
    let (resident, open) = (memory(pid, "VmRSS"), descriptors(pid));
    let mut growths = Vec::new();
    for _ in 0..4 {
        let mut strangers = open_many(&reach, FLOOD).await;
        for stranger in &mut strangers {
            // A part of CONNECT, or of a request: what the hub must keep. Some are closed by now.
            let _ = stranger.write(b"\x10\x90\x1f\x00\x04MQTT\x04\x02\x00\x3c\x10\x00").await;
        }
        for _ in 0..5 {
            reach.is_undisturbed().await;
        }
        assert!(!witness.is_finished(), "the good device is still connected");
        let growth = memory(pid, "VmHWM") - resident;
        // More of them wait than there are places, so the first have to go.
        eventually("the hub sends strangers away", || hub.running.said().contains("said nothing"));
        println!("{FLOOD} strangers: {growth} KiB of memory, {} descriptors", descriptors(pid) - open);
        assert!(growth < MAX_GROWTH, "{growth} KiB");
        growths.push(growth);
        drop(strangers);
        eventually("the descriptors are free again", || descriptors(pid) <= open + 4);
    }
    // What a flood has used is free for the next, though the allocator may not give it back.
    assert!(growths[3] < growths[1] + MAX_MORE, "{growths:?} KiB");
    reach.is_undisturbed().await;
    let said = hub.running.said();
    assert!(said.lines().count() < 20, "a flood is no reason to write so much: {said}");
    witness.abort();
}

#[tokio::test]
async fn a_hub_without_descriptors_waits_and_recovers() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$0\" \"$@\""]).arg(twinstorm(&[]).get_program());
    let hub = HubProcess::run_by(command, &["--workers", "1"], Stdio::piped());
    let (reach, pid) = (Reach::of(&hub), hub.running.pid());
    let witness = reach.witness().await;
    let strangers = open_many(&reach, 300).await;
    eventually("it runs out of descriptors", || hub.running.said().contains("cannot accept"));
    let (before, said) = (ticks(pid), hub.running.said().lines().count());
    // The strangers are sent away in time, though nobody helps.
    let first = strangers.into_iter().next().unwrap();
    first.closed().await;
    assert!(ticks(pid) - before < 200, "it spins");
    assert!(hub.running.said().lines().count() < said + 10, "{}", hub.running.said());
    reach.is_undisturbed().await;
    assert_eq!(reach.device("d").await.subscribe(&["$iothub/twin/res/#"]).await, 0);
    witness.abort();
}
