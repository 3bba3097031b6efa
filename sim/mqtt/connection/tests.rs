use std::future::poll_fn;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::mqtt::connect_from;
use crate::mqtt::{QoS, publish};

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(connect_from(None, listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

fn message(size: usize) -> Packet {
    publish("a/b".to_owned(), QoS::AtLeastOnce, 7, Bytes::from(vec![b'x'; size]))
}

async fn receive(connection: &mut Connection, scratch: &mut Scratch, count: usize) -> Vec<Packet> {
    let mut packets = Vec::new();
    while packets.len() < count {
        poll_fn(|cx| connection.poll_receive(cx, scratch, &mut packets)).await.unwrap();
    }
    packets
}

#[tokio::test]
async fn packets_arrive_whole_however_the_bytes_are_cut() {
    let (near, mut far) = pair().await;
    let (mut connection, mut scratch) = (Connection::new(near), Scratch::default());
    let mut bytes = BytesMut::new();
    for packet in [message(3), Packet::PingReq, message(300)] {
        packet.write(&mut bytes, MAX_PACKET).unwrap();
    }
    for cut in [1, 2, 5, 11, bytes.len() - 1] {
        let (head, tail) = bytes.split_at(cut);
        far.write_all(head).await.unwrap();
        let mut packets = Vec::new();
        poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await.unwrap();
        far.write_all(tail).await.unwrap();
        while packets.len() < 3 {
            poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await.unwrap();
        }
        assert_eq!(packets, [message(3), Packet::PingReq, message(300)]);
        assert!(connection.partial.is_empty() && connection.partial.capacity() == 0, "idle: no buffer");
    }
}

#[tokio::test]
async fn what_the_socket_does_not_take_goes_out_later_and_in_order() {
    let (near, far) = pair().await;
    let (mut connection, mut peer) = (Connection::new(near), Connection::new(far));
    let mut scratch = Scratch::default();
    let packets: Vec<Packet> = (0..30).map(|n| message(200_000 + n)).collect();
    let mut sent = 0;
    while !connection.has_unsent() {
        connection.send(&mut scratch, &packets[sent..=sent]).unwrap();
        sent += 1;
    }
    connection.send(&mut scratch, &[message(1)]).unwrap();
    let mut peer_scratch = Scratch::default();
    let (flushed, received) =
        tokio::join!(poll_fn(|cx| connection.poll_flush(cx)), receive(&mut peer, &mut peer_scratch, sent + 1));
    flushed.unwrap();
    assert_eq!(received[..sent], packets[..sent]);
    assert_eq!(received[sent], message(1));
    assert_eq!(connection.unsent.capacity(), 0, "idle: no buffer");
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_off_and_costs_no_more_than_the_bound() {
    let (near, _far) = pair().await;
    let (mut connection, mut scratch) = (Connection::new(near), Scratch::default());
    let packets: Vec<Packet> = (0..200).map(|_| message(200_000)).collect();
    let error = connection.send(&mut scratch, &packets).unwrap_err();
    assert!(matches!(error, ConnectionError::SlowReader), "{error}");
    assert!(connection.unsent.len() <= MAX_UNSENT + MAX_PACKET, "{}", connection.unsent.len());
}

#[tokio::test]
async fn the_shared_write_buffer_shrinks_again() {
    let (near, _far) = pair().await;
    let (mut connection, mut scratch) = (Connection::new(near), Scratch::default());
    connection.send(&mut scratch, &[message(200_000), message(200_000)]).unwrap();
    assert!(scratch.write.capacity() <= WRITE, "{}", scratch.write.capacity());
}

#[tokio::test]
async fn garbage_and_a_closed_peer_are_told_apart() {
    let (near, mut far) = pair().await;
    let (mut connection, mut scratch) = (Connection::new(near), Scratch::default());
    far.write_all(&[0xf0, 2, 0, 0]).await.unwrap();
    let mut packets = Vec::new();
    let error = poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Packet(_)), "{error}");
    let (near, far) = pair().await;
    let mut connection = Connection::new(near);
    drop(far);
    let error = poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Closed), "{error}");
}
