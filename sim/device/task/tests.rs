use tokio::net::TcpListener;

use super::*;
use crate::mqtt::{self, Packet, QoS, Scratch, publish};

/// A connection whose peer has left so much untaken that DISCONNECT did not go out, the peer, and how many packets
/// were sent in all.
async fn clogged() -> (Connection, Connection, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(mqtt::connect_from(None, listener.local_addr().unwrap()), listener.accept());
    let (mut near, far) = (Connection::new(near.unwrap()), Connection::new(far.unwrap().0));
    let (mut scratch, mut sent) = (Scratch::default(), 1);
    let large = publish("a".to_owned(), QoS::AtMostOnce, 0, vec![b'x'; 200_000].into());
    while !near.has_unsent() {
        near.send(&mut scratch, std::slice::from_ref(&large)).unwrap();
        sent += 1;
    }
    near.send(&mut scratch, &[Packet::Disconnect]).unwrap();
    (near, far, sent)
}

#[tokio::test]
async fn what_the_socket_did_not_take_at_the_end_still_goes_out() {
    let (near, mut far, sent) = clogged().await;
    let (mut scratch, mut packets) = (Scratch::default(), Vec::new());
    let receive = async { while poll_fn(|cx| far.poll_receive(cx, &mut scratch, &mut packets)).await.is_ok() {} };
    tokio::join!(farewell(near, ()), receive);
    assert_eq!((packets.len(), packets.pop()), (sent, Some(Packet::Disconnect)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_not_waited_for() {
    let (near, _far, _) = clogged().await;
    farewell(near, ()).await;
}
