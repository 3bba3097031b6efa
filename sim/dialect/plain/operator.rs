//! An operator's side of the plain dialect.

use bytes::Bytes;
use serde_json::Value;

use super::settings::{named, qos};
use super::template::{Place, Said, Template};
use super::topics::Ready;
use super::{Password, PlainSettings, TopicsError};
use crate::dialect::{FromFleet, Message, OperatorDialect, Scope};
use crate::mqtt::{Connect, Publish, QoS, SubscribeFilter};

/// An operator who is a client of a plain broker.
#[derive(Debug, Clone)]
pub struct PlainOperator {
    settings: PlainSettings,
    topics: Ready,
    password: Option<Password>,
    keep_alive: u16,
    /// QoS at which telemetry is wanted.
    telemetry: u8,
}

impl PlainOperator {
    /// An operator that goes by `settings`, with `keep_alive` in seconds, who wants telemetry at this QoS (0 to 2).
    ///
    /// # Errors
    /// The topics cannot be used.
    pub fn new(
        settings: PlainSettings,
        password: Option<Password>,
        keep_alive: u16,
        telemetry: u8,
    ) -> Result<Self, TopicsError> {
        Ok(Self { topics: settings.topics.ready()?, settings, password, keep_alive, telemetry })
    }
}

/// The filter of `template` in this scope.
fn filter(template: &Template, scope: Scope<'_>, level: u8) -> SubscribeFilter {
    let path = match scope {
        Scope::All => template.filter(None),
        Scope::Group(group) => format!("$share/{group}/{}", template.filter(None)),
        Scope::Device(id) => template.filter(Some(id)),
    };
    SubscribeFilter::new(path, qos(level))
}

impl OperatorDialect for PlainOperator {
    fn connect(&self, client: &str, clean: bool) -> Connect {
        let mut connect = Connect::new(client);
        connect.keep_alive = self.keep_alive;
        connect.clean_session = clean;
        if let Some(username) = &self.settings.driver_username {
            let password = self.password.as_ref().map(Password::reveal).unwrap_or_default();
            connect.set_login(named(username, client), password);
        }
        connect
    }

    fn subscriptions(&self, scope: Scope<'_>, telemetry: bool) -> Vec<SubscribeFilter> {
        let levels = self.settings.qos;
        let mut filters = vec![
            filter(&self.topics.response, scope, levels.response),
            filter(&self.topics.reported, scope, levels.reported),
        ];
        if telemetry {
            filters.push(filter(&self.topics.telemetry, scope, self.telemetry));
        }
        filters
    }

    fn presence(&self, scope: Scope<'_>) -> Option<SubscribeFilter> {
        self.topics.presence.as_ref().map(|topic| filter(topic, scope, self.settings.qos.presence))
    }

    fn request(&self, device: &str, method: &str, rid: &str, payload: Bytes) -> Message {
        let said = Said { device, method, rid, status: "" };
        Message::new(self.topics.request.topic(said), qos(self.settings.qos.request), payload)
    }

    fn read<'a>(&self, publish: &'a Publish) -> Option<FromFleet<'a>> {
        let (topic, payload) = (publish.topic.as_str(), &publish.payload);
        if let Some(said) = self.topics.reported.read(topic) {
            return Some(FromFleet::Reported { device: said.device, patch: payload });
        }
        if let Some(said) = self.topics.telemetry.read(topic) {
            return Some(FromFleet::Telemetry { device: said.device, payload });
        }
        if let Some(said) = self.topics.response.read(topic) {
            let (status, payload) = match self.topics.response.says(Place::Status) {
                true => (said.status.parse().ok(), serde_json::from_slice(payload).unwrap_or_default()),
                false => wrapped(payload),
            };
            // One that nobody can read is an answer all the same: a device's refusal of an unknown kind.
            return Some(FromFleet::Response {
                device: said.device,
                rid: said.rid,
                status: status.unwrap_or(-1),
                payload,
            });
        }
        let said = self.topics.presence.as_ref()?.read(topic)?;
        Some(FromFleet::Presence { device: said.device, online: is_online(payload)? })
    }

    fn probe(&self, name: &str) -> (SubscribeFilter, Message) {
        let topic = format!("{}/probe/{name}", self.topics.prefix);
        let filter = SubscribeFilter::new(format!("$share/{name}/{topic}"), QoS::AtMostOnce);
        (filter, Message::new(topic, QoS::AtMostOnce, Bytes::from_static(b"{}")))
    }
}

/// Status and payload of an answer whose topic does not say them.
fn wrapped(payload: &[u8]) -> (Option<i64>, Value) {
    let mut value: Value = serde_json::from_slice(payload).unwrap_or_default();
    let status = value.get("status").and_then(Value::as_i64);
    (status, value.get_mut("payload").map(Value::take).unwrap_or_default())
}

/// Whether a device says that it is there: as ours do, or as others are used to.
fn is_online(payload: &[u8]) -> Option<bool> {
    let word = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "online" | "connected" | "true" | "1" => Some(true),
        // A retained message that was taken away is empty.
        "offline" | "disconnected" | "false" | "0" | "" => Some(false),
        _ => None,
    };
    match serde_json::from_slice(payload) {
        Ok(Value::Object(fields)) => fields.get("online").and_then(Value::as_bool),
        Ok(Value::String(text)) => word(&text),
        _ => word(std::str::from_utf8(payload).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_is_read_as_ours_and_as_others_say_it() {
        for (payload, online) in [
            (&br#"{"online":true}"#[..], Some(true)),
            (br#"{"online":false}"#, Some(false)),
            (br#""Online""#, Some(true)),
            (b"offline", Some(false)),
            (b"1", Some(true)),
            (b"", Some(false)),
            (b"perhaps", None),
            (br#"{"state":"online"}"#, None),
        ] {
            assert_eq!(is_online(payload), online, "{}", String::from_utf8_lossy(payload));
        }
    }
}
