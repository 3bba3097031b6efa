//! The null hub: a driver and its devices can do all of their work against it, and it is never taken for a hub.

use super::*;
use crate::support::{QuickRun, Running, census};

impl Bench {
    /// A hub that only acknowledges, of two workers.
    fn null() -> Self {
        Self::with(HubConfig { workers: 2, acknowledge_only: true, ..HubConfig::default() })
    }

    /// A connection of `id` with a key that is nobody's, ready to be called.
    async fn callable(&self, id: &str) -> Device {
        let mut device = self.device(id, &self.identity.fleet_key.derive("other"));
        device.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
        device.subscribe(FromHub::METHOD_FILTER).await;
        device
    }

    /// The ids of the devices that the observer's query finds, in pages of two.
    async fn changed(&self, since: Option<Timestamp>) -> Vec<String> {
        let since = since.map(|since| since.to_string());
        let text = rest::delta_query("dev-1", "dev-8", since.as_deref());
        let (mut seen, mut continuation) = (Vec::new(), None);
        loop {
            let page = self.request(rest::query(&text, 2, continuation.as_deref())).await;
            let rows = rest::delta_page(&page.body).unwrap();
            assert!(page.status == 200 && rows.len() <= 2, "{page:?}");
            seen.extend(rows.into_iter().map(|row| row.device_id.into_owned()));
            match page.continuation {
                Some(next) => continuation = Some(next),
                None => break,
            }
        }
        seen.sort_unstable();
        seen
    }
}

/// Answers the next call, with its own payload.
async fn answer_one(device: &mut Device) {
    let request = device.message().await;
    let Some(FromHub::Method { name, rid }) = FromHub::parse(&request.topic) else { panic!("{}", request.topic) };
    assert_eq!((name, request.qos), ("firmwareUpdate", QoS::AtMostOnce));
    let payload = serde_json::from_slice(&request.payload).unwrap();
    device.publish(FromDevice::MethodResponse { status: 201, rid }, payload).await;
    device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
}

#[tokio::test]
async fn an_independent_client_is_called_and_answers() {
    let bench = Bench::null();
    // Of several, one is certainly on the other worker than the request that calls it.
    for id in ["dev-1", "dev-2", "dev-3", "dev-4"] {
        let mut device = bench.callable(id).await;
        let call = Bench::call(30);
        let (answer, ()) = tokio::join!(bench.request(rest::invoke_method(id, &call)), answer_one(&mut device));
        let payload = call.payload.clone();
        assert_eq!(rest::method_answer(&answer), MethodAnswer::Device { status: 201, payload });
    }
}

#[tokio::test]
async fn who_is_not_there_or_does_not_listen_is_not_online() {
    let bench = Bench::null();
    let mut deaf = bench.device("deaf", &bench.identity.fleet_key);
    deaf.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
    for id in ["nobody", "deaf"] {
        let answer = bench.request(rest::invoke_method(id, &Bench::call(30))).await;
        assert_eq!((answer.status, rest::method_answer(&answer)), (404, MethodAnswer::NotOnline), "{id}");
        assert!(String::from_utf8_lossy(&answer.body).contains("404103"), "{answer:?}");
    }
    let wrong = bench.request(rest::invoke_method("deaf", &Bench::call(4))).await;
    assert!(matches!(rest::method_answer(&wrong), MethodAnswer::Hub { status: 400, code: Some(400_004), .. }));
    assert_eq!(bench.request(rest::get_twin("nobody")).await.status, 404);
    let other = bench.request(rest::query("SELECT * FROM devices", 10, None)).await;
    assert!(other.status == 400 && String::from_utf8_lossy(&other.body).contains("observer's own query"), "{other:?}");
    assert_eq!(bench.plain("GET", "/jobs/v2/query", &[], Value::Null).await.status, 404);
}

