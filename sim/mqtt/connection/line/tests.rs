//! Impaired paths under connections over TCP and TLS, in time that passes when nothing else does.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::mqtt::{
    ClientTls, Connect, Connection, ConnectionError, Latency, Packet, QoS, Scratch, connect_from, publish, server_for,
};
use crate::policy::Delay;
use crate::random::Seed;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(1000);

/// A device's and a hub's end, over TCP and over TLS.
async fn pairs() -> [(Connection, Connection); 2] {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sockets = async || {
        let (near, far) = tokio::join!(connect_from(None, listener.local_addr().unwrap()), listener.accept());
        (near.unwrap(), far.unwrap().0)
    };
    let (near, far) = sockets().await;
    let plain = (Connection::new(near), Connection::new(far));
    let (server, authority) = server_for("hub.test");
    let client = ClientTls::new("hub.test", &authority, false).unwrap();
    let (near, far) = sockets().await;
    let (mut near, mut far) =
        (Connection::client(near, &client, false).unwrap(), Connection::server(far, &server).unwrap());
    let (mut near_scratch, mut far_scratch) = (Scratch::default(), Scratch::default());
    let device = async {
        poll_fn(|cx| near.poll_handshake(cx, &mut near_scratch)).await.unwrap();
        send(&mut near, &[Packet::Connect(Connect::new("d"))]).await;
    };
    let hub = async {
        poll_fn(|cx| far.poll_handshake(cx, &mut far_scratch)).await.unwrap();
        poll_fn(|cx| far.poll_connect(cx, &mut far_scratch)).await.unwrap();
    };
    tokio::join!(device, hub);
    [plain, (near, far)]
}

fn message(size: usize) -> Packet {
    publish("a/b".to_owned(), QoS::AtLeastOnce, 7, Bytes::from(vec![b'x'; size]))
}

async fn send(connection: &mut Connection, packets: &[Packet]) {
    connection.send(&mut Scratch::default(), packets).unwrap();
    poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
}

async fn receive(connection: &mut Connection, count: usize) -> Result<Vec<Packet>, ConnectionError> {
    let (mut scratch, mut packets) = (Scratch::default(), Vec::new());
    while packets.len() < count {
        poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await?;
    }
    Ok(packets)
}

/// Whether nothing comes for long.
async fn is_silent(connection: &mut Connection) -> bool {
    timeout(LONG, receive(connection, 1)).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn latency_delays_both_directions_and_keeps_the_order() {
    for (mut near, mut far) in pairs().await {
        let latency = Latency { delay: Delay::Uniform(SECOND, 2 * SECOND), seed: Seed(7) };
        near.impair(Impairment { latency: vec![latency], ..Impairment::default() });
        let start = now();
        let packets: Vec<Packet> = (0..30).map(message).collect();
        for packet in &packets {
            near.send(&mut Scratch::default(), std::slice::from_ref(packet)).unwrap();
        }
        assert!(near.has_unsent());
        let (_, received) = tokio::join!(poll_fn(|cx| near.poll_flush(cx)), receive(&mut far, 30));
        assert_eq!(received.unwrap(), packets);
        assert!(start.elapsed() >= SECOND && !near.has_unsent());
        let start = now();
        send(&mut far, &packets).await;
        assert_eq!(receive(&mut near, 30).await.unwrap(), packets);
        assert!(start.elapsed() >= SECOND);
        drop(far);
        let start = now();
        assert!(matches!(receive(&mut near, 1).await, Err(ConnectionError::Closed)));
        assert!(start.elapsed() >= SECOND, "the end is late as well");
    }
}

#[tokio::test(start_paused = true)]
async fn bandwidth_limits_both_directions() {
    for (mut near, mut far) in pairs().await {
        near.impair(Impairment { bandwidth: Some(10_000.0), ..Impairment::default() });
        let packets = [message(50_000)];
        let start = now();
        let (_, received) = tokio::join!(send(&mut near, &packets), receive(&mut far, 1));
        assert_eq!(received.unwrap(), packets);
        assert!(start.elapsed() > 4 * SECOND);
        let start = now();
        let (_, received) = tokio::join!(send(&mut far, &packets), receive(&mut near, 1));
        assert_eq!(received.unwrap(), packets);
        assert!(start.elapsed() > 4 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_gets_out_of_a_black_hole_before_it_closes() {
    for (mut near, mut far) in pairs().await {
        near.impair(Impairment { black_hole: true, ..Impairment::default() });
        near.send(&mut Scratch::default(), &[message(1)]).unwrap();
        send(&mut far, &[message(2)]).await;
        assert!(is_silent(&mut near).await && is_silent(&mut far).await && near.is_cut_off());
        assert!(timeout(LONG, poll_fn(|cx| near.poll_flush(cx))).await.is_err());
        near.impair(Impairment::default());
        poll_fn(|cx| near.poll_flush(cx)).await.unwrap();
        assert_eq!(receive(&mut far, 1).await.unwrap(), [message(1)]);
        assert_eq!(receive(&mut near, 1).await.unwrap(), [message(2)]);
        assert!(near.line.impaired.is_none() && near.is_idle(), "nothing is left of it");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_end_learns_that_the_other_has_gone_into_a_black_hole() {
    for (mut near, mut far) in pairs().await {
        near.impair(Impairment { black_hole: true, ..Impairment::default() });
        send(&mut far, &[message(2)]).await;
        drop(far);
        assert!(is_silent(&mut near).await);
        near.send(&mut Scratch::default(), &[message(1)]).unwrap();
        poll_fn(|cx| near.poll_closed(cx, &mut Scratch::default())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_into_a_black_hole_for_ever_is_cut_off() {
    for (mut near, _far) in pairs().await {
        near.impair(Impairment { black_hole: true, ..Impairment::default() });
        let packets: Vec<Packet> = (0..20).map(|_| message(200_000)).collect();
        let error = near.send(&mut Scratch::default(), &packets).unwrap_err();
        assert!(matches!(error, ConnectionError::SlowReader), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_makes_its_peer_wait_and_still_sends() {
    for (mut near, mut far) in pairs().await {
        near.impair(Impairment { reads_nothing: true, ..Impairment::default() });
        let mut sent = 0;
        while !far.has_unsent() {
            far.send(&mut Scratch::default(), &[message(200_000)]).unwrap();
            sent += 1;
        }
        assert!(is_silent(&mut near).await);
        send(&mut near, &[message(1)]).await;
        assert_eq!(receive(&mut far, 1).await.unwrap(), [message(1)]);
        near.impair(Impairment::default());
        let (_, received) = tokio::join!(poll_fn(|cx| far.poll_flush(cx)), receive(&mut near, sent));
        assert_eq!(received.unwrap().len(), sent);
    }
}
