//! What a profile says of the plain dialect.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Topics;
use crate::mqtt::QoS;

/// What a profile says of the plain dialect. It holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainSettings {
    /// Topics.
    pub topics: Topics,
    /// How surely messages go.
    pub qos: PlainQos,
    /// Whether the broker keeps each device's latest report for who subscribes later.
    pub retain_reported: bool,
    /// The client id of a device; `{device}` stands for its id.
    pub client_id: String,
    /// The user name of a device, likewise; `None` for none.
    pub username: Option<String>,
    /// The user name of the driver; `None` for none.
    pub driver_username: Option<String>,
}

impl Default for PlainSettings {
    fn default() -> Self {
        Self {
            topics: Topics::default(),
            qos: PlainQos::default(),
            retain_reported: false,
            client_id: DEVICE.to_owned(),
            username: None,
            driver_username: None,
        }
    }
}

/// What stands for a device's id in names.
const DEVICE: &str = "{device}";

/// `template` for the device `id`.
pub(super) fn named(template: &str, id: &str) -> String {
    template.replace(DEVICE, id)
}

/// QoS by kind of message, 0 to 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainQos {
    /// Of calls.
    pub request: u8,
    /// Of their answers.
    pub response: u8,
    /// Of reports, and of desired properties.
    pub reported: u8,
    /// Of presence.
    pub presence: u8,
}

impl Default for PlainQos {
    fn default() -> Self {
        Self { request: 1, response: 1, reported: 1, presence: 1 }
    }
}

/// The QoS of this number; beyond 2 there is none.
pub(super) const fn qos(number: u8) -> QoS {
    match number {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// A password; it never shows itself in a debug print.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// This one.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
