//! Jobs over HTTP (6): one method call over many devices, as plain values.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rest::{self, MethodCall, Request, Response, path, quoted, segment};
use super::{ErrorCode, ServiceError};
use crate::dialect::MethodAnswer;

/// How long a condition may be, in characters: as long as a query (4).
const MAX_CONDITION: usize = 8192;

/// The condition that names these devices.
#[must_use]
pub fn condition(ids: impl Iterator<Item = String>) -> String {
    let ids: Vec<String> = ids.map(|id| quoted(&id)).collect();
    format!("deviceId IN [{}]", ids.join(","))
}

/// How many ids fit into a condition: as many of the first as their `lengths`, in characters, allow.
#[must_use]
pub fn ids_that_fit(lengths: impl IntoIterator<Item = usize>) -> usize {
    // The words around the ids, but for the comma that the last of them lacks.
    let words = condition(std::iter::empty()).len() - 1;
    let ends = lengths.into_iter().scan(words, |end, length| {
        // Each stands in quotes, with a comma behind it.
        *end += length + 3;
        Some(*end)
    });
    ends.take_while(|end| *end <= MAX_CONDITION).count()
}

/// Schedules a method call, at once, for every device that `condition` holds for.
#[must_use]
pub fn schedule_method(
    job_id: &str,
    call: &MethodCall<impl Serialize>,
    condition: &str,
    max_execution: Duration,
) -> Request {
    let body = json!({
        "jobId": job_id,
        "type": "scheduleDeviceMethod",
        "cloudToDeviceMethod": call,
        "queryCondition": condition,
        "maxExecutionTimeInSeconds": max_execution.as_secs(),
    });
    let path = path(format_args!("/jobs/v2/{}", segment(job_id)));
    Request { method: "PUT", path, headers: Vec::new(), body: body.to_string() }
}

/// Whether this answer to [`schedule_method`] says that there is such a job already.
#[must_use]
pub fn is_there_already(response: &Response) -> bool {
    is_refused_with(ErrorCode::JobAlreadyExists, response)
}

/// Reads the refusal of a new job. That too many jobs have not ended is told from other throttles, for it is waited for
/// in another way: it is [`MethodAnswer::Hub`] with 429004.
#[must_use]
pub fn refusal(response: &Response) -> MethodAnswer {
    let code = ErrorCode::ThrottlingMaxActiveJobCountExceeded;
    if is_refused_with(code, response) {
        let (status, retry_after) = (response.status, response.retry_after);
        return MethodAnswer::Hub { status, code: Some(code.number()), retry_after };
    }
    rest::method_answer(response)
}

fn is_refused_with(code: ErrorCode, response: &Response) -> bool {
    ServiceError::parse(response.status, &response.body).is(code)
}

/// Asks how a job is doing.
#[must_use]
pub fn get(job_id: &str) -> Request {
    let path = path(format_args!("/jobs/v2/{}", segment(job_id)));
    Request { method: "GET", path, headers: Vec::new(), body: String::new() }
}

/// How a job is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It has not ended; or nothing is known of it, as a hub's index may lag.
    Unfinished,
    /// It has ended; with the hub's words if it failed as a whole.
    Ended(Option<String>),
}

/// Reads the answer to [`get`].
///
/// # Errors
/// What makes it none that a hub would send.
pub fn state(body: &[u8]) -> Result<JobState, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Job {
        status: String,
        failure_reason: Option<String>,
    }
    let Job { status, failure_reason } = serde_json::from_slice(body)?;
    Ok(match status.as_str() {
        "completed" => JobState::Ended(None),
        // Prose and interface spell it differently (6).
        "failed" | "cancelled" | "canceled" => JobState::Ended(Some(failure_reason.unwrap_or(status))),
        _ => JobState::Unfinished,
    })
}

/// The query for what a job did to each of its devices.
#[must_use]
pub fn devices_query(job_id: &str) -> String {
    format!("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{job_id}'")
}

/// Reads a page of [`devices_query`]: devices that are done, and how their call ended.
///
/// # Errors
/// What makes it none that a hub would send.
pub fn answers(body: &[u8]) -> Result<Vec<(String, MethodAnswer)>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        device_id: String,
        status: String,
        #[serde(default)]
        outcome: Option<Outcome>,
        #[serde(default)]
        error: Option<Error>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outcome {
        device_method_response: Option<DeviceAnswer>,
    }
    #[derive(Deserialize)]
    struct DeviceAnswer {
        status: i64,
        #[serde(default)]
        payload: Value,
    }
    #[derive(Deserialize)]
    struct Error {
        #[serde(default)]
        code: Value,
    }
    let answer = |row: Row| {
        let response = row.outcome.and_then(|outcome| outcome.device_method_response);
        let answer = match (row.status.as_str(), response) {
            (_, Some(DeviceAnswer { status, payload })) => MethodAnswer::Device { status, payload },
            ("failed" | "canceled" | "cancelled", None) => {
                failure(&row.error.map(|error| error.code).unwrap_or_default())
            }
            ("completed", None) => MethodAnswer::Broken { reason: "the job tells no answer of the device".to_owned() },
            _ => return None,
        };
        Some((row.device_id, answer))
    };
    Ok(serde_json::from_slice::<Vec<Row>>(body)?.into_iter().filter_map(answer).collect())
}

