//! Jobs (6).

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::Answer;
use super::methods;
use super::queries::{array, page_of, page_size, place};
use super::router::Service;
use crate::dialect::azure::ErrorCode;
use crate::hub::jobs::{Filter, JobRequest, MAX_EXECUTION, Work};
use crate::hub::partition::{Precondition, Refusal};
use crate::hub::query::{Place, Plan};
use crate::hub::throttle::Operation;
use crate::hub::twin::TwinPatch;

/// How long a job may run unless it says otherwise.
const DEFAULT_EXECUTION: u64 = 3600;
/// The longest condition, in characters: that of a query (4).
const MAX_CONDITION: usize = 8192;

/// The body of a new job. Other fields are ignored, as the SDKs send some (6).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    job_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    cloud_to_device_method: Option<&'a RawValue>,
    #[serde(borrow)]
    update_twin: Option<&'a RawValue>,
    query_condition: Option<String>,
    start_time: Option<String>,
    max_execution_time_in_seconds: Option<u64>,
}

impl Service {
    pub(super) async fn schedule_job(&self, id: &str, body: &[u8]) -> Result<Answer, Refusal> {
        let request = read(id, body)?;
        let receipt = self.jobs.visit(move |book, now| book.schedule(now, request)).await?;
        // Jobs that may be active at once are a limit of the tier (8.1): who looks for the cause finds it with the others.
        let too_many = |refusal: &Refusal| refusal.code == ErrorCode::ThrottlingMaxActiveJobCountExceeded;
        if receipt.as_ref().is_err_and(too_many)
            && let Some(throttles) = self.worker.throttles.in_force()
        {
            throttles.refuse_admitted(Operation::Job);
        }
        let receipt = receipt?;
        Ok(Answer::ok(receipt.to_string()))
    }

    pub(super) async fn get_job(&self, id: &str) -> Result<Answer, Refusal> {
        let id = id.to_owned();
        let document = self.jobs.visit(move |book, _| book.document(&id)).await?;
        Ok(Answer::ok(document.to_string()))
    }

    pub(super) async fn cancel_job(&self, id: &str) -> Result<Answer, Refusal> {
        let id = id.to_owned();
        let document = self.jobs.visit(move |book, now| book.cancel(now, &id)).await??;
        Ok(Answer::ok(document.to_string()))
    }

    /// All jobs that the address asks for, page by page. An array, as most SDKs expect (6).
    pub(super) async fn list_jobs(&self, headers: &HeaderMap, query: &str) -> Result<Answer, Refusal> {
        let parameter = |name: &str| {
            let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
            Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        let filter = Filter { kind: parameter("jobType"), status: parameter("jobStatus") };
        let (limit, place) = (page_size(headers)?, place(headers)?);
        let after = place.map(|place| place.cursor);
        let slice = self.jobs.visit(move |book, _| book.list(&filter, after.as_ref(), limit)).await?;
        let next = slice.next.map(|cursor| Place { cursor, asked: 0, left: None }.encode());
        Ok(page_of("JobResponse", array(slice.rows.iter().map(|(_, row)| row.as_str())), next))
    }

    /// A query over devices.jobs.
    pub(super) async fn query_jobs(&self, plan: Plan, place: Option<Place>, page: usize) -> Result<Answer, Refusal> {
        let left = place.as_ref().map_or(plan.top, |place| place.left);
        let limit = page.min(left.unwrap_or(usize::MAX));
        let mut after = place.map(|place| place.cursor);
        let plan = Arc::new(plan);
        let mut rows = Vec::new();
        loop {
            let (plan, from, wanted) = (Arc::clone(&plan), after, limit - rows.len());
            let slice = self.jobs.visit(move |book, _| book.search(&plan, from.as_ref(), wanted)).await?;
            rows.extend(slice.rows.into_iter().map(|(_, row)| row));
            after = slice.next;
            if after.is_none() || rows.len() >= limit {
                break;
            }
        }
        let left = left.map(|left| left - limit);
        let next = after.filter(|_| left != Some(0)).map(|cursor| Place { cursor, asked: 0, left }.encode());
        Ok(page_of("DeviceJob", array(rows.iter().map(String::as_str)), next))
    }
}

fn read(id: &str, body: &[u8]) -> Result<JobRequest, Refusal> {
    let refuse = |message: String| Refusal::new(ErrorCode::ArgumentInvalid, message);
    let body: Body<'_> =
        serde_json::from_slice(body).map_err(|error| refuse(format!("the job is unreadable: {error}")))?;
    // 6: seen with the service.
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&id.len()) || !id.bytes().all(allowed) {
        let id = id.escape_debug();
        return Err(refuse(format!("`{id}` is no job id: 1 to 64 lower-case letters, digits and hyphens")));
    }
    if let Some(other) = body.job_id.filter(|other| other != id) {
        return Err(refuse(format!("jobId is `{}`, but the address says `{id}`", other.escape_debug())));
    }
    let missing = |what: &str| Refusal::new(ErrorCode::ArgumentNull, format!("{what} is missing"));
    let (work, update) = match body.kind.as_deref() {
        Some("scheduleDeviceMethod") => {
            let method = body.cloud_to_device_method.ok_or_else(|| missing("cloudToDeviceMethod"))?;
            (Work::Method(methods::read(method.get().as_bytes())?), None)
        }
        Some("scheduleUpdateTwin") => {
            let update = body.update_twin.ok_or_else(|| missing("updateTwin"))?;
            (Work::Twin(TwinPatch::parse_change(update.get().as_bytes())?, etag(update)?), Some(update.to_owned()))
        }
        other => {
            let other = other.unwrap_or_default().escape_debug().to_string();
            return Err(refuse(format!("type `{other}`: known are scheduleDeviceMethod and scheduleUpdateTwin")));
        }
    };
    let condition = body.query_condition.filter(|condition| !condition.trim().is_empty());
    let condition = condition.ok_or_else(|| missing("queryCondition (`*` for all devices)"))?;
    if condition.chars().count() > MAX_CONDITION {
        return Err(refuse(format!("queryCondition has more than {MAX_CONDITION} characters")));
    }
    let start = body.start_time.as_deref().filter(|text| !text.is_empty()).map(|text| {
        start_time(text)
            .ok_or_else(|| refuse(format!("startTime `{}` is no time in ISO 8601 with a zone", text.escape_debug())))
    });
    let seconds = body.max_execution_time_in_seconds.unwrap_or(DEFAULT_EXECUTION);
    let most = MAX_EXECUTION.as_secs();
    if !(1..=most).contains(&seconds) {
        return Err(refuse(format!("maxExecutionTimeInSeconds is {seconds}; it must lie within [1; {most}]")));
    }
    Ok(JobRequest {
        id: id.to_owned(),
        work: Arc::new(work),
        update,
        condition,
        start: start.transpose()?,
        max_execution: Duration::from_secs(seconds),
    })
}

