//! The first packet of a client, read before anything is known of it.

use bytes::BytesMut;
use rumqttc::mqttbytes::check;

use super::packet::{Connect, Packet, PacketError};

/// The largest CONNECT, in bytes. Host, ids and token take less than 2 KiB, the rest is for a will. MQTT would allow one
/// of 64 KiB, but what strangers send is kept, for as many of them as there are places.
pub const MAX_CONNECT: usize = 8 * 1024;

/// What the first byte of CONNECT is.
const CONNECT: u8 = 0x10;

/// Takes CONNECT out of `buffer`, once it has arrived in full; what came behind it stays there.
///
/// The version is looked at before the codec sees the packet: rumqttc's takes MQTT 5 for MQTT 3.1.1, and stumbles over
/// the properties of MQTT 5 where it had better say that this version is not spoken here.
///
/// # Errors
/// [`PacketError::InvalidProtocol`] or [`PacketError::InvalidProtocolLevel`] for another version of MQTT than 3.1.1,
/// others if it is no CONNECT at all; that is told by its first byte.
pub(super) fn read_connect(buffer: &mut BytesMut) -> Result<Option<Connect>, PacketError> {
    match buffer.first() {
        None => return Ok(None),
        Some(&CONNECT) => {}
        Some(other) => return Err(PacketError::InvalidPacketType(other >> 4)),
    }
    let end = match check(buffer.iter(), MAX_CONNECT) {
        Ok(header) => header.frame_length(),
        Err(PacketError::InsufficientBytes(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    // All bytes of the length but the last have their highest bit set.
    let start = 2 + buffer.iter().skip(1).take_while(|byte| **byte >= 0x80).count();
    match &buffer[start..end] {
        // 3.1.2.3 of MQTT: the lowest flag is reserved, which the codec does not look at.
        [0, 4, b'M', b'Q', b'T', b'T', 4, flags, ..] if flags & 1 != 0 => return Err(PacketError::MalformedPacket),
        [0, 4, b'M', b'Q', b'T', b'T', 4, ..] => {}
        [0, 4, b'M', b'Q', b'T', b'T', level, ..] => return Err(PacketError::InvalidProtocolLevel(*level)),
        _ => return Err(PacketError::InvalidProtocol),
    }
    match Packet::read(buffer, MAX_CONNECT)? {
        Packet::Connect(connect) => Ok(Some(connect)),
        _ => Err(PacketError::MalformedPacket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(password: usize) -> BytesMut {
        let mut connect = Connect::new("d");
        connect.set_login("u", "x".repeat(password));
        let mut bytes = BytesMut::new();
        Packet::Connect(connect).write(&mut bytes, usize::MAX).unwrap();
        bytes
    }

    #[test]
    fn connect_is_read_once_it_is_whole_and_the_rest_stays() {
        for password in [1, 100, 8000] {
            let whole = connect(password);
            for cut in 0..whole.len() {
                assert_eq!(read_connect(&mut whole[..cut].into()).unwrap(), None, "{cut}");
            }
            let mut bytes = whole;
            bytes.extend_from_slice(&[0xc0, 0]);
            assert_eq!(read_connect(&mut bytes).unwrap().unwrap().client_id, "d");
            assert_eq!(bytes[..], [0xc0, 0]);
        }
    }

    #[test]
    fn a_reserved_flag_makes_no_connect() {
        let read = |flags| {
            read_connect(&mut [b"\x10\x0d\x00\x04MQTT\x04", &[flags][..], b"\x00\x3c\x00\x01d"].concat()[..].into())
        };
        assert_eq!(read(2).unwrap().unwrap().client_id, "d");
        assert!(matches!(read(3), Err(PacketError::MalformedPacket)));
    }

    #[test]
    fn other_versions_are_told_from_what_is_no_connect() {
        // MQTT 5 has properties, here one of 5 bytes, between keep-alive and client id.
        let five = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x0a\x00\x01d";
        let plain_five = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01d";
        for bytes in [&five[..], plain_five] {
            let error = read_connect(&mut bytes.into()).unwrap_err();
            assert!(matches!(error, PacketError::InvalidProtocolLevel(5)), "{error}");
        }
        for bytes in [&b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01d"[..], b"\x10\x00"] {
            let error = read_connect(&mut bytes.into()).unwrap_err();
            assert!(matches!(error, PacketError::InvalidProtocol), "{error}");
        }
        // The first byte suffices, and so does the length of one that is too large.
        for bytes in [&b"G"[..], b"\x30", b"\x1f", b"\x10\x81\x40", b"\x10\xff\xff\xff\xff"] {
            let error = read_connect(&mut bytes.into()).unwrap_err();
            assert!(!matches!(error, PacketError::InvalidProtocol), "{error}");
        }
    }
}
