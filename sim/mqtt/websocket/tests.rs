use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::mqtt::{
    ByteStream, ClientTls, Connect, Connection, ConnectionError, Packet, QoS, Scratch, connect_from, publish,
    server_for,
};

/// A masked frame of the first byte `head`, with the mask 1, 2, 3, 4.
fn masked(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![head, 0x80 | u8::try_from(payload.len()).unwrap(), 1, 2, 3, 4];
    frame.extend(payload.iter().zip([1, 2, 3, 4].into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What a hub makes of `bytes`: the data, the answer, and how it ends.
fn opened(bytes: &[u8]) -> (Vec<u8>, Vec<u8>, Result<bool, WebSocketError>) {
    let (mut data, mut answer) = (BytesMut::new(), BytesMut::new());
    let result = Framing::server().open(&mut bytes.to_vec(), &mut data, &mut answer);
    (data.to_vec(), answer.to_vec(), result)
}

#[test]
fn frames_arrive_whole_however_they_are_cut() {
    let frames = [
        masked(0x82, b"one"),
        masked(0x02, b"begins, "),
        masked(0x89, b"are you there?"),
        masked(0x00, b"goes on, "),
        masked(0x00, b""),
        masked(0x8a, b"nobody asked"),
        masked(0x80, b"ends"),
        masked(0x82, b""),
    ]
    .concat();
    for cut in [1, 2, 3, 7, frames.len()] {
        let mut hub = Framing::server();
        let (mut data, mut answer) = (BytesMut::new(), BytesMut::new());
        for part in frames.clone().chunks_mut(cut) {
            assert_eq!(hub.open(part, &mut data, &mut answer), Ok(true));
        }
        assert_eq!(&data[..], b"onebegins, goes on, ends", "{cut}");
        assert_eq!(&answer[..], b"\x8a\x0eare you there?", "the ping is answered, without a mask");
        assert_eq!(hub.partial.capacity(), 0, "idle: no buffer");
    }
}

proptest! {
    #[test]
    fn what_one_side_frames_the_other_opens(
        sizes in proptest::collection::vec(prop_oneof![1..200_usize, 65_530..65_540_usize, 270_000..280_000_usize], 1..4),
        cut in 1..70_000_usize,
        from_client: bool,
    ) {
        let (device, hub) = (Framing::client(), Framing::server());
        let (sender, mut receiver) = if from_client { (device, hub) } else { (hub, device) };
        let mut framed = BytesMut::new();
        let mut sent = Vec::new();
        for size in sizes {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            sender.seal(&bytes, &mut framed).unwrap();
            sent.extend(bytes);
        }
        let (mut data, mut answer) = (BytesMut::new(), BytesMut::new());
        for part in framed.chunks_mut(cut) {
            prop_assert_eq!(receiver.open(part, &mut data, &mut answer), Ok(true));
        }
        prop_assert!(data == sent && answer.is_empty());
        prop_assert_eq!(receiver.partial.capacity(), 0);
    }

    #[test]
    fn no_bytes_make_it_panic_or_gather(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 1..50_usize) {
        for mut side in [Framing::server(), Framing::client()] {
            let (mut data, mut answer) = (BytesMut::new(), BytesMut::new());
            for part in bytes.clone().chunks_mut(cut) {
                if side.open(part, &mut data, &mut answer) != Ok(true) {
                    break;
                }
                prop_assert!(side.partial.len() < 14 + 126);
            }
        }
    }
}

#[test]
fn what_breaks_the_rules_is_answered_with_the_right_code() {
    let huge = [&[0x82, 0xff][..], &1_000_000_u64.to_be_bytes(), &[0; 4]].concat();
    for (bytes, code) in [
        (&masked(0x81, b"text")[..], 1003),
        (b"\x82\x03abc", 1002),
        (&masked(0xc2, b"an extension"), 1002),
        (&masked(0x83, b"an unknown kind"), 1002),
        (&masked(0x80, b"continues nothing"), 1002),
        (&[masked(0x02, b"a"), masked(0x82, b"b")].concat(), 1002),
        (&masked(0x09, b"a ping in parts"), 1002),
        (b"\x89\xfe\x00\x7e\x00\x00\x00\x00", 1002),
        (&masked(0x88, b"x"), 1002),
        (&masked(0x88, &1005_u16.to_be_bytes()), 1002),
        (&masked(0x88, b"\x03\xe8\xff\xfe"), 1007),
        (&huge, 1009),
    ] {
        let (_, answer, result) = opened(bytes);
        assert!(result.is_err(), "{bytes:?}");
        assert_eq!(answer, [&[0x88, 2][..], &u16::to_be_bytes(code)].concat(), "{bytes:?}");
    }
    let mut answer = BytesMut::new();
    let error = Framing::client().open(&mut masked(0x82, b"x"), &mut BytesMut::new(), &mut answer).unwrap_err();
    assert!(error.to_string().contains("a masked frame"), "{error}");
}

#[test]
fn a_goodbye_is_given_back_and_what_came_before_it_counts() {
    let bytes = [masked(0x82, b"last"), masked(0x88, b"\x03\xe9going away"), masked(0x82, b"ignored")].concat();
    let (data, answer, result) = opened(&bytes);
    assert_eq!((&data[..], &answer[..], result), (&b"last"[..], &b"\x88\x02\x03\xe9"[..], Ok(false)));
    assert_eq!(opened(&masked(0x88, b"")).1, b"\x88\x02\x03\xe8");
}

#[test]
fn an_answer_that_opens_no_websocket_says_why() {
    let client = WebSocketClient::new("hub.test", "/socket");
    let (head, _) = client.ask();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    assert_eq!(key.len(), 24);
    assert!(head.starts_with("GET /socket HTTP/1.1\r\nHost: hub.test\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let (head, upgrade) = client.ask();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let good = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
        accept_key(key.as_bytes())
    );
    let answered = |text: &str| upgrade.take_answer(&mut BytesMut::from(text)).map_err(|error| error.to_string());
    let mut whole = BytesMut::from(format!("{good}rest").as_bytes());
    assert_eq!(upgrade.take_answer(&mut whole), Ok(true));
    assert_eq!(&whole[..], b"rest", "what comes behind it stays");
    assert_eq!(answered(&good[..good.len() - 1]), Ok(false));
    for (text, says) in [
        (good.replace("101 Switching Protocols", "404 Not Found"), "answered 404"),
        (good.replace("websocket", "h2c"), "something else"),
        (good.replace("Accept: ", "Accept: A"), "somebody else's key"),
        (good.replace("mqtt", "amqp"), "does not speak MQTT"),
        ("\x20\x02\x00\x01".to_owned(), "does not speak HTTP"),
        (format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(9000)), "too long"),
    ] {
        let error = answered(&text).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(connect_from(None, listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// A device's and a hub's end of a WebSocket over TLS.
async fn pair() -> (Connection, Connection) {
    let (server, authority) = server_for("hub.test");
    let client = ClientTls::new("hub.test", &authority, false).unwrap();
    let (near, far) = sockets().await;
    let (mut near, mut far) =
        (Connection::client(near, &client, false).unwrap(), Connection::server(far, &server).unwrap());
    let device = async {
        let mut scratch = Scratch::default();
        poll_fn(|cx| near.poll_handshake(cx, &mut scratch)).await.unwrap();
        let upgrade = near.ask_for_websocket(&mut scratch, &WebSocketClient::new("hub.test", "/")).unwrap();
        poll_fn(|cx| near.poll_upgrade(cx, &mut scratch, &upgrade)).await.unwrap();
        near
    };
    let hub = async {
        let mut scratch = Scratch::default();
        poll_fn(|cx| far.poll_handshake(cx, &mut scratch)).await.unwrap();
        let mut stream = ByteStream::from(far);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap().into());
        }
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
            accept_key(key.as_bytes())
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        Connection::websocket(stream, b"").unwrap()
    };
    tokio::join!(device, hub)
}

fn message(size: usize) -> Packet {
    publish("a/b".to_owned(), QoS::AtLeastOnce, 7, Bytes::from(vec![b'x'; size]))
}

async fn receive(connection: &mut Connection, count: usize) -> Result<Vec<Packet>, ConnectionError> {
    let (mut scratch, mut packets) = (Scratch::default(), Vec::new());
    while packets.len() < count {
        poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await?;
    }
    Ok(packets)
}

#[tokio::test]
async fn packets_go_both_ways_over_a_websocket_over_tls_and_nothing_is_kept() {
    let (mut near, mut far) = pair().await;
    let packets = [Packet::Connect(Connect::new("d")), message(3), message(100_000), Packet::PingReq];
    let mut scratch = Scratch::default();
    for _ in 0..2 {
        near.send(&mut scratch, &packets).unwrap();
        let (flushed, received) = tokio::join!(poll_fn(|cx| near.poll_flush(cx)), receive(&mut far, packets.len()));
        flushed.unwrap();
        assert_eq!(received.unwrap(), packets);
        std::mem::swap(&mut near, &mut far);
    }
    assert!(!near.has_unsent() && !far.has_unsent());
    assert!(near.is_idle() && far.is_idle(), "idle: no buffer");
}

#[tokio::test]
async fn either_side_says_goodbye_with_its_last_packet() {
    for device_first in [true, false] {
        let (mut near, mut far) = pair().await;
        if !device_first {
            std::mem::swap(&mut near, &mut far);
        }
        near.send_last(&mut Scratch::default(), &[Packet::Disconnect]).unwrap();
        poll_fn(|cx| near.poll_flush(cx)).await.unwrap();
        let (mut scratch, mut packets) = (Scratch::default(), Vec::new());
        let error = loop {
            if let Err(error) = poll_fn(|cx| far.poll_receive(cx, &mut scratch, &mut packets)).await {
                break error;
            }
        };
        assert!(matches!(error, ConnectionError::Closed), "{error}");
        assert_eq!(packets, [Packet::Disconnect], "what came before it is there");
    }
}
