//! Direct methods (2.2).

use std::time::Duration;

use bytes::Bytes;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;

use super::answer::{Answer, Failure};
use super::router::Service;
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::{MAX_PAYLOAD, MethodRefusal, MethodRequest, Refusal};

/// The body of a call. Other fields are ignored: old clients send some (2.2).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    method_name: String,
    /// `None` only if it is missing: `null` is a payload too (2.1).
    #[serde(default, borrow, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "seconds")]
    response_timeout_in_seconds: Option<i64>,
    #[serde(default, deserialize_with = "seconds")]
    connect_timeout_in_seconds: Option<i64>,
}

/// The response timeout of a call that says none, in seconds.
pub(super) const RESPONSE_TIMEOUT: i64 = 30;

/// `null` is none, and `5.0` is 5: not every language tells them apart.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let written = number.to_string();
    let whole = written.strip_suffix(".0").unwrap_or(&written);
    whole.parse().map(Some).map_err(|_| D::Error::custom(format!("{number} is not a whole number of seconds")))
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Service {
    pub(super) async fn invoke(&self, id: &str, body: &[u8]) -> Result<Answer, Failure> {
        let request = read(body).map_err(MethodRefusal::from)?;
        let outcome = self.worker.invoke(id, request).await.map_err(MethodRefusal::from)?;
        let answer = outcome?;
        Ok(Answer::ok(format!(r#"{{"status":{},"payload":{}}}"#, answer.status, answer.payload)))
    }
}

/// Reads and checks a call.
pub(in crate::hub) fn read(body: &[u8]) -> Result<MethodRequest, Refusal> {
    let refuse = |message: String| Refusal::new(ErrorCode::ArgumentInvalid, message);
    let body: Body<'_> =
        serde_json::from_slice(body).map_err(|error| refuse(format!("the call is unreadable: {error}")))?;
    let response = body.response_timeout_in_seconds.unwrap_or(RESPONSE_TIMEOUT);
    let connect = body.connect_timeout_in_seconds.unwrap_or_default();
    call(&body.method_name, body.payload.map_or("", RawValue::get), response, connect)
}

/// A call of the method `name` with a `payload` of JSON or none, within its limits; timeouts in seconds.
pub(super) fn call(name: &str, payload: &str, response: i64, connect: i64) -> Result<MethodRequest, Refusal> {
    let refuse = |message: String| Refusal::new(ErrorCode::ArgumentInvalid, message);
    if !is_method_name(name) {
        let allowed = "1 to 128 printable ASCII characters other than $()<>@,;:\\\"/[]?={}";
        return Err(refuse(format!("`{}` is no method name: {allowed}", name.escape_debug())));
    }
    if !(5..=300).contains(&response) {
        return Err(refuse(format!("responseTimeoutInSeconds is {response}; it must lie within [5; 300]")));
    }
    if !(0..=300).contains(&connect) || connect > response {
        let limit = response.min(300);
        return Err(refuse(format!("connectTimeoutInSeconds is {connect}; it must lie within [0; {limit}]")));
    }
    if payload.len() > MAX_PAYLOAD {
        return Err(Refusal::new(ErrorCode::MessageTooLarge, format!("the payload has more than {MAX_PAYLOAD} bytes")));
    }
    let seconds = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
    Ok(MethodRequest {
        name: name.to_owned(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        response_timeout: seconds(response),
        connect_timeout: seconds(connect),
    })
}

/// 2.1. How long a name may be is documented nowhere.
fn is_method_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"$()<>@,;:\\\"/[]?={}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_payloads_are_told_apart() {
        let request = read(br#"{"methodName":"m","timeout":5}"#).unwrap();
        assert_eq!((request.response_timeout.as_secs(), request.connect_timeout.as_secs()), (30, 0));
        assert_eq!(request.payload, "");
        let request = |response: &str, connect: &str| {
            let more = format!(r#""responseTimeoutInSeconds":{response},"connectTimeoutInSeconds":{connect}"#);
            let request = read(format!(r#"{{"methodName":"m",{more}}}"#).as_bytes()).unwrap();
            (request.response_timeout.as_secs(), request.connect_timeout.as_secs())
        };
        assert_eq!(request("null", "null"), (30, 0));
        assert_eq!(request("5.0", "0.0"), (5, 0));
        for (payload, expected) in [("null", "null"), (r#"{"a": 1.0}"#, r#"{"a": 1.0}"#), ("\"\"", "\"\"")] {
            let body = format!(r#"{{"methodName":"m","payload":{payload},"connectTimeoutInSeconds":30}}"#);
            assert_eq!(read(body.as_bytes()).unwrap().payload, expected);
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for (body, word) in [
            (r#"{"methodName":""}"#.to_owned(), "method name"),
            (r#"{"methodName":"a/b"}"#.to_owned(), "method name"),
            (r#"{"methodName":"a b"}"#.to_owned(), "method name"),
            (r#"{"payload":1}"#.to_owned(), "methodName"),
            ("[".to_owned(), "unreadable"),
            (r#"{"methodName":"m","responseTimeoutInSeconds":5.5}"#.to_owned(), "whole number"),
            (r#"{"methodName":"m","responseTimeoutInSeconds":1e300}"#.to_owned(), "whole number"),
            (r#"{"methodName":"m","responseTimeoutInSeconds":4}"#.to_owned(), "[5; 300]"),
            (r#"{"methodName":"m","responseTimeoutInSeconds":301}"#.to_owned(), "[5; 300]"),
            (r#"{"methodName":"m","connectTimeoutInSeconds":31}"#.to_owned(), "[0; 30]"),
            (r#"{"methodName":"m","connectTimeoutInSeconds":-1}"#.to_owned(), "[0; 30]"),
        ] {
            let refusal = read(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::ArgumentInvalid);
            assert!(refusal.message.contains(word), "{body}: {refusal}");
        }
        let big = format!(r#"{{"methodName":"m","payload":"{}"}}"#, "x".repeat(MAX_PAYLOAD));
        assert_eq!(read(big.as_bytes()).unwrap_err().code, ErrorCode::MessageTooLarge);
    }
}
