//! What a device needs of a dialect.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::Message;
use crate::mqtt::{Connect, Publish, QoS, SubscribeFilter};

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

/// How a device talks to a hub. `id` is the device's own wherever it stands.
pub trait DeviceDialect {
    /// The packet that opens the connection of device number `device`, with a token that is valid until `expires` where
    /// the dialect has tokens.
    fn connect(&self, device: u32, id: &str, expires: Timestamp) -> Connect;

    /// The same, with what proves the device to be another.
    fn connect_with_wrong_key(&self, device: u32, id: &str, expires: Timestamp) -> Connect;

    /// Whether devices prove themselves by tokens that expire, so that they have to connect anew with another before.
    fn has_tokens(&self) -> bool;

    /// What to look at where a hub refuses devices as not authorized.
    fn refusal_hint(&self) -> &'static str;

    /// What a device subscribes to once it is connected.
    fn subscriptions(&self, id: &str) -> Vec<SubscribeFilter>;

    /// Reads a message from the hub; `None` if it is of no known kind, or for another device.
    fn read(&self, id: &str, publish: &Publish) -> Option<ToDevice>;

    /// The answer to the call `rid` of `method`.
    fn method_response(&self, id: &str, method: &str, rid: &str, status: u16, payload: Bytes) -> Message;

    /// A patch of the reported properties; `rid` names it to who answers it.
    fn report(&self, id: &str, rid: &str, document: Bytes) -> Message;

    /// Whether a twin answers each report, by [`ToDevice::TwinAnswer`]. Where none does, a report has arrived once the hub
    /// has acknowledged it, as its QoS has it; at QoS 0 nobody ever says so.
    fn answers_reports(&self) -> bool;

    /// A message of telemetry.
    fn telemetry(&self, id: &str, qos: QoS, payload: Bytes) -> Message;

    /// What a device says of its being connected, to be retained, where the dialect has such a thing: that it is there, as
    /// soon as it listens; that it is not, before it goes on purpose. That it has gone otherwise is its will, which
    /// [`DeviceDialect::connect`] holds.
    fn presence(&self, id: &str, online: bool) -> Option<Message>;
}

/// A dialect that is chosen as the program runs.
pub type AnyDevice = Arc<dyn DeviceDialect + Send + Sync>;

impl<D: DeviceDialect + ?Sized> DeviceDialect for Arc<D> {
    fn connect(&self, device: u32, id: &str, expires: Timestamp) -> Connect {
        (**self).connect(device, id, expires)
    }

    fn connect_with_wrong_key(&self, device: u32, id: &str, expires: Timestamp) -> Connect {
        (**self).connect_with_wrong_key(device, id, expires)
    }

    fn has_tokens(&self) -> bool {
        (**self).has_tokens()
    }

    fn refusal_hint(&self) -> &'static str {
        (**self).refusal_hint()
    }

    fn subscriptions(&self, id: &str) -> Vec<SubscribeFilter> {
        (**self).subscriptions(id)
    }

    fn read(&self, id: &str, publish: &Publish) -> Option<ToDevice> {
        (**self).read(id, publish)
    }

    fn method_response(&self, id: &str, method: &str, rid: &str, status: u16, payload: Bytes) -> Message {
        (**self).method_response(id, method, rid, status, payload)
    }

    fn report(&self, id: &str, rid: &str, document: Bytes) -> Message {
        (**self).report(id, rid, document)
    }

    fn answers_reports(&self) -> bool {
        (**self).answers_reports()
    }

    fn telemetry(&self, id: &str, qos: QoS, payload: Bytes) -> Message {
        (**self).telemetry(id, qos, payload)
    }

    fn presence(&self, id: &str, online: bool) -> Option<Message> {
        (**self).presence(id, online)
    }
}
