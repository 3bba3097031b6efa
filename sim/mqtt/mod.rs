//! MQTT 3.1.1: packets (rumqttc's codec) and a connection that owns no buffer while nothing is pending. The only room
//! that names the MQTT crate.

mod connection;
mod greeting;
mod packet;
mod source;

pub use connection::{Connection, ConnectionError, Scratch, connect};
pub use packet::{
    ConnAck, Connect, ConnectReturnCode, Login, MAX_PACKET, Packet, PacketError, Protocol, PubAck, Publish, QoS,
    SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode, UnsubAck, kind, publish,
};
pub use source::{
    AddressBlock, BlockError, MAX_ADDRESSES, OpenError, SourceAddresses, SourceError, Sources, connect_from,
};
