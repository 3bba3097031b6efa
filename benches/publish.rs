//! QoS 1 publishes acknowledged per CPU-second of the client's process: 1,000 devices, each waiting for its
//! acknowledgement. The counterpart only acknowledges, in a process of its own, and is the same for both.

#![allow(clippy::expect_used, reason = "a bench ends where something is missing")]

mod support;

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::MqttOptions;
use support::device::PeerDevice;
use support::process::{Figures, Player, asked, role, say};
use support::table::{median, verdict};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};
use twinstorm::mqtt::{
    ConnAck, Connect, ConnectReturnCode, Connection, Packet, PubAck, QoS, Scratch, SourceAddresses, connect_from,
    publish,
};

const DEVICES: u32 = 1_000;
const WINDOW: Duration = Duration::from_secs(4);
const REPEATS: usize = 5;
const LEAST_RATIO: f64 = 1.25;
const TOPIC: &str = "devices/sim-0000000/messages/events/";
const PAYLOAD: [u8; 100] = [b'x'; 100];

/// What the connections of a thread share, as a worker's devices do.
type Shared = Rc<RefCell<(Scratch, Vec<Packet>)>>;

fn main() {
    let Some(words) = role() else { return compare() };
    if words[0] == "sink" {
        return run(sink());
    }
    let (hub, acknowledged) = (words[1].parse().expect("an address"), Arc::new(AtomicU64::new(0)));
    let (peer, count) = (words[0] == "rumqttc", Arc::clone(&acknowledged));
    spawn(move || run(async move { if peer { peers(hub, count).await } else { ours(hub, count).await } }));
    while asked() {
        Figures::now(acknowledged.load(Ordering::Relaxed)).say();
    }
}

fn compare() {
    let mut sink = Player::start("sink");
    let hub = sink.answer();
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        ours.push(measure("twinstorm", &hub));
        peer.push(measure("rumqttc", &hub));
    }
    let (ours, peer) = (median(ours), median(peer));
    let ratio = ours / peer;
    println!("QoS 1 publishes acknowledged per CPU-second, {DEVICES} devices, one in flight each");
    println!("  twinstorm  {ours:>8.0}");
    println!("  rumqttc    {peer:>8.0}");
    println!("  ratio      {ratio:>8.2}   at least {LEAST_RATIO}: {}", verdict(ratio >= LEAST_RATIO));
}

fn measure(client: &str, hub: &str) -> f64 {
    let mut client = Player::start(&format!("{client} {hub}"));
    // All are connected once each could have published several times.
    while client.ask().count < u64::from(DEVICES) * 10 {
        sleep(Duration::from_millis(50));
    }
    let before = client.ask();
    sleep(WINDOW);
    let used = client.ask().since(before);
    used.count as f64 / used.cpu.as_secs_f64()
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, work);
}

/// Accepts every connection and acknowledges every message.
async fn sink() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    say(listener.local_addr().expect("an address"));
    let shared = Shared::default();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("an open socket");
        spawn_local(acknowledge(Connection::new(stream), Rc::clone(&shared)));
    }
}

async fn acknowledge(mut connection: Connection, shared: Shared) {
    let receive = |connection: &mut Connection, cx: &mut std::task::Context<'_>| {
        let (scratch, packets) = &mut *shared.borrow_mut();
        let received = connection.poll_receive(cx, scratch, packets);
        let answers: Vec<Packet> = packets
            .drain(..)
            .filter_map(|packet| match packet {
                Packet::Connect(_) => {
                    Some(Packet::ConnAck(ConnAck { session_present: false, code: ConnectReturnCode::Success }))
                }
                Packet::Publish(message) => Some(Packet::PubAck(PubAck::new(message.pkid))),
                _ => None,
            })
            .collect();
        connection
            .send(scratch, &answers)
            .and(Ok(()))
            .map_or_else(|error| std::task::Poll::Ready(Err(error)), |()| received)
    };
    while poll_fn(|cx| receive(&mut connection, cx)).await.is_ok() {}
}

/// The connection layer as the fleet uses it.
async fn ours(hub: SocketAddr, acknowledged: Arc<AtomicU64>) {
    let sources = SourceAddresses::Auto.towards(hub.ip(), DEVICES).expect("loopback");
    let shared = Shared::default();
    for device in 0..DEVICES {
        let stream = connect_from(sources.of(device), hub).await.expect("a connection");
        let connection = Connection::new(stream);
        spawn_local(publish_for_ever(connection, device, Rc::clone(&shared), Arc::clone(&acknowledged)));
    }
    std::future::pending().await
}

async fn publish_for_ever(mut connection: Connection, device: u32, shared: Shared, acknowledged: Arc<AtomicU64>) {
    let mut next = Packet::Connect(Connect::new(device.to_string()));
    for number in 0_u32.. {
        connection.send(&mut shared.borrow_mut().0, std::slice::from_ref(&next)).expect("an open socket");
        let mut answers = 0;
        while answers == 0 {
            poll_fn(|cx| {
                let (scratch, packets) = &mut *shared.borrow_mut();
                let received = connection.poll_receive(cx, scratch, packets);
                answers +=
                    packets.drain(..).filter(|packet| matches!(packet, Packet::ConnAck(_) | Packet::PubAck(_))).count();
                received
            })
            .await
            .expect("an open connection");
        }
        if number > 0 {
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        let pkid = (number % u32::from(u16::MAX)) as u16 + 1;
        next = publish(TOPIC.to_owned(), QoS::AtLeastOnce, pkid, Bytes::from_static(&PAYLOAD));
    }
}

async fn peers(hub: SocketAddr, acknowledged: Arc<AtomicU64>) {
    for device in 0..DEVICES {
        let acknowledged = Arc::clone(&acknowledged);
        spawn_local(async move {
            let mut device = PeerDevice::new(MqttOptions::new(device.to_string(), hub.ip().to_string(), hub.port()));
            loop {
                match device.events.poll().await.expect("a connection that lasts") {
                    rumqttc::Event::Incoming(Packet::ConnAck(_)) => {}
                    rumqttc::Event::Incoming(Packet::PubAck(_)) => {
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => continue,
                }
                device.client.try_publish(TOPIC, QoS::AtLeastOnce, false, PAYLOAD).expect("room");
            }
        });
        tokio::task::yield_now().await;
    }
    std::future::pending().await
}
