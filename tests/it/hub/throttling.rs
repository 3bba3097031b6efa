//! A hub with limits, over real sockets: what services and devices see of them.

use twinstorm::hub::{HubLimits, Operation};
use twinstorm::policy::{Limit, ThrottledOperation};

use super::*;

/// So rare that nothing more of it comes while a test runs.
const NEVER: f64 = 1e-3;

impl Bench {
    /// A hub of two workers that keeps these limits between them.
    pub(super) fn limited(limits: HubLimits) -> Self {
        Self::with(HubConfig { workers: 2, limits: Some(limits), ..HubConfig::default() })
    }

    async fn get(&self, path: &str) -> (hyper::HeaderMap, Response) {
        let owner = self.identity.owner();
        let token = self.token("", Some(&owner.name), &owner.primary);
        let path = format!("{path}?api-version=2021-04-12");
        let request = Request { method: "GET", path, headers: Vec::new(), body: String::new() };
        tokio::time::timeout(PATIENCE, self.send(&token, request)).await.unwrap()
    }

    fn limited_on(&self, operation: &str) -> (u64, u64, u64) {
        let counts = self.hub.throttled();
        let count = counts.iter().find(|count| count.operation == operation).unwrap();
        (count.admitted, count.delayed, count.refused)
    }
}

pub(super) fn limits(throttles: &[(Operation, Limit)]) -> HubLimits {
    HubLimits {
        throttles: throttles.iter().copied().collect(),
        messages_per_day: None,
        message_bytes: 4096,
        devices: None,
        concurrent_jobs: None,
        retry_after: false,
    }
}

#[tokio::test]
async fn services_are_refused_beyond_the_limit_of_the_whole_hub() {
    let limit = Limit { rate: NEVER, burst: 7.0, queue: Duration::ZERO };
    let bench = Bench::limited(limits(&[(Operation::Registry, limit)]));
    let devices = json!([{"id": "a"}, {"id": "b"}, {"id": "c"}]);
    assert_eq!(bench.plain("POST", "/devices", &[], devices).await.status, 200, "counts three");
    let mut refused = Vec::new();
    for _ in 0..20 {
        let (headers, answer) = bench.get("/devices/a").await;
        if answer.status != 200 {
            refused.push((headers, answer));
        }
    }
    assert_eq!(refused.len(), 16, "whichever worker is asked");
    let (headers, answer) = &refused[0];
    assert_eq!((answer.status, &headers["iothub-errorcode"]), (429, &"ThrottlingException".parse().unwrap()));
    assert_eq!((&headers["connection"], headers.get("retry-after")), (&"close".parse().unwrap(), None));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let message = body["Message"].as_str().unwrap();
    assert!(message.starts_with("ErrorCode:ThrottlingException;") && message.contains("registry"), "{message}");
    assert_eq!(bench.limited_on("registry"), (5, 0, 16));
    assert_eq!(bench.get("/statistics/devices").await.1.status, 200, "what has no limit goes on");
}

#[tokio::test]
async fn a_limit_of_methods_alone_refuses_calls_and_nothing_else() {
    let limit = Limit { rate: NEVER, burst: 8.0, queue: Duration::ZERO };
    let single = [(ThrottledOperation::Methods, limit)].into();
    let bench = Bench::limited(HubLimits::effective(None, &single).unwrap());
    bench.online("d").await;
    let call = Bench::call(30);
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(bench.request(rest::invoke_method("d", &call)).await.status);
    }
    assert_eq!(statuses, [[404; 8].as_slice(), &[429; 4]].concat(), "8 came to the device, which hears no methods");
    assert_eq!((bench.limited_on("method"), bench.hub.throttled().len()), ((8, 0, 4), 1));
    for _ in 0..20 {
        assert_eq!(bench.get("/twins/d").await.1.status, 200);
    }
}

#[tokio::test]
async fn services_wait_in_the_queue_and_refusals_say_when_to_come_back_if_that_is_asked_for() {
    let waiting = Limit { rate: 4.0, burst: 1.0, queue: Duration::from_secs(60) };
    let refusing = Limit { rate: NEVER, burst: 1.0, queue: Duration::ZERO };
    let bench = Bench::limited(HubLimits {
        retry_after: true,
        ..limits(&[(Operation::Registry, waiting), (Operation::TwinRead, refusing)])
    });
    let (a, b, c) = tokio::join!(bench.get("/devices"), bench.get("/devices"), bench.get("/devices"));
    assert_eq!([a.1.status, b.1.status, c.1.status], [200; 3]);
    let (admitted, delayed, refused) = bench.limited_on("registry");
    assert!((admitted, refused) == (3, 0) && delayed > 0, "{delayed}");
    assert_eq!(bench.get("/twins/d").await.1.status, 404);
    let (headers, answer) = bench.get("/twins/d").await;
    let seconds: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(answer.status == 429 && (900..=1000).contains(&seconds), "{} {seconds}", answer.status);
}

