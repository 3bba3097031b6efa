//! The hub's error codes and the three envelopes in which they travel (2.3).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::time::rfc3339;

/// The hub's own error codes, as far as they are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the hub's own, their meaning stands in its error pages")]
pub enum ErrorCode {
    ArgumentInvalid = 400_004,
    ArgumentNull = 400_005,
    IotHubFormatError = 400_006,
    BlobContainerValidationError = 400_008,
    DeviceDefinedMultipleTimes = 400_011,
    BulkRegistryOperationFailure = 400_013,
    InvalidProtocolVersion = 400_001,
    InvalidConfigurationTargetCondition = 400_401,
    InvalidConfigurationContent = 400_402,
    InvalidConfigurationCustomMetricsQuery = 400_404,
    InvalidDigitalTwinJsonPatch = 400_505,
    InvalidDigitalTwinPatchPath = 400_508,
    IotHubUnauthorizedAccess = 401_002,
    IotHubUnauthorized = 401_003,
    IotHubQuotaExceeded = 403_002,
    DeviceMaximumInflightMethodExceeded = 403_800,
    DeviceDisabled = 403_012,
    DeviceNotFound = 404_001,
    JobNotFound = 404_002,
    ModuleNotFound = 404_010,
    DeviceNotOnline = 404_103,
    ConfigurationNotFound = 404_301,
    OperationNotAllowedInCurrentState = 405_102,
    DeviceAlreadyExists = 409_001,
    JobAlreadyExists = 409_104,
    ModuleAlreadyExistsOnDevice = 409_301,
    ConfigurationAlreadyExists = 409_401,
    PreconditionFailed = 412_001,
    DeviceMessageLockLost = 412_002,
    MessageTooLarge = 413_001,
    TooManyDevices = 413_002,
    TooManyModulesOnDevice = 413_003,
    ConfigurationCountLimitExceeded = 413_101,
    ThrottlingException = 429_001,
    ThrottleBacklogLimitExceeded = 429_002,
    ThrottlingMaxActiveJobCountExceeded = 429_004,
    ServerError = 500_001,
    ServiceUnavailable = 503_001,
    ServerBusy = 503_005,
    GatewayTimeout = 504_101,
}

impl ErrorCode {
    /// The number, e.g. 404103.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The HTTP status: the code's first three digits.
    #[must_use]
    pub const fn status(self) -> u16 {
        (self as u32 / 1000) as u16
    }

    /// The name, as the header `iothub-errorcode` carries it.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Envelope B, flat: what a device gets on a failed twin operation.
    #[must_use]
    pub fn flat(self, message: &str, tracking_id: &str, now: Timestamp) -> Value {
        json!({
            "errorCode": self.number(),
            "message": message,
            "trackingId": tracking_id,
            "timestampUtc": rfc3339(now),
        })
    }

    /// Envelope A: registry, twins and queries.
    #[must_use]
    pub fn envelope(self, message: &str, tracking_id: &str, now: Timestamp) -> Value {
        let stamp = now.strftime("%m/%d/%Y %H:%M:%S");
        json!({
            "Message": format!("ErrorCode:{};{message}", self.name()),
            "ExceptionMessage": format!("Tracking ID:{tracking_id}-TimeStamp:{stamp}"),
        })
    }

    /// Envelope B within A: direct methods. `timeout` is what `info.timeout` states, where the code has one.
    #[must_use]
    pub fn nested(
        self,
        message: &str,
        tracking_id: &str,
        now: Timestamp,
        timeout: Option<std::time::Duration>,
    ) -> Value {
        let mut inner = self.flat(message, tracking_id, now);
        if let Some(timeout) = timeout {
            let seconds = timeout.as_secs();
            let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            inner["info"] = json!({ "timeout": text });
        }
        json!({ "Message": inner.to_string(), "ExceptionMessage": "" })
    }
}

/// An error answer of a hub, read from any envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The hub's code, where the answer holds one.
    pub code: Option<u32>,
    /// The hub's words.
    pub message: String,
}

impl ServiceError {
    /// Reads the body of an answer with `status`.
    #[must_use]
    pub fn parse(status: u16, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Flat {
            #[serde(rename = "errorCode")]
            code: u32,
            #[serde(default)]
            message: String,
        }
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(rename = "Message")]
            message: String,
        }
        if let Ok(flat) = serde_json::from_slice::<Flat>(body) {
            return Self { status, code: Some(flat.code), message: flat.message };
        }
        match serde_json::from_slice::<Envelope>(body) {
            Ok(Envelope { message }) => match serde_json::from_str::<Flat>(&message) {
                Ok(flat) => Self { status, code: Some(flat.code), message: flat.message },
                Err(_) => Self { status, code: None, message },
            },
            Err(_) => Self { status, code: None, message: String::from_utf8_lossy(body).chars().take(200).collect() },
        }
    }
}

impl ServiceError {
    /// Whether the hub's code is `code`, which some envelopes carry by name alone.
    #[must_use]
    pub fn is(&self, code: ErrorCode) -> bool {
        let named = || self.message.contains(&code.name());
        self.status == code.status() && (self.code == Some(code.number()) || named())
    }

    /// The hub's words, and what they mean where they do not say it.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.message {
            message if self.is(ErrorCode::IotHubQuotaExceeded) => {
                format!("its quota of messages is spent until midnight UTC: {message}")
            }
            message => message.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_envelope_is_read_back() {
        let now = "2026-08-15T09:09:19Z".parse().unwrap();
        let code = ErrorCode::DeviceNotOnline;
        for (body, number) in [
            (code.flat("gone", "t", now), Some(404_103)),
            (code.nested("gone", "t", now, Some(Duration::from_secs(3725))), Some(404_103)),
            (code.envelope("gone", "t", now), None),
        ] {
            let error = ServiceError::parse(404, body.to_string().as_bytes());
            assert_eq!((error.status, error.code), (404, number));
            assert!(error.message.contains("gone"), "{error:?}");
        }
        assert_eq!(ServiceError::parse(502, b"<html>").message, "<html>");
    }

    #[test]
    fn codes_carry_their_status_and_the_timeout_its_form() {
        assert_eq!((ErrorCode::GatewayTimeout.status(), ErrorCode::GatewayTimeout.number()), (504, 504_101));
        let now = "2026-08-15T09:09:19Z".parse().unwrap();
        let body = ErrorCode::GatewayTimeout.nested("m", "t", now, Some(Duration::from_secs(3725)));
        assert!(body["Message"].as_str().unwrap().contains(r#""info":{"timeout":"01:02:05"}"#));
        assert!(
            ErrorCode::DeviceNotFound.envelope("m", "t", now)["Message"]
                .as_str()
                .unwrap()
                .starts_with("ErrorCode:DeviceNotFound;")
        );
    }
}
