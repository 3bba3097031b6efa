//! Jobs over devices of all partitions.

use jiff::{SignedDuration, Timestamp};
use rumqttc::{Event, Packet, QoS};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use twinstorm::dialect::azure::rest;
use twinstorm::dialect::azure::{FromDevice, FromHub};
use twinstorm::hub::{HubConfig, HubLimits, Tier};

use super::{Bench, Device, PATIENCE};

impl Bench {
    /// An answer's status and body.
    async fn job(&self, method: &'static str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.plain(method, &format!("/jobs/v2/{path}"), &[], body).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    /// Schedules a method over all devices that `condition` holds for.
    async fn schedule(&self, id: &str, condition: &str) -> (u16, Value) {
        let method = json!({"methodName": "reboot", "payload": {"delay": 1}, "responseTimeoutInSeconds": 5});
        let job = json!({
            "jobId": id, "type": "scheduleDeviceMethod", "cloudToDeviceMethod": method, "queryCondition": condition,
        });
        self.job("PUT", id, job).await
    }

    /// The job when it has ended.
    async fn ended(&self, id: &str) -> Value {
        let ended = async {
            loop {
                let (_, job) = self.job("GET", id, Value::Null).await;
                if ["completed", "failed", "cancelled"].contains(&job["status"].as_str().unwrap()) {
                    return job;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap()
    }

    /// A device that answers every call with `status`, until it is dropped.
    async fn answering(&self, id: &str, status: i32) -> Answering {
        let mut device = self.online(id).await;
        device.subscribe(FromHub::METHOD_FILTER).await;
        Answering(tokio::spawn(async move {
            let Device { client, mut events } = device;
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(call)) = event {
                    let Some(FromHub::Method { rid, .. }) = FromHub::parse(&call.topic) else { continue };
                    let topic = FromDevice::MethodResponse { status: status.into(), rid }.to_string();
                    client.publish(topic, QoS::AtMostOnce, false, call.payload.to_vec()).await.unwrap();
                }
            }
        }))
    }
}

struct Answering(JoinHandle<()>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test]
async fn a_method_reaches_every_device_of_a_job_and_each_answer_can_be_read() {
    let bench = Bench::start();
    bench.register(10).await;
    let mut devices = Vec::new();
    for n in 0..9 {
        devices.push(bench.answering(&format!("d{n:02}"), if n == 3 { 409 } else { 200 }).await);
    }
    let (status, receipt) = bench.schedule("reboot-1", "tags.n > 0").await;
    let expected = json!({"jobId": "reboot-1", "type": "scheduleDeviceMethod", "status": "queued"});
    assert_eq!((status, receipt), (200, expected));
    let job = bench.ended("reboot-1").await;
    assert_eq!(job["status"], "completed");
    let counts = json!({"deviceCount": 9, "failedCount": 1, "succeededCount": 8, "runningCount": 0, "pendingCount": 0});
    assert_eq!(job["deviceJobStatistics"], counts, "d09 is offline");

    let text = "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'reboot-1'";
    let (rows, sizes, kind) = bench.pages(text, 4).await;
    assert_eq!((sizes, kind.as_str()), (vec![4, 4, 1], "DeviceJob"));
    let answer = |n: usize| &rows[n]["outcome"]["deviceMethodResponse"];
    assert_eq!((&rows[0]["deviceId"], answer(0)), (&json!("d01"), &json!({"status": 200, "payload": {"delay": 1}})));
    assert_eq!(answer(2)["status"], 409);
    let (rows, ..) = bench.pages(&format!("{text} AND devices.jobs.status = 'failed'"), 100).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["deviceId"], &rows[0]["error"]["code"]), (&json!("d09"), &json!("DeviceNotOnline")));

    assert_eq!(bench.schedule("reboot-1", "*").await.0, 409);
    let (status, refused) = bench.job("POST", "reboot-1/cancel", Value::Null).await;
    assert!(status == 405 && refused["Message"].as_str().unwrap().contains("OperationNotAllowedInCurrentState"));
    bench.schedule("reboot-2", "deviceId = ").await;
    let failed = bench.ended("reboot-2").await;
    assert_eq!(failed["status"], "failed");
    let unknown = bench.job("GET", "nobody", Value::Null).await;
    assert_eq!(unknown, (200, json!({"jobId": "nobody", "type": "unknown", "status": "unknown"})));
}

