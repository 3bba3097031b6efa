//! What a device needs of a dialect.

use bytes::Bytes;
use jiff::Timestamp;

use crate::mqtt::{Connect, Packet, Publish, SubscribeFilter};

/// A message from the hub, read by a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToDevice {
    /// A direct method call.
    Method {
        /// Names the call in its answer.
        rid: String,
        /// The method's name.
        name: String,
        /// JSON, or nothing where the caller gave no payload.
        payload: Bytes,
    },
    /// The answer to a report or to a twin request.
    TwinAnswer {
        /// Names the request.
        rid: String,
        /// 2xx: done; 429 and 5xx: try again; else refused.
        status: u16,
    },
    /// The desired properties changed.
    Desired {
        /// The patch, JSON.
        patch: Bytes,
    },
}

/// How a device talks to a hub.
pub trait DeviceDialect {
    /// The packet that opens the connection of device number `device`, with a token that is valid until `expires`.
    fn connect(&self, device: u32, id: &str, expires: Timestamp) -> Connect;

    /// The same, signed with a key that is not the device's.
    fn connect_with_wrong_key(&self, device: u32, id: &str, expires: Timestamp) -> Connect;

    /// What a device subscribes to once it is connected.
    fn subscriptions(&self) -> Vec<SubscribeFilter>;

    /// Reads a message from the hub; `None` if it is of no known kind.
    fn read(&self, publish: &Publish) -> Option<ToDevice>;

    /// The answer to a method call.
    fn method_response(&self, rid: &str, status: u16, payload: Bytes) -> Packet;

    /// A patch of the reported properties, at QoS 1 with packet identifier `pkid`.
    fn report(&self, rid: &str, pkid: u16, document: Bytes) -> Packet;
}
