//! A fleet of rumqttc's clients that does what ours does: it answers the method, and reports three times.

use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use rumqttc::Event;
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};
use twinstorm::device::{Deed, Delays, Request, Script, Stamp, Workflow};
use twinstorm::dialect::azure::{AzureDevice, ConnectionString, Key};
use twinstorm::dialect::{DeviceDialect, ToDevice};
use twinstorm::mqtt::Packet;
use twinstorm::profile::{self, Override, Plan};
use twinstorm::time::Clock;

use super::device::{PeerDevice, peer_options};
use super::hub::Place;
use super::process::command_for;

/// What our own devices answer.
const STARTED: &[u8] = br#"{"Response":"Firmware update started"}"#;

/// The process of such a fleet; where the hub is stands in its environment.
pub(crate) fn command(devices: u32, stage: &str) -> Command {
    command_for(&format!("peer-fleet {devices} {stage}"))
}

/// Plays it.
pub(crate) fn play(words: &[String]) {
    let (devices, stage) = (words[1].parse::<u32>().expect("a number"), words[2..].join(" "));
    let variable = |name: &str| std::env::var(name).expect("the hub's environment");
    let service = ConnectionString::parse(&variable("IOTHUB_CONNECTION_STRING")).expect("a connection string");
    let place = Place {
        mqtt: variable("TWINSTORM_HUB_MQTT").parse().expect("an address"),
        host: service.host,
        key: Key::from_base64(&variable("TWINSTORM_FLEET_KEY")).expect("a key"),
    };
    let sets =
        ["wait", "download", "apply"].map(|name| Override::set(&format!("firmware.{name}={stage}")).expect("a value"));
    let plan = profile::load("quickstart", &sets).expect("a profile");
    let shared = Rc::new((AzureDevice::new(&place.host, place.key.clone(), 60), plan, Clock::start()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let in_flight = Arc::new(Semaphore::new(200));
        for device in 0..devices {
            let permit = Arc::clone(&in_flight).acquire_owned().await.expect("open");
            let (shared, options) = (Rc::clone(&shared), peer_options(place.mqtt, &shared.0, device));
            spawn_local(async move {
                let mut peer = PeerDevice::new(options);
                peer.come_online(&shared.0).await;
                drop(permit);
                work(peer, &shared, device).await;
            });
        }
        std::future::pending::<()>().await;
    });
}

/// Answers calls and reports for ever. The workflow is ours, the packets are rumqttc's to carry.
async fn work(peer: PeerDevice, shared: &(AzureDevice, Plan, Clock), device: u32) {
    let (dialect, plan, clock) = shared;
    let PeerDevice { client, mut events } = peer;
    let mut workflow = Workflow::new(plan.firmware.version.as_str().into());
    let stamp = Stamp { wall: clock.wall(), format: plan.fleet.timestamps };
    let (mut nth, mut sendings) = (0, 1_u32);
    let publish = |packet: Packet| {
        if let Packet::Publish(publish) = packet {
            client.try_publish(publish.topic, publish.qos, false, publish.payload.to_vec()).expect("room");
        }
    };
    loop {
        tokio::select! {
            event = events.poll() => {
                let Event::Incoming(Packet::Publish(message)) = event.expect("a connection that lasts") else { continue };
                let Some(ToDevice::Method { rid, name, payload }) = dialect.read("", &message) else { continue };
                let request = Request::parse(&payload).expect("our driver's payload");
                publish(dialect.method_response("", &name, &rid, 200, bytes::Bytes::from_static(STARTED)).packet(0));
                let delays = Delays::draw(&plan.firmware, plan.seed, device, nth);
                workflow.start(clock.now(), request, Script::new(delays));
                nth += 1;
            }
            () = tokio::time::sleep_until(clock.instant(workflow.wake_at())) => {
                while let Some(Deed::Report(report)) = workflow.poll(clock.now(), stamp) {
                    sendings += 1;
                    publish(dialect.report("", &sendings.to_string(), report.document).packet(1));
                }
            }
        }
    }
}
