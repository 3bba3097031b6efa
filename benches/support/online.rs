//! Bringing many devices online, with ours and with the peer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};
use twinstorm::device::{Fleet, FleetPlan};
use twinstorm::dialect::DeviceDialect;
use twinstorm::dialect::azure::AzureDevice;
use twinstorm::policy::{DeviceIds, DeviceRange, FaultPlan};
use twinstorm::profile;
use twinstorm::time::Clock;

use super::device::{PREFIX, PeerDevice, peer_options};
use super::hub::{self, Place};
use super::process::{Figures, Player, asked};

/// Connections under way at once.
pub(crate) const IN_FLIGHT: u32 = 200;

/// Who carries the devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Client {
    Ours,
    Peer,
}

/// Devices that are online, and the hub that they are at.
pub(crate) struct Online {
    // The hub goes first, so that it and not the client is left with ports that wait.
    _hub: Player,
    pub(crate) client: Player,
    /// What coming online took, from the start of the process.
    pub(crate) took: Figures,
}

/// Brings so many devices online.
pub(crate) fn bring(client: Client, devices: u32, keep_alive: u16) -> Online {
    let (hub, place) = hub::start(devices);
    let mut client = Player::start(&format!("{client:?} {devices} {keep_alive} {}", place.words()));
    let before = client.figures();
    let took = client.figures().since(before);
    Online { _hub: hub, client, took }
}

/// Plays whatever role this process has; false in the bench itself.
pub(crate) fn play() -> bool {
    let Some(words) = super::process::role() else { return false };
    let number = |index: usize| words[index].parse::<u32>().expect("a number");
    if words[0] == "hub" {
        hub::play(number(1));
        return true;
    }
    let (devices, keep_alive, place) = (number(1), number(2) as u16, Place::of(&words[3..]));
    Figures::now(0).say();
    let (online, waiting) = channel();
    let serve = if words[0] == "Ours" { ours } else { peer };
    // Until the bench has seen enough, it goes on; then this process is killed.
    std::thread::spawn(move || serve(&place, devices, keep_alive, &online));
    waiting.recv().expect("all devices online");
    Figures::now(u64::from(devices)).say();
    while asked() {
        Figures::now(u64::from(devices)).say();
    }
    true
}

/// Our fleet, on one worker.
fn ours(place: &Place, devices: u32, keep_alive: u16, online: &Sender<()>) {
    let dialect = AzureDevice::new(&place.host, place.key.clone(), keep_alive);
    let plan = fleet_plan(place.mqtt, devices, keep_alive, dialect);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let fleet = Fleet::start(plan).expect("threads");
        while fleet.sample().await.gauges.ready < devices {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = online.send(());
        std::future::pending::<()>().await;
    });
}

/// What such a fleet is told: to come online as fast as the peer does, by its word of how many may be under way at once.
pub(crate) fn fleet_plan<D>(hub: SocketAddr, devices: u32, keep_alive: u16, dialect: D) -> FleetPlan<D>
where
    D: DeviceDialect,
{
    let plan = profile::load("quickstart", &[]).expect("a profile");
    let mut config = plan.fleet;
    config.devices = devices;
    PREFIX.clone_into(&mut config.id_prefix);
    config.connect_rate = 1_000_000.0;
    config.connect_in_flight = IN_FLIGHT;
    config.keep_alive = Duration::from_secs(keep_alive.into());
    FleetPlan {
        config,
        firmware: plan.firmware,
        load_settles: false,
        faults: Arc::new(FaultPlan::new(plan.seed, &[], devices)),
        seed: plan.seed,
        range: DeviceRange { start: 0, end: devices },
        ids: DeviceIds::new(PREFIX),
        hub,
        tls: None,
        identities: None,
        websocket: None,
        images: None,
        dialect,
        clock: Clock::start(),
        truth: None,
        tracer: None,
    }
}

/// rumqttc, on one thread as well.
fn peer(place: &Place, devices: u32, keep_alive: u16, online: &Sender<()>) {
    let dialect = AzureDevice::new(&place.host, place.key.clone(), keep_alive);
    let dialect: &'static AzureDevice = Box::leak(Box::new(dialect));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        for device in 0..devices {
            let permit = Arc::clone(&in_flight).acquire_owned().await.expect("open");
            let options = peer_options(place.mqtt, dialect, device);
            spawn_local(async move {
                let mut device = PeerDevice::new(options);
                device.come_online(dialect).await;
                drop(permit);
                while device.events.poll().await.is_ok() {}
            });
        }
        let _all = in_flight.acquire_many(IN_FLIGHT).await.expect("open");
        let _ = online.send(());
        std::future::pending::<()>().await;
    });
}