/// An error's code is a name or a number, by itself or as text.
fn failure(code: &Value) -> MethodAnswer {
    let text = code.as_str().map_or_else(|| code.to_string(), str::to_owned);
    let number = text.parse::<u32>().ok();
    let refused =
        |code: ErrorCode| MethodAnswer::Hub { status: code.status(), code: Some(code.number()), retry_after: None };
    let is = |code: ErrorCode| number == Some(code.number()) || text == code.name();
    match number.map(|number| number / 1000) {
        _ if is(ErrorCode::DeviceNotOnline) => MethodAnswer::NotOnline,
        _ if is(ErrorCode::GatewayTimeout) => MethodAnswer::NoResponse,
        Some(429) => MethodAnswer::Throttled { retry_after: None },
        _ if text.contains("Throttl") => MethodAnswer::Throttled { retry_after: None },
        _ if is(ErrorCode::DeviceNotFound) => refused(ErrorCode::DeviceNotFound),
        _ if is(ErrorCode::IotHubQuotaExceeded) => refused(ErrorCode::IotHubQuotaExceeded),
        Some(status @ 400..=599) => {
            let status = u16::try_from(status).unwrap_or(500);
            MethodAnswer::Hub { status, code: number, retry_after: None }
        }
        // Whether the device got the call is not known.
        _ => MethodAnswer::Hub { status: 500, code: None, retry_after: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_names_its_devices_and_is_read_back() {
        let ids = ["a-1", "a-2"].map(str::to_owned).into_iter();
        assert_eq!(condition(ids), "deviceId IN ['a-1','a-2']");
        // The hub's language has text in either quotes, and no id holds a double one.
        assert_eq!(condition(["it's".to_owned()].into_iter()), r#"deviceId IN ["it's"]"#);
        for (body, expected) in [
            (r#"{"status":"queued"}"#, JobState::Unfinished),
            (r#"{"jobId":"x","type":"unknown","status":"unknown"}"#, JobState::Unfinished),
            (r#"{"status":"completed","failureReason":null}"#, JobState::Ended(None)),
            (r#"{"status":"failed","failureReason":"bad"}"#, JobState::Ended(Some("bad".into()))),
            (r#"{"status":"cancelled"}"#, JobState::Ended(Some("cancelled".into()))),
        ] {
            assert_eq!(state(body.as_bytes()).unwrap(), expected, "{body}");
        }
        assert!(state(b"[]").is_err());
    }

    #[test]
    fn too_many_jobs_at_once_are_told_from_other_throttles() {
        let refusal = |name: &str| {
            let body = json!({ "Message": format!("ErrorCode:{name};words"), "ExceptionMessage": "" }).to_string();
            refusal(&Response { status: 429, retry_after: None, continuation: None, body: body.into() })
        };
        let expected = MethodAnswer::Hub { status: 429, code: Some(429_004), retry_after: None };
        assert_eq!(refusal("ThrottlingMaxActiveJobCountExceeded"), expected);
        assert_eq!(refusal("ThrottlingException"), MethodAnswer::Throttled { retry_after: None });
    }

    #[test]
    fn as_many_ids_fit_as_their_lengths_allow() {
        for length in [1, 11, 60, 128] {
            let fit = ids_that_fit(std::iter::repeat(length));
            let characters = |ids: usize| condition((0..ids).map(|_| "x".repeat(length))).len();
            assert!(characters(fit) <= MAX_CONDITION && characters(fit + 1) > MAX_CONDITION, "{fit} of {length}");
        }
        assert_eq!(ids_that_fit([3, 4]), 2, "there are no more");
    }

    #[test]
    fn each_row_says_how_its_call_ended() {
        let hub = |status, code| MethodAnswer::Hub { status, code, retry_after: None };
        for (row, expected) in [
            (
                json!({"status": "completed", "outcome": {"deviceMethodResponse": {"status": 409, "payload": 1}}}),
                Some(MethodAnswer::Device { status: 409, payload: json!(1) }),
            ),
            (json!({"status": "failed", "error": {"code": "DeviceNotOnline"}}), Some(MethodAnswer::NotOnline)),
            (json!({"status": "failed", "error": {"code": "404103"}}), Some(MethodAnswer::NotOnline)),
            (json!({"status": "failed", "error": {"code": 504_101}}), Some(MethodAnswer::NoResponse)),
            (
                json!({"status": "failed", "error": {"code": "ThrottlingException"}}),
                Some(MethodAnswer::Throttled { retry_after: None }),
            ),
            (json!({"status": "failed", "error": {"code": "DeviceNotFound"}}), Some(hub(404, Some(404_001)))),
            (json!({"status": "failed", "error": {"code": "IotHubQuotaExceeded"}}), Some(hub(403, Some(403_002)))),
            (json!({"status": "failed", "error": {"code": 403_800}}), Some(hub(403, Some(403_800)))),
            (json!({"status": "failed"}), Some(hub(500, None))),
            (json!({"status": "running"}), None),
            (json!({"status": "pending", "outcome": null, "error": null}), None),
        ] {
            let mut row = row;
            row["deviceId"] = "d".into();
            let answers = answers(json!([row]).to_string().as_bytes()).unwrap();
            assert_eq!(
                answers,
                expected.map(|answer| ("d".to_owned(), answer)).into_iter().collect::<Vec<_>>(),
                "{row}"
            );
        }
    }
}
