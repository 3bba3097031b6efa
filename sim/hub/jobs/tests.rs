//! A book fed by hand: no socket, no clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::Effect;
use super::limits::{IN_FLIGHT, KEPT_JOBS, PAYLOAD_BYTES};
use super::{Filter, JobBook, JobRequest, Work};
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::{DeviceAnswer, MethodRequest, Refusal};
use crate::hub::query::{Cursor, Plan, parse};
use crate::time::{Nanos, WallClock};

const SECOND: Duration = Duration::from_secs(1);

/// A book, with what it wants done.
struct Bench {
    book: JobBook,
    now: Nanos,
    finds: Vec<u64>,
    operations: VecDeque<(u64, usize, Arc<str>)>,
}

impl Bench {
    fn new(active: Option<usize>) -> Self {
        let wall = WallClock::new(Timestamp::from_second(1_000_000).unwrap());
        let book = JobBook::new(wall, active);
        Self { book, now: Nanos::ZERO, finds: vec![], operations: VecDeque::new() }
    }

    fn request(id: &str) -> JobRequest {
        let method = MethodRequest {
            name: "m".into(),
            payload: Bytes::from_static(b"[]"),
            response_timeout: SECOND * 30,
            connect_timeout: Duration::ZERO,
        };
        JobRequest {
            id: id.to_owned(),
            work: Arc::new(Work::Method(method)),
            update: None,
            condition: "*".to_owned(),
            start: None,
            max_execution: SECOND * 60,
        }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.book.poll() {
            match effect {
                Effect::Find { job, .. } => self.finds.push(job),
                Effect::Operate { job, row, device, .. } => self.operations.push_back((job, row, device)),
            }
        }
    }

    fn schedule(&mut self, request: JobRequest) -> Result<Value, Refusal> {
        let answer = self.book.schedule(self.now, request);
        self.drain();
        answer
    }

    /// A job over `count` devices, found.
    fn running(&mut self, id: &str, count: usize) {
        self.schedule(Self::request(id)).unwrap();
        let job = self.finds.pop().unwrap();
        let devices = (0..count).map(|n| Arc::from(format!("d{n:04}"))).collect();
        self.book.found(self.now, job, Ok(devices));
        self.drain();
    }

