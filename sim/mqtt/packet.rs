//! MQTT 3.1.1 packets, as rumqttc's codec reads and writes them.

use bytes::{Bytes, BytesMut};

pub use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, PubComp, PubRec, PubRel, Publish, SubAck,
    Subscribe, SubscribeFilter, SubscribeReasonCode, UnsubAck, Unsubscribe,
};
pub use rumqttc::mqttbytes::{Error as PacketError, Protocol, QoS};

/// The largest packet that is read or written, in bytes: a message of 256 KiB (azure-iothub-protocol.md 1.7) with
/// room for its topic and header.
pub const MAX_PACKET: usize = 256 * 1024 + 16 * 1024;

/// What `packet` is, for logs: what it holds may be a secret.
#[must_use]
pub const fn kind(packet: &Packet) -> &'static str {
    match packet {
        Packet::Connect(_) => "CONNECT",
        Packet::ConnAck(_) => "CONNACK",
        Packet::Publish(_) => "PUBLISH",
        Packet::PubAck(_) => "PUBACK",
        Packet::PubRec(_) => "PUBREC",
        Packet::PubRel(_) => "PUBREL",
        Packet::PubComp(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::SubAck(_) => "SUBACK",
        Packet::Unsubscribe(_) => "UNSUBSCRIBE",
        Packet::UnsubAck(_) => "UNSUBACK",
        Packet::PingReq => "PINGREQ",
        Packet::PingResp => "PINGRESP",
        Packet::Disconnect => "DISCONNECT",
    }
}

/// A PUBLISH that is not retained; `pkid` is used at QoS 1 only.
#[must_use]
pub fn publish(topic: String, qos: QoS, pkid: u16, payload: Bytes) -> Packet {
    let mut publish = Publish::from_bytes(topic, qos, payload);
    publish.pkid = pkid;
    Packet::Publish(publish)
}

/// Takes the next packet out of `buffer`.
///
/// # Errors
/// [`PacketError::InsufficientBytes`] if it is not there in full, others if it is no packet. The codec does not look at
/// all that MQTT 3.1.1 forbids: flags that are reserved (2.2.2 of it), bodies of packets that have none (3.12 to 3.14),
/// subscribing to nothing (3.8.3, 3.10.3), U+0000 in a topic (1.5.3). Whoever sends it speaks something else.
pub(super) fn read_packet(buffer: &mut BytesMut) -> Result<Packet, PacketError> {
    const PUBLISH: u8 = 3;
    let is_legal = |first: u8| match (first >> 4, first & 0x0f) {
        (PUBLISH, _) => true,
        // PUBREL, SUBSCRIBE and UNSUBSCRIBE have one set.
        (6 | 8 | 10, flags) => flags == 2,
        (_, flags) => flags == 0,
    };
    match buffer[..] {
        [first, ..] if !is_legal(first) => return Err(PacketError::MalformedPacket),
        // PINGREQ, PINGRESP and DISCONNECT.
        [0xc0 | 0xd0 | 0xe0, length, ..] if length != 0 => return Err(PacketError::MalformedPacket),
        _ => {}
    }
    let packet = Packet::read(buffer, MAX_PACKET)?;
    let is_malformed = match &packet {
        Packet::Publish(publish) => publish.topic.contains('\0'),
        Packet::Subscribe(subscribe) => subscribe.filters.is_empty(),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.topics.is_empty(),
        _ => false,
    };
    if is_malformed { Err(PacketError::MalformedPacket) } else { Ok(packet) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_codec_lets_through_and_mqtt_forbids_is_no_packet() {
        for bytes in [
            &b"\xc0\x01a"[..],
            b"\xd0\x01a",
            b"\xe0\x01a",
            b"\x82\x02\x00\x01",
            b"\xa2\x02\x00\x01",
            b"\x30\x05\x00\x03a\x00b",
        ] {
            let error = read_packet(&mut bytes.into()).unwrap_err();
            assert!(!matches!(error, PacketError::InsufficientBytes(_)), "{bytes:?}: {error}");
        }
        for bytes in [&b"\xc0\x00"[..], b"\xe0\x00", b"\xa2\x05\x00\x01\x00\x01a", b"\x30\x04\x00\x01a\x00"] {
            assert!(read_packet(&mut bytes.into()).is_ok(), "{bytes:?}");
        }
    }

    #[test]
    fn reserved_flags_make_no_packet() {
        for bytes in
            [&b"\x80\x06\x00\x01\x00\x01a\x00"[..], b"\xc1\x00", b"\x60\x02\x00\x01", b"\x42\x02\x00\x01", b"\xa0"]
        {
            assert!(matches!(read_packet(&mut bytes.into()), Err(PacketError::MalformedPacket)), "{bytes:?}");
        }
        for bytes in [&b"\x82\x06\x00\x01\x00\x01a\x00"[..], b"\xc0\x00", b"\x62\x02\x00\x01", b"\x31\x04\x00\x01ab"] {
            assert!(read_packet(&mut bytes.into()).is_ok(), "{bytes:?}");
        }
        assert!(matches!(read_packet(&mut BytesMut::new()), Err(PacketError::InsufficientBytes(_))));
    }
}