#[tokio::test]
async fn twins_are_changed_by_a_job_and_jobs_are_listed() {
    let bench = Bench::start();
    bench.register(5).await;
    let twin = json!({"etag": "*", "tags": {"wave": 1}, "properties": {"desired": {"interval": 5}}});
    let body = |update: &Value, start: Value| json!({"type": "scheduleUpdateTwin", "updateTwin": update, "queryCondition": "*", "startTime": start});
    assert_eq!(bench.job("PUT", "tag", body(&twin, Value::Null)).await.0, 200);
    let job = bench.ended("tag").await;
    assert_eq!((&job["status"], &job["updateTwin"]), (&json!("completed"), &twin));
    let (rows, ..) = bench.pages("SELECT COUNT() AS n FROM devices WHERE tags.wave = 1", 9).await;
    assert_eq!(rows, [json!({"n": 5})]);
    let stale = json!({"etag": "AAAAAAAAAAE=", "tags": {"wave": 2}});
    bench.job("PUT", "stale", body(&stale, Value::Null)).await;
    assert_eq!(bench.ended("stale").await["deviceJobStatistics"]["failedCount"], 5);
    let (rows, ..) = bench.pages("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'stale'", 9).await;
    assert_eq!(rows[0]["error"]["code"], "PreconditionFailed");

    let soon = (Timestamp::now() + SignedDuration::from_hours(1)).to_string();
    assert_eq!(bench.job("PUT", "soon", body(&twin, soon.into())).await.0, 200);
    let owner = bench.identity.owner();
    let token = bench.token("", Some(&owner.name), &owner.primary);
    let list = async |query: &str, size: &str| {
        let path = format!("/jobs/v2/query?api-version=2021-04-12&{query}");
        let headers = vec![(rest::MAX_ITEM_COUNT, size.to_owned())];
        let request = rest::Request { method: "GET", path, headers, body: String::new() };
        let (headers, page) = bench.send(&token, request).await;
        assert_eq!(headers[rest::ITEM_TYPE], "JobResponse");
        let jobs: Vec<Value> = serde_json::from_slice(&page.body).unwrap();
        (jobs.iter().map(|job| job["jobId"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), page.continuation)
    };
    assert_eq!(list("", "9").await, (vec!["tag".to_owned(), "stale".into(), "soon".into()], None));
    assert_eq!(list("jobType=scheduleUpdateTwin&jobStatus=scheduled", "9").await.0, ["soon"]);
    let (first, next) = list("", "2").await;
    assert!(first.len() == 2 && next.is_some());
    let (status, cancelled) = bench.job("POST", "soon/cancel", Value::Null).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));
}

#[tokio::test]
async fn a_tier_s_number_of_jobs_and_of_their_devices_is_kept() {
    let limits = Some(HubLimits::of(Tier::S1, 1));
    let bench = Bench::with(HubConfig { workers: 2, limits, ..HubConfig::default() });
    bench.register(3).await;
    let update = json!({"etag": "*", "tags": {"wave": 1}});
    let body = |start: Option<String>| json!({"type": "scheduleUpdateTwin", "updateTwin": update, "queryCondition": "*", "startTime": start});
    assert_eq!(bench.job("PUT", "first", body(None)).await.0, 200);
    assert_eq!(bench.ended("first").await["deviceJobStatistics"]["succeededCount"], 3);
    let counts = bench.hub.throttled();
    let devices = counts.iter().find(|count| count.operation == "job_device").unwrap();
    assert_eq!((devices.admitted, devices.refused), (3, 0));
    let soon = (Timestamp::now() + SignedDuration::from_hours(1)).to_string();
    assert_eq!(bench.job("PUT", "second", body(Some(soon))).await.0, 200);
    let (status, refused) = bench.job("PUT", "third", body(None)).await;
    let message = refused["Message"].as_str().unwrap();
    assert!(status == 429 && message.starts_with("ErrorCode:ThrottlingMaxActiveJobCountExceeded;"), "{message}");
    assert_eq!(bench.job("POST", "second/cancel", Value::Null).await.0, 200);
    assert_eq!(bench.job("PUT", "third", body(None)).await.0, 200);
}