    /// Ends the first operation in hand.
    fn done(&mut self, outcome: Result<Option<DeviceAnswer>, Refusal>) {
        let (job, row, _) = self.operations.pop_front().unwrap();
        self.book.done(self.now, job, row, outcome);
        self.drain();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.book.next_deadline() <= end {
            self.now = self.book.next_deadline();
            self.book.tick(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn status(&self, id: &str) -> String {
        self.book.document(id)["status"].as_str().unwrap().to_owned()
    }

    fn statistics(&self, id: &str) -> [u64; 5] {
        let counts = &self.book.document(id)["deviceJobStatistics"];
        ["deviceCount", "succeededCount", "failedCount", "runningCount", "pendingCount"]
            .map(|name| counts[name].as_u64().unwrap())
    }

    fn rows(&self, condition: &str) -> Vec<Value> {
        let plan = Plan::new(parse(&format!("SELECT * FROM devices.jobs WHERE {condition}")).unwrap());
        let slice = self.book.search(&plan, None, usize::MAX);
        slice.rows.iter().map(|(_, row)| serde_json::from_str(row).unwrap()).collect()
    }
}

fn in_hours(hours: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + hours * 3600).unwrap()
}

fn answer(status: i64) -> Result<Option<DeviceAnswer>, Refusal> {
    Ok(Some(DeviceAnswer { status, payload: r#"{"r":1}"#.to_owned() }))
}

fn offline() -> Result<Option<DeviceAnswer>, Refusal> {
    Err(Refusal::new(ErrorCode::DeviceNotOnline, "away"))
}

#[test]
fn a_job_goes_from_queued_to_completed_and_tells_of_each_device() {
    let mut bench = Bench::new(None);
    let receipt = bench.schedule(Bench::request("j")).unwrap();
    assert_eq!(receipt, json!({"jobId": "j", "type": "scheduleDeviceMethod", "status": "queued"}));
    let job = bench.finds.pop().unwrap();
    assert_eq!(bench.status("j"), "queued");
    bench.book.found(bench.now, job, Ok(["a", "b", "c"].map(Arc::from).to_vec()));
    bench.drain();
    assert_eq!((bench.status("j").as_str(), bench.statistics("j")), ("running", [3, 0, 0, 3, 0]));
    bench.pass(SECOND);
    bench.done(answer(200));
    bench.done(offline());
    assert_eq!(bench.statistics("j"), [3, 1, 1, 1, 0]);
    bench.done(answer(409));
    assert_eq!((bench.status("j").as_str(), bench.statistics("j")), ("completed", [3, 2, 1, 0, 0]));
    let document = bench.book.document("j");
    assert_eq!(document["cloudToDeviceMethod"]["payload"], json!([91, 93]), "as the service gives it back");
    assert_eq!(document["endTime"], "1970-01-12T13:46:41.000000Z");
    let rows = bench.rows("devices.jobs.jobId = 'j'");
    assert_eq!(
        rows[0],
        json!({
            "deviceId": "a", "jobId": "j", "jobType": "scheduleDeviceMethod", "status": "completed",
            "createdDateTimeUtc": "1970-01-12T13:46:40.000000Z", "startTimeUtc": "1970-01-12T13:46:40.000000Z",
            "lastUpdatedDateTimeUtc": "1970-01-12T13:46:41.000000Z", "endTimeUtc": "1970-01-12T13:46:41.000000Z",
            "outcome": {"deviceMethodResponse": {"status": 200, "payload": {"r": 1}}},
        })
    );
    assert_eq!(rows[1]["error"], json!({"code": "DeviceNotOnline", "description": "away"}));
    for (condition, expected) in [
        ("devices.jobs.jobId = 'j' AND devices.jobs.status = 'failed'", 1),
        ("devices.jobs.outcome.deviceMethodResponse.status = 409", 1),
        ("devices.jobs.endTimeUtc >= '1970-01-12T13:46:41Z' AND deviceId NIN ['a']", 2),
        ("devices.jobs.jobId = 'other'", 0),
    ] {
        assert_eq!(bench.rows(condition).len(), expected, "{condition}");
    }
}

#[test]
fn what_is_not_allowed_is_refused_by_the_right_code() {
    let mut bench = Bench::new(Some(3));
    let late = JobRequest { start: Some(in_hours(169)), ..Bench::request("late") };
    assert_eq!(bench.schedule(late).unwrap_err().code, ErrorCode::ArgumentInvalid);
    let later = JobRequest { start: Some(in_hours(1)), ..Bench::request("later") };
    bench.schedule(later.clone()).unwrap();
    assert_eq!(bench.status("later"), "scheduled");
    assert_eq!(bench.schedule(later).unwrap_err().code, ErrorCode::JobAlreadyExists);
    bench.running("j", 2);
    bench.schedule(JobRequest { start: Some(in_hours(-5)), ..Bench::request("past") }).unwrap();
    assert_eq!(bench.status("past"), "queued", "a time that has passed is now");
    let refused = bench.schedule(Bench::request("more")).unwrap_err().code;
    assert_eq!(refused, ErrorCode::ThrottlingMaxActiveJobCountExceeded, "one that is scheduled takes its place");
    assert_eq!(bench.book.cancel(bench.now, "nobody").unwrap_err().code, ErrorCode::JobNotFound);
    let state = ErrorCode::OperationNotAllowedInCurrentState;
    assert_eq!(bench.book.cancel(bench.now, "j").unwrap_err().code, state, "it runs");
    assert_eq!(bench.book.cancel(bench.now, "later").unwrap()["status"], "cancelled");
    assert_eq!(bench.book.cancel(bench.now, "later").unwrap_err().code, state);
    bench.finds.clear();
    bench.pass(SECOND * 7200);
    assert!(bench.finds.is_empty(), "what was cancelled never begins");
    assert_eq!(bench.book.document("who"), json!({"jobId": "who", "type": "unknown", "status": "unknown"}));
}

#[test]
fn a_bad_condition_is_accepted_and_fails_at_its_time() {
    let mut bench = Bench::new(None);
    let start = Some(in_hours(1));
    for condition in ["deviceId =", "deviceId = 'a' GROUP BY deviceId", "* AND status = 'enabled'"] {
        let id = format!("j{}", condition.len());
        let request = JobRequest { condition: condition.to_owned(), start, ..Bench::request(&id) };
        assert_eq!(bench.schedule(request).unwrap()["status"], "queued");
        assert_eq!(bench.status(&id), "scheduled");
    }
    bench.pass(SECOND * 3601);
    for id in ["j10", "j32", "j24"] {
        let document = bench.book.document(id);
        assert_eq!(document["status"], "failed", "{id}");
        assert!(document["failureReason"].as_str().unwrap().contains("at position"), "{document}");
    }
    assert!(bench.finds.is_empty());
}

#[test]
fn a_bounded_number_of_devices_is_worked_on_at_once_and_jobs_take_turns() {
    let mut bench = Bench::new(None);
    bench.running("a", IN_FLIGHT + 50);
    assert_eq!((bench.operations.len(), bench.statistics("a")[4]), (IN_FLIGHT, 50));
    bench.running("b", 2);
    assert_eq!(bench.operations.len(), IN_FLIGHT + 2);
    for _ in 0..IN_FLIGHT + 52 {
        bench.done(answer(200));
        assert!(bench.operations.len() <= IN_FLIGHT + 2);
    }
    assert_eq!((bench.status("a"), bench.status("b")), ("completed".to_owned(), "completed".to_owned()));
    bench.running("none", 0);
    assert_eq!(bench.status("none"), "completed");
}

#[test]
fn a_job_ends_with_its_time() {
    let mut bench = Bench::new(None);
    bench.running("a", 150);
    bench.done(answer(200));
    bench.pass(SECOND * 61);
    assert_eq!((bench.status("a").as_str(), bench.statistics("a")), ("failed", [150, 1, 149, 0, 0]));
    bench.done(answer(200));
    assert_eq!(bench.statistics("a"), [150, 1, 149, 0, 0], "what comes later changes nothing");
    let row = &bench.rows("devices.jobs.deviceId = 'd0149'")[0];
    assert_eq!((&row["status"], &row["error"]["code"]), (&json!("failed"), &json!("GatewayTimeout")));
}

#[test]
fn finished_jobs_are_forgotten_when_there_are_too_many_and_payloads_have_a_bound() {
    let mut bench = Bench::new(None);
    for n in 0..=KEPT_JOBS {
        bench.running(&format!("j{n}"), 0);
    }
    assert_eq!((bench.status("j0").as_str(), bench.status("j1").as_str()), ("unknown", "completed"));
    bench.running("j0", 2);
    for _ in 0..2 {
        let payload = format!("\"{}\"", "x".repeat(PAYLOAD_BYTES / 2));
        bench.done(Ok(Some(DeviceAnswer { status: 200, payload })));
    }
    let rows = bench.rows("jobId = 'j0'");
    let payload = |n: usize| &rows[n]["outcome"]["deviceMethodResponse"]["payload"];
    assert!(payload(0).is_string() && payload(1).is_null(), "the second found no room");
}

#[test]
fn lists_and_rows_come_in_pages() {
    let mut bench = Bench::new(None);
    for id in ["a", "b", "c"] {
        bench.running(id, 3);
    }
    let filter = |kind: &str, status: &str| Filter { kind: Some(kind.into()), status: Some(status.into()) };
    for (filter, expected) in [
        (Filter::default(), 3),
        (filter("scheduledevicemethod", "running"), 3),
        (filter("scheduleUpdateTwin", ""), 0),
        (filter("", "completed"), 0),
    ] {
        assert_eq!(bench.book.list(&filter, None, 9).rows.len(), expected, "{filter:?}");
    }
    let first = bench.book.list(&Filter::default(), None, 2);
    assert_eq!(first.next, Some(Cursor::Job(2, 0)));
    assert_eq!(bench.book.list(&Filter::default(), first.next.as_ref(), 2).rows.len(), 1);
    let plan = Plan::new(parse("SELECT * FROM devices.jobs WHERE deviceId > 'd0000'").unwrap());
    let (mut seen, mut after) = (0, None);
    loop {
        let slice = bench.book.search(&plan, after.as_ref(), 4);
        seen += slice.rows.len();
        after = slice.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 6);
}
