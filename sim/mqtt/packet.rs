//! MQTT 3.1.1 packets, as rumqttc's codec reads and writes them.

use bytes::Bytes;

pub use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Login, Packet, PubAck, Publish, SubAck, Subscribe, SubscribeFilter,
    SubscribeReasonCode, UnsubAck,
};
pub use rumqttc::mqttbytes::{Error as PacketError, Protocol, QoS};

/// The largest packet that is read or written, in bytes: a message of 256 KiB (azure-iothub-protocol.md 1.7) with
/// room for its topic and header.
pub const MAX_PACKET: usize = 256 * 1024 + 16 * 1024;

/// A PUBLISH that is not retained; `pkid` is used at QoS 1 only.
#[must_use]
pub fn publish(topic: String, qos: QoS, pkid: u16, payload: Bytes) -> Packet {
    let mut publish = Publish::from_bytes(topic, qos, payload);
    publish.pkid = pkid;
    Packet::Publish(publish)
}
