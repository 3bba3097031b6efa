//! A device's side of the dialect.

use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::{DeviceSecrets, FromDevice, FromHub, Key, SasToken};
use crate::dialect::{DeviceDialect, Message, ToDevice};
use crate::mqtt::{Connect, Publish, QoS, SubscribeFilter};

/// The api-version that devices name (1.2).
const API_VERSION: &str = "2021-04-12";

/// Devices of an IoT Hub.
#[derive(Debug, Clone)]
pub struct AzureDevice {
    host: String,
    secrets: DeviceSecrets,
    keep_alive: u16,
}

impl AzureDevice {
    /// Devices of the hub `host` that prove themselves by `secrets`, with `keep_alive` in seconds.
    #[must_use]
    pub fn new(host: impl Into<String>, secrets: impl Into<DeviceSecrets>, keep_alive: u16) -> Self {
        Self { host: host.into(), secrets: secrets.into(), keep_alive }
    }

    /// CONNECT with a token signed by `key`.
    fn connect_by(&self, key: Option<&Key>, id: &str, expires: Timestamp) -> Connect {
        let mut connect = Connect::new(id);
        connect.keep_alive = self.keep_alive;
        // 1.5: what every official SDK sends by default.
        connect.clean_session = false;
        // 1.2: whoever has shown a certificate sends no password.
        let token = key.map(|key| SasToken::sign(&format!("{}/devices/{id}", self.host), expires, None, key));
        let token = token.unwrap_or_default();
        connect.set_login(format!("{}/{id}/?api-version={API_VERSION}", self.host), token);
        connect
    }
}

impl DeviceDialect for AzureDevice {
    fn connect(&self, device: u32, id: &str, expires: Timestamp) -> Connect {
        self.connect_by(self.secrets.key(device, id).as_ref(), id, expires)
    }

    fn connect_with_wrong_key(&self, device: u32, id: &str, expires: Timestamp) -> Connect {
        // One that derives from the right key is a good key, of nobody's: no hub derives secondary keys like this.
        let wrong = self.secrets.key(device, id).map(|key| key.derive("a wrong key"));
        self.connect_by(wrong.as_ref(), id, expires)
    }

    fn has_tokens(&self) -> bool {
        true
    }

    fn refusal_hint(&self) -> &'static str {
        "a wrong key, or a device that `twinstorm provision` has yet to register?"
    }

    fn subscriptions(&self, _id: &str) -> Vec<SubscribeFilter> {
        [FromHub::TWIN_RESPONSE_FILTER, FromHub::METHOD_FILTER]
            .map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtMostOnce))
            .into()
    }

    fn read(&self, _id: &str, publish: &Publish) -> Option<ToDevice> {
        Some(match FromHub::parse(&publish.topic)? {
            FromHub::Method { name, rid } => ToDevice::Method {
                rid: rid.to_owned(),
                name: percent_decode_str(name).decode_utf8_lossy().into_owned(),
                payload: publish.payload.clone(),
            },
            FromHub::TwinResponse { status, rid, .. } => ToDevice::TwinAnswer { rid: rid.to_owned(), status },
            FromHub::DesiredPatch { .. } => ToDevice::Desired { patch: publish.payload.clone() },
        })
    }

    fn method_response(&self, _id: &str, _method: &str, rid: &str, status: u16, payload: Bytes) -> Message {
        // 2.1: Node and C answer at QoS 0; the hub has an answer for the caller or a timeout in either case.
        let topic = FromDevice::MethodResponse { status: i64::from(status), rid };
        Message::new(topic.to_string(), QoS::AtMostOnce, payload)
    }

    fn report(&self, _id: &str, rid: &str, document: Bytes) -> Message {
        Message::new(FromDevice::ReportedPatch { rid }.to_string(), QoS::AtLeastOnce, document)
    }

    fn answers_reports(&self) -> bool {
        true
    }

    fn telemetry(&self, id: &str, qos: QoS, payload: Bytes) -> Message {
        Message::new(FromDevice::Telemetry { device: id, module: None, properties: "" }.to_string(), qos, payload)
    }

    fn presence(&self, _id: &str, _online: bool) -> Option<Message> {
        // The hub itself knows who is connected.
        None
    }
}
