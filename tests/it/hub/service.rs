//! A hub with a service-time model, over real sockets: what services and devices see of its servers.

use twinstorm::measure::ServiceCount;
use twinstorm::policy::{Fault, FaultKind, HubFault, ServiceModel};
use twinstorm::time::{Clock, Nanos};

use super::*;

/// Longer than any test runs.
const FOR_EVER: &str = "5m";

fn model(servers: u32, queue: Duration) -> ServiceModel {
    ServiceModel { methods: None, twin_writes: None, twin_reads: None, queries: None, servers, queue }
}

impl Bench {
    fn serving(model: ServiceModel) -> Self {
        Self::with(HubConfig { workers: 2, service: Some(model), ..HubConfig::default() })
    }

    fn service(&self) -> ServiceCount {
        self.hub.counts().service.unwrap()
    }

    /// Waits until so many operations have come to the servers.
    async fn came(&self, operations: u64) {
        let came = async {
            while self.service().operations < operations {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, came).await.unwrap();
    }
}

#[tokio::test]
async fn whatever_is_asked_of_one_server_is_done_one_after_the_other() {
    let time = Some("30ms".parse().unwrap());
    let bench = Bench::serving(ServiceModel {
        methods: time,
        twin_writes: time,
        twin_reads: time,
        queries: time,
        ..model(1, PATIENCE)
    });
    let mut device = bench.online("d").await;
    device.subscribe(FromHub::TWIN_RESPONSE_FILTER).await;
    let clock = Clock::start();
    device.publish(FromDevice::TwinGet { rid: "1" }, json!("")).await;
    let query = json!({"query": "SELECT * FROM devices"});
    let patch = json!({"tags": {"a": 1}});
    let call = Bench::call(30);
    let (read, patched, rows, called, answered) = tokio::join!(
        bench.request(rest::get_twin("d")),
        bench.plain("PATCH", "/twins/d", &[], patch),
        bench.plain("POST", "/devices/query", &[], query),
        bench.request(rest::invoke_method("d", &call)),
        device.message(),
    );
    assert!(clock.now() >= Nanos::ZERO + 5 * Duration::from_millis(30), "not before its time: {}", clock.now());
    assert_eq!([read.status, patched.status, rows.status, called.status], [200, 200, 200, 404], "no method is heard");
    assert_eq!(answered.topic, "$iothub/twin/res/200/?$rid=1");
    let count = bench.service();
    assert_eq!((count.operations, count.refused, count.servers), (5, 0, 1));
    assert!((count.busy_s - 0.15).abs() < 1e-9 && count.server_s >= count.busy_s, "{count:?}");
    // The registry is none of their business.
    assert_eq!(bench.plain("GET", "/devices/d", &[], Value::Null).await.status, 200);
    assert_eq!(bench.service().operations, 5);
}

#[tokio::test]
async fn what_a_device_reports_stays_in_order_whichever_server_is_quicker() {
    let bench =
        Bench::serving(ServiceModel { twin_writes: Some("uniform 1ms..60ms".parse().unwrap()), ..model(16, PATIENCE) });
    let mut device = bench.online("d").await;
    device.subscribe(FromHub::TWIN_RESPONSE_FILTER).await;
    for n in 0..20 {
        device.publish(FromDevice::ReportedPatch { rid: &n.to_string() }, json!({"n": n})).await;
        // The client's own queue is short.
        if n % 5 == 4 {
            bench.came_with(&mut device, n + 1).await;
        }
    }
}

impl Bench {
    /// Waits for the answers to the last five of `count` reports.
    async fn came_with(&self, device: &mut Device, count: u64) {
        for n in count - 5..count {
            assert_eq!(device.message().await.topic, format!("$iothub/twin/res/204/?$rid={n}&$version={}", n + 2));
        }
        assert_eq!(self.service().operations, count);
    }
}

#[tokio::test]
async fn a_busy_hub_says_so_and_one_that_went_down_has_forgotten_what_it_was_busy_with() {
    let long = Some(FOR_EVER.parse().unwrap());
    let mut bench =
        Bench::serving(ServiceModel { methods: long, twin_writes: long, ..model(1, Duration::from_millis(100)) });
    let mut device = bench.online("d").await;
    device.subscribe(FromHub::TWIN_RESPONSE_FILTER).await;
    let address = bench.hub.http_addr().unwrap();
    let owner = bench.identity.owner().clone();
    let token = bench.token("", Some(&owner.name), &owner.primary);
    let call = rest::invoke_method("d", &Bench::call(300));
    let text = format!(
        "POST {} HTTP/1.1\r\nhost: hub\r\nauthorization: {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        call.path,
        call.body.len(),
        call.body
    );
    // The only server is taken from here on.
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(text.as_bytes()).await.unwrap();
    bench.came(1).await;

    let (headers, answer) = tokio::time::timeout(PATIENCE, bench.send(&token, call.clone())).await.unwrap();
    assert_eq!((answer.status, &headers["iothub-errorcode"]), (503, &"ServerBusy".parse().unwrap()));
    device.publish(FromDevice::ReportedPatch { rid: "1" }, json!({"a": 1})).await;
    let refused = device.message().await;
    assert_eq!(refused.topic, "$iothub/twin/res/503/?$rid=1");
    assert_eq!(serde_json::from_slice::<Value>(&refused.payload).unwrap()["errorCode"], 503_005);
    device.publish(FromDevice::TwinGet { rid: "2" }, json!("")).await;
    assert_eq!(device.message().await.topic, "$iothub/twin/res/200/?$rid=2", "needs no server");
    assert_eq!((bench.service().operations, bench.service().refused), (1, 2));

    let faults = HubFault::among(&[Fault::new(FaultKind::HubDown)]);
    let (tell, told) = std::sync::mpsc::channel();
    bench.hub.inject(Timestamp::now(), faults, move |news| _ = tell.send(news)).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    bench.hub.heal();
    told.recv_timeout(PATIENCE).unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(text.as_bytes()).await.unwrap();
    bench.came(2).await;
}
