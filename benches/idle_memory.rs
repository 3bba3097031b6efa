//! User memory of a connected, subscribed, idle device: our fleet, and rumqttc's `AsyncClient` doing the same.
//!
//! What a process needs before its first device (the program, its threads and shared buffers) is measured with 100
//! devices and subtracted: it does not grow with the fleet.

mod support;

use support::online::{Client, bring, play};
use support::table::{median, verdict};

const DEVICES: u32 = 5_000;
const FEW: u32 = 100;
const REPEATS: usize = 3;
const MOST: f64 = 2.0 * 1024.0;
const LEAST_RATIO: f64 = 15.0;

/// Bytes per device.
fn measure(client: Client) -> f64 {
    let memory = |devices| {
        let online = bring(client, devices, 60);
        online.took.memory as f64
    };
    (memory(DEVICES) - memory(FEW)) / f64::from(DEVICES - FEW)
}

fn main() {
    if play() {
        return;
    }
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        ours.push(measure(Client::Ours));
        peer.push(measure(Client::Peer));
    }
    let (ours, peer) = (median(ours), median(peer));
    println!("user memory per connected, subscribed, idle device, {DEVICES} devices, plain TCP");
    println!("  twinstorm  {ours:>8.0} bytes   at most {MOST:.0}: {}", verdict(ours <= MOST));
    println!("  rumqttc    {peer:>8.0} bytes");
    println!(
        "  ratio      {:>8.1}         at least {LEAST_RATIO}: {}",
        peer / ours,
        verdict(peer / ours >= LEAST_RATIO)
    );
}
