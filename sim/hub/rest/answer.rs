//! Answers to services.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use jiff::Timestamp;

use crate::dialect::azure::ErrorCode;
use crate::dialect::azure::rest::ERROR_CODE;
use crate::hub::partition::{MethodRefusal, Refusal};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Answer {
    pub(super) status: u16,
    /// Headers beside the usual ones.
    pub(super) headers: Vec<(&'static str, String)>,
    /// JSON, or nothing.
    pub(super) body: String,
}

/// Why a request is refused, in the way that its address answers in (2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum Failure {
    /// Of registry, twins and queries.
    Plain(Refusal),
    /// Of module identities.
    Flat(Refusal),
    /// Of a direct method.
    Method(MethodRefusal),
    /// Of a throttle; when to come back, if that is told.
    Throttled(Refusal, Option<Duration>),
    /// There is nothing at this address.
    NoRoute(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Plain(refusal)
    }
}

impl From<MethodRefusal> for Failure {
    fn from(refusal: MethodRefusal) -> Self {
        Self::Method(refusal)
    }
}

impl Answer {
    /// 200 with JSON.
    pub(in crate::hub) fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// 204.
    pub(super) const fn empty() -> Self {
        Self { status: 204, headers: Vec::new(), body: String::new() }
    }

    /// The error answer to a refused request.
    pub(in crate::hub) fn refusal(failure: &Failure, tracking_id: &str, at: Timestamp) -> Self {
        let (code, body) = match failure {
            Failure::Plain(Refusal { code, message }) => (*code, code.envelope(message, tracking_id, at)),
            Failure::Flat(Refusal { code, message }) => (*code, code.flat(message, tracking_id, at)),
            Failure::Method(MethodRefusal { refusal: Refusal { code, message }, timeout }) => {
                (*code, code.nested(message, tracking_id, at, *timeout))
            }
            Failure::Throttled(refusal, again) => return Self::throttled(refusal, *again, tracking_id, at),
            Failure::NoRoute(message) => return Self::no_route(message, tracking_id, at),
        };
        Self { status: code.status(), headers: vec![(ERROR_CODE, code.name())], body: body.to_string() }
    }

    /// 429, after which the hub closes the connection (8.3).
    fn throttled(refusal: &Refusal, again: Option<Duration>, tracking_id: &str, at: Timestamp) -> Self {
        let mut answer = Self::refusal(&Failure::Plain(refusal.clone()), tracking_id, at);
        answer.headers.push(("connection", "close".to_owned()));
        // In whole seconds, rounded up.
        let again = again.map(|again| again.as_millis().div_ceil(1000).max(1).to_string());
        answer.headers.extend(again.map(|seconds| ("retry-after", seconds)));
        answer
    }

    /// 404, under a name that the Node SDK knows (2.3) and that no device's absence can be mistaken for.
    fn no_route(message: &str, tracking_id: &str, at: Timestamp) -> Self {
        const NAME: &str = "IotHubNotFound";
        let mut body = ErrorCode::DeviceNotFound.envelope(message, tracking_id, at);
        body["Message"] = format!("ErrorCode:{NAME};{message}").into();
        Self { status: 404, headers: vec![(ERROR_CODE, NAME.to_owned())], body: body.to_string() }
    }

    /// As hyper sends it.
    pub(in crate::hub) fn into_response(self) -> Response<Full<Bytes>> {
        let has_body = !self.body.is_empty();
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        if has_body {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::azure::ServiceError;

    #[test]
    fn each_address_refuses_in_its_own_envelope() {
        let at = Timestamp::UNIX_EPOCH;
        let refusal = Refusal::unknown("d");
        let plain = Answer::refusal(&refusal.clone().into(), "t", at);
        assert_eq!((plain.status, plain.headers[0].1.as_str()), (404, "DeviceNotFound"));
        assert!(plain.body.contains("ErrorCode:DeviceNotFound;device `d` is not registered"), "{}", plain.body);
        let method = Answer::refusal(&MethodRefusal::from(refusal).into(), "t", at);
        assert_eq!(ServiceError::parse(method.status, method.body.as_bytes()).code, Some(404_001));
        let flat = Answer::refusal(&Failure::Flat(Refusal::new(ErrorCode::ModuleNotFound, "no")), "t", at);
        assert_eq!((flat.status, ServiceError::parse(404, flat.body.as_bytes()).code), (404, Some(404_010)));
        let route = Answer::refusal(&Failure::NoRoute("nothing".into()), "t", at);
        assert!(route.status == 404 && route.body.contains("IotHubNotFound"), "{}", route.body);
    }
}
