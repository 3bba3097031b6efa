//! What holds for any bytes that arrive as MQTT.

use bytes::BytesMut;

use super::connection::parse;
use super::greeting::read_connect;
use super::packet::{Connect, MAX_PACKET, Packet};
use super::websocket::Framing;

/// What bytes hold: packets until something is none, and whether something was none.
fn parsed(bytes: &[u8], chunk: usize) -> (Vec<Packet>, bool) {
    let (mut packets, mut buffer) = (Vec::new(), BytesMut::new());
    for part in bytes.chunks(chunk) {
        buffer.extend_from_slice(part);
        if parse(&mut buffer, &mut packets).is_err() {
            return (packets, true);
        }
    }
    (packets, false)
}

fn written(packet: &Packet) -> Option<BytesMut> {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, MAX_PACKET).ok()?;
    Some(bytes)
}

/// However the bytes are cut, the same packets are read; and what a packet is written as is read as that packet.
pub(crate) fn packets(data: &[u8]) {
    let whole = parsed(data, data.len().max(1));
    for chunk in [1, 3, 64] {
        assert_eq!(parsed(data, chunk), whole, "in pieces of {chunk}");
    }
    for packet in &whole.0 {
        // Not all that can be read can be written: a packet identifier of zero, say.
        let Some(bytes) = written(packet) else { continue };
        let (again, broken) = parsed(&bytes, bytes.len());
        assert!(!broken && again.len() == 1, "{packet:?} was written as {bytes:?}");
        assert_eq!(written(&again[0]), Some(bytes), "{packet:?}");
    }
}

/// The first packet, however its bytes are cut: the same CONNECT, the same rest, or refused.
pub(crate) fn connect(data: &[u8]) {
    let read = |chunk: usize| -> Option<(Option<Connect>, usize)> {
        let (mut buffer, mut taken) = (BytesMut::new(), 0);
        for part in data.chunks(chunk) {
            buffer.extend_from_slice(part);
            taken += part.len();
            if let Some(connect) = read_connect(&mut buffer).ok()? {
                return Some((Some(connect), buffer.len() + data.len() - taken));
            }
        }
        Some((None, buffer.len()))
    };
    let whole = read(data.len().max(1));
    assert_eq!(read(1), whole);
    if let Some((Some(connect), _)) = whole {
        let packet = Packet::Connect(connect);
        if let Some(mut bytes) = written(&packet) {
            let again = read_connect(&mut bytes);
            assert!(matches!(&again, Ok(Some(again)) if Packet::Connect(again.clone()) == packet), "{again:?}");
        }
    }
}

/// However the frames are cut, the same bytes of MQTT are in them and the same is answered; and what a client puts into
/// frames comes out of them.
pub(crate) fn websocket(data: &[u8]) {
    let opened = |bytes: &[u8], chunk: usize| {
        let (mut framing, mut inner, mut answer) = (Framing::server(), BytesMut::new(), BytesMut::new());
        for part in bytes.chunks(chunk) {
            match framing.open(&mut part.to_vec(), &mut inner, &mut answer) {
                Ok(true) => {}
                end => return (inner, answer, Some(end.is_ok())),
            }
        }
        (inner, answer, None)
    };
    let whole = opened(data, data.len().max(1));
    for chunk in [1, 3, 64] {
        assert_eq!(opened(data, chunk), whole, "in pieces of {chunk}");
    }
    let mut framed = BytesMut::new();
    if Framing::client().seal(data, &mut framed).is_ok() {
        assert_eq!(opened(&framed, framed.len().max(1)).0, data);
    }
}
