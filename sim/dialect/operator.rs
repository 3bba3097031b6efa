//! What a fleet's operator sees through a dialect, answers to method calls and reports in the twin, and how one speaks who
//! is an MQTT client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::Message;
use crate::mqtt::{Connect, Publish, SubscribeFilter};
use crate::policy::FirmwareStatus;

/// How an operator who is an MQTT client talks with devices.
pub trait OperatorDialect {
    /// The packet that opens a connection of this client, whose session the hub keeps unless it is to be `clean`.
    fn connect(&self, client: &str, clean: bool) -> Connect;

    /// What to subscribe to for all that the devices of a scope say: answers and reports, and their `telemetry`, if wanted.
    fn subscriptions(&self, scope: Scope<'_>, telemetry: bool) -> Vec<SubscribeFilter>;

    /// What to subscribe to for their presence, where the dialect has such a thing. It is retained, and no hub hands out
    /// what is retained to a group.
    fn presence(&self, scope: Scope<'_>) -> Option<SubscribeFilter>;

    /// A method call that is named `rid`.
    fn request(&self, device: &str, method: &str, rid: &str, payload: Bytes) -> Message;

    /// Reads a message; `None` if it is of no known kind.
    fn read<'a>(&self, publish: &'a Publish) -> Option<FromFleet<'a>>;

    /// A subscription as the group `name`, and a message for it: whether it arrives tells whether the hub has groups.
    fn probe(&self, name: &str) -> (SubscribeFilter, Message);
}

/// An operator's dialect that is chosen as the program runs.
pub type AnyOperator = Arc<dyn OperatorDialect + Send + Sync>;

/// Whose messages are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All devices'.
    All,
    /// All devices', shared among the clients of this group: each message goes to one of them.
    Group(&'a str),
    /// This device's.
    Device(&'a str),
}

/// A message of a device, read by an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum FromFleet<'a> {
    /// The answer to a method call.
    Response {
        /// The device.
        device: &'a str,
        /// Names the call.
        rid: &'a str,
        /// Its status.
        status: i64,
        /// Its payload.
        payload: Value,
    },
    /// Reported properties.
    Reported {
        /// The device.
        device: &'a str,
        /// The patch, JSON as the device wrote it.
        patch: &'a Bytes,
    },
    /// Whether a device is connected.
    Presence {
        /// The device.
        device: &'a str,
        /// Whether it is.
        online: bool,
    },
    /// Telemetry.
    Telemetry {
        /// The device.
        device: &'a str,
        /// What it says.
        payload: &'a Bytes,
    },
}

/// The answer to one method call.
#[derive(Debug, Clone, PartialEq)]
pub enum MethodAnswer {
    /// The device answered.
    Device {
        /// Its status, 200 for success.
        status: i64,
        /// Its payload.
        payload: Value,
    },
    /// The device is not connected or does not offer the method (404103).
    NotOnline,
    /// The device did not answer in time (504101).
    NoResponse,
    /// The hub is throttling (429).
    Throttled {
        /// When to come back, if the hub says so.
        retry_after: Option<Duration>,
    },
    /// Any other answer of the hub.
    Hub {
        /// HTTP status.
        status: u16,
        /// The hub's error code, e.g. `404001`, where it gave one.
        code: Option<u32>,
        /// When to come back, if the hub says so.
        retry_after: Option<Duration>,
    },
    /// The hub could not be reached, so that nothing was sent.
    Unreachable {
        /// What happened, in words without secrets.
        reason: String,
    },
    /// No answer: the connection broke, or the answer is unreadable.
    Broken {
        /// What happened, in words without secrets.
        reason: String,
    },
    /// No answer within the client's own time limit.
    ClientTimeout,
}

/// What a twin says of a device's firmware, as an observer reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinReport {
    /// The device's id.
    pub device_id: String,
    /// `$version` of the reported properties.
    pub version: u64,
    /// When the hub last changed the reported properties, by its own clock.
    pub last_updated: Option<Timestamp>,
    /// `firmwareStatus`; `Err` with its text where it is none of the known ones.
    pub status: Option<Result<FirmwareStatus, String>>,
    /// When the hub last saw `firmwareStatus` written, by its own clock: tells a status of this update from one that
    /// an earlier update left behind.
    pub status_time: Option<Timestamp>,
    /// `updateId`, where the device echoes it.
    pub update_id: Option<String>,
    /// `fwVersion`, where the device reports it.
    pub fw_version: Option<String>,
    /// `error`, as it stands in the twin.
    pub error: Option<ReportedError>,
    /// For each status (in the order of [`FirmwareStatus::ALL`]) when the hub last saw its own key written
    /// (`downloadComplete`, ...).
    pub key_times: [Option<Timestamp>; 6],
    /// Whether the hub believes the device connected, where the document says so.
    pub connected: Option<bool>,
    /// A problem that makes the report unreadable, in words.
    pub unreadable: Option<String>,
}

/// Why a device says its update failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedError {
    /// The stage it failed in.
    pub stage: String,
    /// The reason.
    pub code: String,
}