#[tokio::test]
async fn reports_are_acknowledged_with_a_growing_version_and_seen_by_the_observer() {
    let bench = Bench::null();
    let mut devices = Vec::new();
    for id in ["dev-0", "dev-1", "dev-2", "dev-3", "dev-4", "dev-5", "dev-9"] {
        devices.push(bench.callable(id).await);
    }
    assert_eq!(bench.changed(None).await, ["dev-1", "dev-2", "dev-3", "dev-4", "dev-5"]);
    for (version, status) in [(2, "downloading"), (3, "applying")] {
        for device in &mut devices[2..4] {
            device.subscribe(FromHub::TWIN_RESPONSE_FILTER).await;
            device.publish(FromDevice::ReportedPatch { rid: "7" }, json!({"firmwareStatus": status})).await;
            assert_eq!(device.message().await.topic, format!("$iothub/twin/res/204/?$rid=7&$version={version}"));
        }
    }
    let twin = bench.request(rest::get_twin("dev-2")).await;
    assert!(String::from_utf8_lossy(&twin.body).contains(r#""firmwareStatus":"applying""#), "{twin:?}");
    let first = rest::twin(&twin.body).unwrap();
    assert_eq!((first.version, first.connected), (3, Some(true)));
    let changed = bench.changed(first.last_updated).await;
    assert_eq!(changed, ["dev-2", "dev-3"], "from this change on, itself included");
    let later = first.last_updated.unwrap() + SignedDuration::from_hours(1);
    assert_eq!(bench.changed(Some(later)).await, Vec::<String>::new());

    let device = &mut devices[2];
    device.publish(FromDevice::ReportedPatch { rid: "8" }, json!([1])).await;
    assert_eq!(device.message().await.topic, "$iothub/twin/res/400/?$rid=8");
    device.publish(FromDevice::TwinGet { rid: "9" }, json!({})).await;
    let own = device.message().await;
    assert_eq!(own.topic, "$iothub/twin/res/200/?$rid=9");
    let own: Value = serde_json::from_slice(&own.payload).unwrap();
    assert_eq!(own["reported"], json!({"firmwareStatus": "applying", "$version": 3}));
}

#[tokio::test]
async fn a_second_connection_of_a_device_replaces_the_first() {
    let bench = Bench::null();
    let mut first = bench.callable("dev-1").await;
    let mut second = bench.callable("dev-1").await;
    first.end().await;
    let call = Bench::call(30);
    let (answer, ()) = tokio::join!(bench.request(rest::invoke_method("dev-1", &call)), answer_one(&mut second));
    assert_eq!(answer.status, 200);
}

#[test]
fn nothing_can_be_done_to_it_and_it_does_nothing_else() {
    let config = HubConfig { acknowledge_only: true, ..HubConfig::default() };
    let telemetry = HubConfig { telemetry: Some("t".into()), ..config };
    let error = Hub::bind(telemetry).unwrap_err().to_string();
    assert!(error.contains("only acknowledges has no file for telemetry"), "{error}");
}

/// Runs quickstart against the null hub; every update must complete, and everything be measured.
fn quickstart(more: &[&str]) -> (Value, String) {
    let quick = QuickRun::new();
    let mut command = quick.command(&["run", "quickstart", "--devices", "120", "--rate", "100"], &[]);
    for set in ["hub.kind=null"].iter().chain(more) {
        command.args(["--set", set]);
    }
    let ended = Running::start(command).wait().expect(0);
    let results = quick.results();
    let outcomes = ["planned", "completed", "unaccounted"].map(|outcome| census(&results, outcome));
    assert_eq!(outcomes, [120, 120, 0]);
    assert_eq!((&results["valid"], &results["verdict"]), (&true.into(), &"pass".into()));
    assert_eq!(results["absent"].as_array().unwrap().len(), 0);
    for series in ["method.delivery", "twin.ack.standBy", "twin.ack.completed", "update.total", "update.overhead"] {
        assert_eq!(results["series"][series]["count"], 120, "{series}");
    }
    (results, ended.stdout)
}

#[test]
fn quickstart_completes_and_is_not_taken_for_a_hub_s() {
    let (results, stdout) = quickstart(&["report.formats=[\"json\", \"html\", \"markdown\"]"]);
    assert_eq!(results["plan"]["hub"]["kind"], "null");
    assert!(results["hub"]["cpu_seconds"].as_f64().unwrap() >= 0.0, "it has a process of its own");
    assert!(stdout.contains("null hub (acknowledges only)"), "{stdout}");
}

#[test]
fn polling_several_workers_and_shards_over_tls_completes_as_well() {
    quickstart(&["observe.kind=poll"]);
    quickstart(&["hub.workers=2", "fleet.shards=2", "fleet.transport=tls"]);
    let (results, _) = quickstart(&["hub.workers=2", "fleet.shards=2", "hub.instances=1"]);
    assert_eq!(results["hub"]["instances"], 1);
}
