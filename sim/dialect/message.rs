//! A message that is going to be published.

use bytes::Bytes;

use crate::mqtt::{LastWill, Packet, Publish, QoS};

/// A message on its way to a hub: all of a PUBLISH but its packet identifier, which is the connection's to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// How surely.
    pub qos: QoS,
    /// Whether the hub keeps it for who subscribes later.
    pub retain: bool,
}

impl Message {
    /// A message that is not retained.
    #[must_use]
    pub const fn new(topic: String, qos: QoS, payload: Bytes) -> Self {
        Self { topic, payload, qos, retain: false }
    }

    /// The packet; `pkid` is used above QoS 0 only.
    #[must_use]
    pub fn packet(self, pkid: u16) -> Packet {
        let mut publish = Publish::from_bytes(self.topic, self.qos, self.payload);
        publish.retain = self.retain;
        if self.qos != QoS::AtMostOnce {
            publish.pkid = pkid;
        }
        Packet::Publish(publish)
    }

    /// The same as what the hub is to publish when it loses the connection.
    #[must_use]
    pub fn will(self) -> LastWill {
        LastWill { topic: self.topic, message: self.payload, qos: self.qos, retain: self.retain }
    }
}
