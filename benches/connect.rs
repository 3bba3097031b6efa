//! Connects per CPU-second of the client's process: TCP, CONNECT with a SAS token, subscriptions, and the first report
//! answered by the twin. Our fleet spreads over loopback addresses; rumqttc has one source address.

mod support;

use support::online::{Client, bring, play};
use support::table::{median, verdict};

/// Devices, repeats, and how many times rumqttc's connects ours must make.
const CASES: [(u32, usize, f64); 2] = [(5_000, 3, 1.5), (19_000, 3, 3.0)];

fn measure(client: Client, devices: u32) -> f64 {
    f64::from(devices) / bring(client, devices, 60).took.cpu.as_secs_f64()
}

fn main() {
    if play() {
        return;
    }
    println!("connects per CPU-second (TCP, SAS, subscribe, first report answered)");
    println!("  devices  twinstorm  rumqttc  ratio");
    for (devices, repeats, least) in CASES {
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..repeats {
            ours.push(measure(Client::Ours, devices));
            peer.push(measure(Client::Peer, devices));
        }
        let (ours, peer) = (median(ours), median(peer));
        let ratio = ours / peer;
        println!(
            "  {devices:>7}  {ours:>9.0}  {peer:>7.0}  {ratio:>5.2}  at least {least}: {}",
            verdict(ratio >= least)
        );
    }
}