/// The last hours of year 9999, which some languages call the end of time, are none of [`Timestamp`]'s: they are read
/// as its last, so that they are refused as too far ahead.
fn start_time(text: &str) -> Option<Timestamp> {
    let last = || {
        let pieces = Pieces::parse(text).ok()?;
        (pieces.offset().is_some() && pieces.date().year() == 9999).then_some(Timestamp::MAX)
    };
    text.parse().ok().or_else(last)
}

/// 6: a twin is changed only if the etag fits, so there must be one.
fn etag(update: &RawValue) -> Result<Precondition, Refusal> {
    let update: Value = serde_json::from_str(update.get()).unwrap_or_default();
    match Precondition::parse(update["etag"].as_str()) {
        Precondition::Absent => {
            Err(Refusal::new(ErrorCode::ArgumentNull, "updateTwin has no etag: send \"*\" to change any twin"))
        }
        given => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn method(more: Value) -> Value {
        let mut body = json!({
            "type": "scheduleDeviceMethod",
            "cloudToDeviceMethod": {"methodName": "m", "payload": {"a": 1}, "responseTimeoutInSeconds": 10},
            "queryCondition": "*",
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    }

    #[test]
    fn a_job_is_read_with_its_defaults() {
        let body = method(json!({"jobId": "a-1", "startTime": null, "unknown": 1}));
        let request = read("a-1", body.to_string().as_bytes()).unwrap();
        assert_eq!((request.start, request.max_execution.as_secs()), (None, 3600));
        let Work::Method(call) = &*request.work else { panic!("a method") };
        assert_eq!(
            (call.name.as_str(), &call.payload[..], call.response_timeout.as_secs()),
            ("m", &b"{\"a\":1}"[..], 10)
        );
        let body = json!({
            "type": "scheduleUpdateTwin",
            "updateTwin": {"etag": "*", "tags": {"a": 1}},
            "queryCondition": "deviceId IN ['x']",
            "startTime": "2026-01-01T00:00:00Z",
            "maxExecutionTimeInSeconds": 5,
        });
        let request = read("a", body.to_string().as_bytes()).unwrap();
        assert!(matches!(&*request.work, Work::Twin(patch, Precondition::Any) if patch.tags.is_some()));
        assert_eq!(request.update.unwrap().get(), r#"{"etag":"*","tags":{"a":1}}"#);
        assert_eq!(request.start, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn the_end_of_time_is_a_time() {
        for (text, start) in [
            ("9999-12-31T23:59:59Z", Some(Timestamp::MAX)),
            ("9999-12-31T23:59:59.9999999+00:00", Some(Timestamp::MAX)),
            ("9999-12-31T23:59:59", None),
            ("2026-01-01T00:00:00", None),
        ] {
            assert_eq!(start_time(text), start, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let long = "x".repeat(65);
        for (id, body, word) in [
            ("A", method(json!({})), "job id"),
            (long.as_str(), method(json!({})), "job id"),
            ("a", method(json!({"jobId": "b"})), "the address says `a`"),
            ("a", method(json!({"type": "import"})), "scheduleUpdateTwin"),
            ("a", method(json!({"cloudToDeviceMethod": null})), "cloudToDeviceMethod"),
            ("a", method(json!({"cloudToDeviceMethod": {"methodName": ""}})), "method name"),
            ("a", method(json!({"type": "scheduleUpdateTwin"})), "updateTwin"),
            ("a", method(json!({"type": "scheduleUpdateTwin", "updateTwin": {"tags": {}}})), "etag"),
            ("a", method(json!({"queryCondition": " "})), "queryCondition"),
            ("a", method(json!({"queryCondition": "x".repeat(8193)})), "8192"),
            ("a", method(json!({"startTime": "soon"})), "startTime"),
            ("a", method(json!({"maxExecutionTimeInSeconds": 0})), "[1; 604800]"),
            ("a", json!([]), "unreadable"),
        ] {
            let refusal = read(id, body.to_string().as_bytes()).unwrap_err();
            assert!(refusal.code.status() == 400 && refusal.message.contains(word), "{id} {body}: {refusal}");
        }
    }
}
