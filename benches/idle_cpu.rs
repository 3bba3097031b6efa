//! CPU of an idle device for a minute (its keep-alives): must not grow with the fleet. All run at the same time, so that
//! whatever else the machine does is the same for all.

mod support;

use std::thread::sleep;
use std::time::Duration;

use support::online::{Client, bring, play};
use support::table::verdict;

const KEEP_ALIVE: u16 = 30;
/// Each device pings twice in it.
const WINDOW: Duration = Duration::from_secs(60);
const FEW: u32 = 1_000;
const MANY: u32 = 10_000;
const MOST_GROWTH: f64 = 1.2;

fn main() {
    if play() {
        return;
    }
    let fleets = [(Client::Ours, FEW), (Client::Ours, MANY), (Client::Peer, MANY)];
    let mut online = fleets.map(|(client, devices)| bring(client, devices, KEEP_ALIVE));
    // What coming online left to be done is no part of idling.
    sleep(Duration::from_secs(3));
    let before = online.each_mut().map(|fleet| fleet.client.ask());
    sleep(WINDOW);
    let after = online.each_mut().map(|fleet| fleet.client.ask());
    let [few, many, peer] = std::array::from_fn(|index| {
        let cpu = after[index].since(before[index]).cpu.as_secs_f64();
        cpu * 1e6 / f64::from(fleets[index].1) / (WINDOW.as_secs_f64() / 60.0)
    });
    println!("CPU per idle device and minute, keep-alive {KEEP_ALIVE} s");
    println!("  twinstorm, {FEW:>6} devices  {few:>6.1} us");
    let growth = many / few;
    println!(
        "  twinstorm, {MANY:>6} devices  {many:>6.1} us   x {growth:.2}, at most {MOST_GROWTH}: {}",
        verdict(growth <= MOST_GROWTH)
    );
    println!("  rumqttc,   {MANY:>6} devices  {peer:>6.1} us");
}
