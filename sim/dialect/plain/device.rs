//! A device's side of the plain dialect.

use bytes::Bytes;
use jiff::Timestamp;

use super::settings::{named, qos};
use super::template::{Place, Said};
use super::topics::Ready;
use super::{Password, PlainSettings, TopicsError};
use crate::dialect::{DeviceDialect, FIRMWARE_UPDATE, Message, ToDevice};
use crate::mqtt::{Connect, Publish, QoS, SubscribeFilter};

/// Devices of a plain broker.
#[derive(Debug, Clone)]
pub struct PlainDevice {
    settings: PlainSettings,
    topics: Ready,
    password: Option<Password>,
    keep_alive: u16,
}

impl PlainDevice {
    /// Devices that go by `settings`, all with this password if there is one, with `keep_alive` in seconds.
    ///
    /// # Errors
    /// The topics cannot be used.
    pub fn new(settings: PlainSettings, password: Option<Password>, keep_alive: u16) -> Result<Self, TopicsError> {
        Ok(Self { topics: settings.topics.ready()?, settings, password, keep_alive })
    }

    fn connect_by(&self, id: &str, password: Option<&str>) -> Connect {
        let mut connect = Connect::new(named(&self.settings.client_id, id));
        connect.keep_alive = self.keep_alive;
        // Whatever is not acknowledged is sent again by the device, or told as lost: nothing is left to a session.
        connect.clean_session = true;
        connect.last_will = self.presence(id, false).map(Message::will);
        if let Some(username) = &self.settings.username {
            connect.set_login(named(username, id), password.unwrap_or_default().to_owned());
        }
        connect
    }
}

impl DeviceDialect for PlainDevice {
    fn connect(&self, _device: u32, id: &str, _expires: Timestamp) -> Connect {
        self.connect_by(id, self.password.as_ref().map(Password::reveal))
    }

    fn connect_with_wrong_key(&self, _device: u32, id: &str, _expires: Timestamp) -> Connect {
        self.connect_by(id, Some("not the password"))
    }

    fn has_tokens(&self) -> bool {
        false
    }

    fn refusal_hint(&self) -> &'static str {
        "check hub.username and TWINSTORM_HUB_PASSWORD, or the certificate of hub.tls"
    }

    fn subscriptions(&self, id: &str) -> Vec<SubscribeFilter> {
        let request = SubscribeFilter::new(self.topics.request.filter(Some(id)), qos(self.settings.qos.request));
        let desired = self.topics.desired.as_ref();
        let desired =
            desired.map(|topic| SubscribeFilter::new(topic.filter(Some(id)), qos(self.settings.qos.reported)));
        [request].into_iter().chain(desired).collect()
    }

    fn read(&self, id: &str, publish: &Publish) -> Option<ToDevice> {
        if let Some(said) = self.topics.request.read(&publish.topic).filter(|said| said.device == id) {
            // A call happens once. One that somebody has let the broker keep would come again on every connection.
            if publish.retain {
                return None;
            }
            let name = if self.topics.request.says(Place::Method) { said.method } else { FIRMWARE_UPDATE };
            return Some(ToDevice::Method {
                rid: said.rid.to_owned(),
                name: name.to_owned(),
                payload: publish.payload.clone(),
            });
        }
        let desired = self.topics.desired.as_ref()?.read(&publish.topic)?;
        (desired.device == id).then(|| ToDevice::Desired { patch: publish.payload.clone() })
    }

    fn method_response(&self, id: &str, method: &str, rid: &str, status: u16, payload: Bytes) -> Message {
        let text = status.to_string();
        let said = Said { device: id, method, rid, status: &text };
        let payload = match self.topics.response.says(Place::Status) {
            true => payload,
            false => {
                let body = if payload.is_empty() { "null".into() } else { String::from_utf8_lossy(&payload) };
                format!(r#"{{"status":{status},"payload":{body}}}"#).into()
            }
        };
        Message::new(self.topics.response.topic(said), qos(self.settings.qos.response), payload)
    }

    fn report(&self, id: &str, _rid: &str, document: Bytes) -> Message {
        let topic = self.topics.reported.topic(Said { device: id, ..Said::default() });
        let message = Message::new(topic, qos(self.settings.qos.reported), document);
        Message { retain: self.settings.retain_reported, ..message }
    }

    fn answers_reports(&self) -> bool {
        false
    }

    fn telemetry(&self, id: &str, qos: QoS, payload: Bytes) -> Message {
        Message::new(self.topics.telemetry.topic(Said { device: id, ..Said::default() }), qos, payload)
    }

    fn presence(&self, id: &str, online: bool) -> Option<Message> {
        let topic = self.topics.presence.as_ref()?.topic(Said { device: id, ..Said::default() });
        let payload = Bytes::from_static(if online { br#"{"online":true}"# } else { br#"{"online":false}"# });
        Some(Message { retain: true, ..Message::new(topic, qos(self.settings.qos.presence), payload) })
    }
}
