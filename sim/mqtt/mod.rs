//! MQTT 3.1.1: packets (rumqttc's codec) and a connection that owns no buffer while nothing is pending. The only room
//! that names the crates of MQTT, TLS and WebSocket.

mod connection;
mod flow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod greeting;
mod packet;
mod source;
mod tls;
mod websocket;

pub use connection::{ByteStream, Connection, ConnectionError, Detached, Impairment, Latency, Scratch};
pub use flow::{Arrival, Flow, SPARE_ID};
pub use greeting::MAX_CONNECT;
pub use packet::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Login, MAX_PACKET, Packet, PacketError, Protocol, PubAck, PubComp,
    PubRec, PubRel, Publish, QoS, SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode, UnsubAck, Unsubscribe, kind,
    publish,
};
pub use source::{
    AddressBlock, BlockError, MAX_ADDRESSES, OpenError, SourceAddresses, SourceError, Sources, connect_from,
};
#[cfg(test)]
pub(crate) use tls::tests::server_for;
pub use tls::{
    ClientAuthorities, ClientCertificate, ClientIdentity, ClientRefused, ClientTls, ServerTls, TlsConfigError,
    TlsError, first_certificate,
};
pub use websocket::{SUBPROTOCOL, Upgrade, WebSocketClient, WebSocketError, accept_key};
