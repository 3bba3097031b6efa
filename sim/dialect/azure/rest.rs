//! The service side's requests and answers over HTTP (2.2, 3.4, 4, 5), as plain values: no socket here.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::twin::Reported;
use super::{ErrorCode, ServiceError};
use crate::dialect::{MethodAnswer, TwinReport};

/// The api-version of every request.
pub const API_VERSION: &str = "2021-04-12";
/// Page size of a query, asked for.
pub const MAX_ITEM_COUNT: &str = "x-ms-max-item-count";
/// Where a query goes on; absent on the last page.
pub const CONTINUATION: &str = "x-ms-continuation";
/// What a query's items are.
pub const ITEM_TYPE: &str = "x-ms-item-type";
/// The name of an error's code.
pub const ERROR_CODE: &str = "iothub-errorcode";
/// What the device answered to a digital twin's command.
pub const COMMAND_STATUS: &str = "x-ms-command-statuscode";
/// Names a request.
pub const REQUEST_ID: &str = "x-ms-request-id";
/// How many identities one bulk request may hold (5).
pub const BULK_MAX: usize = 100;

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An HTTP request to a hub, without host and authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// Headers beside the usual ones.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or nothing.
    pub body: String,
}

/// An HTTP answer of a hub.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where given.
    pub retry_after: Option<Duration>,
    /// `x-ms-continuation`, where given.
    pub continuation: Option<String>,
    /// The body.
    pub body: bytes::Bytes,
}

/// A direct method call with a payload, as the service asks for it (2.2).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodCall<P = Value> {
    /// The method's name.
    pub method_name: String,
    /// Its payload.
    pub payload: P,
    /// How long the hub waits for the device's answer, in seconds (5 to 300).
    pub response_timeout_in_seconds: u64,
    /// How long the hub waits for the device to connect, in seconds.
    pub connect_timeout_in_seconds: u64,
}

pub(super) fn path(path: std::fmt::Arguments<'_>) -> String {
    format!("{path}?api-version={API_VERSION}")
}

pub(super) fn segment(id: &str) -> impl std::fmt::Display {
    utf8_percent_encode(id, SEGMENT)
}

/// Calls a direct method.
#[must_use]
pub fn invoke_method(device_id: &str, call: &MethodCall<impl Serialize>) -> Request {
    Request {
        method: "POST",
        path: path(format_args!("/twins/{}/methods", segment(device_id))),
        headers: Vec::new(),
        body: serde_json::to_string(call).unwrap_or_default(),
    }
}

/// Reads a twin.
#[must_use]
pub fn get_twin(device_id: &str) -> Request {
    Request {
        method: "GET",
        path: path(format_args!("/twins/{}", segment(device_id))),
        headers: Vec::new(),
        body: String::new(),
    }
}

/// Asks for a page of a query's results.
#[must_use]
pub fn query(text: &str, page_size: usize, continuation: Option<&str>) -> Request {
    let mut headers = vec![(MAX_ITEM_COUNT, page_size.to_string())];
    headers.extend(continuation.map(|continuation| (CONTINUATION, continuation.to_owned())));
    Request {
        method: "POST",
        path: path(format_args!("/devices/query")),
        headers,
        body: serde_json::json!({ "query": text }).to_string(),
    }
}

/// A bulk request (5), [`BULK_MAX`] identities at most.
pub(super) fn post_devices(identities: &Value) -> Request {
    Request { method: "POST", path: path(format_args!("/devices")), headers: Vec::new(), body: identities.to_string() }
}

/// Reads an identity.
pub(super) fn get_identity(device_id: &str) -> Request {
    Request {
        method: "GET",
        path: path(format_args!("/devices/{}", segment(device_id))),
        headers: Vec::new(),
        body: String::new(),
    }
}

/// An id within a query: it may have a `'`, but no `"` (1.2).
pub(super) fn quoted(id: &str) -> String {
    if id.contains('\'') { format!("\"{id}\"") } else { format!("'{id}'") }
}

/// Asks how many devices are connected.
#[must_use]
pub fn service_statistics() -> Request {
    Request { method: "GET", path: path(format_args!("/statistics/service")), headers: Vec::new(), body: String::new() }
}

/// Reads the answer to [`invoke_method`].
#[must_use]
pub fn method_answer(response: &Response) -> MethodAnswer {
    #[derive(Deserialize)]
    struct Answer {
        status: i64,
        #[serde(default)]
        payload: Value,
    }
    if response.status == 200 {
        return match serde_json::from_slice::<Answer>(&response.body) {
            Ok(Answer { status, payload }) => MethodAnswer::Device { status, payload },
            Err(error) => MethodAnswer::Broken { reason: format!("the hub's answer is unreadable: {error}") },
        };
    }
    let error = ServiceError::parse(response.status, &response.body);
    match (response.status, error.code) {
        (_, Some(code)) if code == ErrorCode::DeviceNotOnline.number() => MethodAnswer::NotOnline,
        (_, Some(code)) if code == ErrorCode::GatewayTimeout.number() => MethodAnswer::NoResponse,
        (504, None) => MethodAnswer::NoResponse,
        (429, _) => MethodAnswer::Throttled { retry_after: response.retry_after },
        (status, code) => MethodAnswer::Hub { status, code, retry_after: response.retry_after },
    }
}