#[tokio::test]
async fn connections_wait_for_their_turn_and_beyond_it_they_are_told_to_come_back() {
    let limit = Limit { rate: 4.0, burst: 1.0, queue: Duration::from_secs(60) };
    let bench = Bench::limited(limits(&[(Operation::Connect, limit)]));
    tokio::join!(bench.online("a"), bench.online("b"), bench.online("c"));
    let (admitted, delayed, refused) = bench.limited_on("connect");
    assert!((admitted, refused) == (3, 0) && delayed > 0, "{delayed}");

    let limit = Limit { rate: NEVER, burst: 1.0, queue: Duration::ZERO };
    let bench = Bench::limited(limits(&[(Operation::Connect, limit)]));
    bench.online("a").await;
    let error = bench.device("b", &bench.identity.fleet_key.derive("b")).end().await;
    // Any other code would stop the Python SDK for good.
    let expected = ConnectReturnCode::ServiceUnavailable;
    assert!(matches!(error, ConnectionError::ConnectionRefused(code) if code == expected), "{error}");
    assert_eq!(bench.limited_on("connect"), (1, 0, 1));
}

#[tokio::test]
async fn strangers_use_up_nothing_of_what_devices_may() {
    let limit = Limit { rate: NEVER, burst: 1.0, queue: Duration::ZERO };
    let bench = Bench::limited(limits(&[(Operation::Connect, limit)]));
    for id in ["a", "b", "c", "d"] {
        let error = bench.device(id, &bench.identity.fleet_key.derive("another")).end().await;
        let expected = ConnectReturnCode::NotAuthorized;
        assert!(matches!(error, ConnectionError::ConnectionRefused(code) if code == expected), "{error}");
    }
    assert_eq!(bench.limited_on("connect"), (0, 0, 0));
    bench.online("a").await;
    assert_eq!(bench.limited_on("connect"), (1, 0, 0));
}

#[tokio::test]
async fn jobs_beyond_those_that_may_be_active_are_refused_and_counted() {
    let limit = Limit { rate: 100.0, burst: 100.0, queue: Duration::ZERO };
    let bench = Bench::limited(HubLimits { concurrent_jobs: Some(0), ..limits(&[(Operation::Job, limit)]) });
    let twin = json!({"etag": "*", "tags": {"a": 1}});
    let job = json!({"jobId": "a", "type": "scheduleUpdateTwin", "updateTwin": twin, "queryCondition": "*"});
    let answer = bench.plain("PUT", "/jobs/v2/a", &[], job).await;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(answer.status == 429 && body.contains("ThrottlingMaxActiveJobCountExceeded"), "{body}");
    assert_eq!(bench.limited_on("job"), (0, 0, 1));
}

#[tokio::test]
async fn jobs_do_nothing_once_the_day_is_spent() {
    let bench = Bench::limited(HubLimits { messages_per_day: Some(1), ..limits(&[]) });
    let devices = json!([{"id": "a"}, {"id": "b"}]);
    assert_eq!(bench.plain("POST", "/devices", &[], devices).await.status, 200);
    let twin = json!({"etag": "*", "tags": {"a": 1}});
    let job = json!({"jobId": "a", "type": "scheduleUpdateTwin", "updateTwin": twin, "queryCondition": "*"});
    assert_eq!(bench.plain("PUT", "/jobs/v2/a", &[], job).await.status, 200);
    let statistics = async {
        loop {
            let job: Value = serde_json::from_slice(&bench.get("/jobs/v2/a").await.1.body).unwrap();
            if ["completed", "failed"].contains(&job["status"].as_str().unwrap()) {
                return job["deviceJobStatistics"].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let statistics = tokio::time::timeout(PATIENCE, statistics).await.unwrap();
    assert_eq!((&statistics["succeededCount"], &statistics["failedCount"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn once_the_day_is_spent_devices_are_dropped_and_services_are_told_so() {
    let bench = Bench::limited(HubLimits { messages_per_day: Some(1), ..limits(&[]) });
    let mut device = bench.online("d").await;
    let telemetry = FromDevice::Telemetry { device: "d", module: None, properties: "" };
    device.publish(telemetry, json!({})).await;
    device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    device.publish(telemetry, json!({})).await;
    device.end().await;
    let error = device.end().await;
    assert!(!matches!(error, ConnectionError::ConnectionRefused(_)), "dropped without an answer: {error}");
    let (headers, answer) = bench.get("/twins/d").await;
    assert_eq!((answer.status, &headers["iothub-errorcode"]), (403, &"IotHubQuotaExceeded".parse().unwrap()));
    assert_eq!(bench.get("/devices/d").await.1.status, 200, "the registry costs no messages");
}