/// The query that finds every device of a range of ids whose reported properties changed at or after `since` (the
/// hub's own time, RFC 3339; `None` for all).
#[must_use]
pub fn delta_query(first_id: &str, last_id: &str, since: Option<&str>) -> String {
    let since = since.map(|since| format!(" AND properties.reported.$metadata.$lastUpdated >= '{since}'"));
    format!(
        "SELECT deviceId AS deviceId, connectionState AS connectionState, properties.reported AS reported FROM devices \
         WHERE deviceId >= {} AND deviceId <= {}{}",
        quoted(first_id),
        quoted(last_id),
        since.unwrap_or_default()
    )
}

/// What a [`delta_query`] asks for. Borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaQuery<'a> {
    /// The first of the ids.
    pub first_id: &'a str,
    /// The last of the ids.
    pub last_id: &'a str,
    /// From when on, by the hub's own time; `None` for all.
    pub since: Option<Timestamp>,
}

impl<'a> DeltaQuery<'a> {
    /// Reads what [`delta_query`] writes; `None` if it is any other query.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (_, conditions) = text.split_once("reported FROM devices WHERE deviceId >= ")?;
        let (first_id, rest) = literal(conditions)?;
        let (last_id, rest) = literal(rest.strip_prefix(" AND deviceId <= ")?)?;
        let since = match rest {
            "" => None,
            rest => {
                let (since, end) = literal(rest.strip_prefix(" AND properties.reported.$metadata.$lastUpdated >= ")?)?;
                Some(since.parse().ok().filter(|_| end.is_empty())?)
            }
        };
        Some(Self { first_id, last_id, since })
    }
}

/// The text in quotes that `text` begins with, and what follows.
fn literal(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// A row of [`delta_query`], read no further than an observer needs who knows it already.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeltaRow<'a> {
    /// The device's id.
    #[serde(borrow)]
    pub device_id: Cow<'a, str>,
    connection_state: Option<ConnectionState>,
    #[serde(borrow)]
    reported: Reported<'a>,
}

impl DeltaRow<'_> {
    /// Whether the hub believes the device connected, where the row says so.
    #[must_use]
    pub fn connected(&self) -> Option<bool> {
        connected(self.connection_state)
    }

    /// `$version` of the reported properties.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.reported.version()
    }

    /// When the hub last changed the reported properties, by its own clock.
    #[must_use]
    pub const fn last_updated(&self) -> Option<Timestamp> {
        self.reported.last_updated()
    }

    /// All that it says.
    ///
    /// # Errors
    /// What makes it none that a hub would send.
    pub fn report(&self) -> Result<TwinReport, serde_json::Error> {
        self.reported.report(&self.device_id, self.connected())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
enum ConnectionState {
    Connected,
    #[serde(other)]
    Other,
}

fn connected(state: Option<ConnectionState>) -> Option<bool> {
    state.map(|state| state == ConnectionState::Connected)
}

/// Reads a page of [`delta_query`].
///
/// # Errors
/// What makes it none that a hub would send.
pub fn delta_page(body: &[u8]) -> Result<Vec<DeltaRow<'_>>, serde_json::Error> {
    serde_json::from_slice(body)
}

/// Reads the answer to [`get_twin`].
///
/// # Errors
/// What makes it none that a hub would send.
pub fn twin(body: &[u8]) -> Result<TwinReport, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Twin<'a> {
        device_id: String,
        connection_state: Option<ConnectionState>,
        #[serde(borrow)]
        properties: Properties<'a>,
    }
    #[derive(Deserialize)]
    struct Properties<'a> {
        #[serde(borrow)]
        reported: Reported<'a>,
    }
    let twin: Twin<'_> = serde_json::from_slice(body)?;
    twin.properties.reported.report(&twin.device_id, connected(twin.connection_state))
}

/// Reads the answer to [`service_statistics`]: devices connected.
///
/// # Errors
/// What makes it none that a hub would send.
pub fn connected_devices(body: &[u8]) -> Result<u64, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Statistics {
        connected_device_count: u64,
    }
    Ok(serde_json::from_slice::<Statistics>(body)?.connected_device_count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_query_reads_as_written() {
        let at = "2026-01-01T00:00:00.5Z";
        for (first_id, last_id, since) in [("sim-0", "sim-9", None), ("o'a", "o'b", Some(at)), ("", "z", Some(at))] {
            let text = delta_query(first_id, last_id, since);
            let since = since.map(|since| since.parse().unwrap());
            assert_eq!(DeltaQuery::parse(&text), Some(DeltaQuery { first_id, last_id, since }), "{text}");
            assert_eq!(DeltaQuery::parse(&format!("{text} AND tags.a = 1")), None);
        }
        for text in
            ["", "SELECT * FROM devices", "reported FROM devices WHERE deviceId >= ", &delta_query("a", "b", Some("x"))]
        {
            assert_eq!(DeltaQuery::parse(text), None, "{text}");
        }
    }
}
