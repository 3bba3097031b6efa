//! What is done to a hub on purpose while it runs, over real sockets.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use twinstorm::hub::{HubFaultChange, HubFaultNews};
use twinstorm::policy::{Fault, FaultKind, HubFault, HubSlow, Limit, Throttled, ThrottledOperation};
use twinstorm::time::{Clock, Nanos};

use super::*;

/// So rare that nothing more of it comes while a test runs.
const NEVER: f64 = 1e-3;

impl Bench {
    /// Does these faults from now on until the hub is healed.
    fn strike(&mut self, kinds: &[FaultKind]) -> Receiver<HubFaultNews> {
        let faults: Vec<Fault> = kinds.iter().cloned().map(Fault::new).collect();
        let (tell, told) = channel();
        self.hub.inject(Timestamp::now(), HubFault::among(&faults), move |news| _ = tell.send(news)).unwrap();
        for _ in kinds {
            assert_eq!(heard(&told), HubFaultChange::Began);
        }
        told
    }

    fn throttled(&self, operation: &str) -> (u64, u64, u64) {
        let counts = self.hub.throttled();
        let count = counts.iter().find(|count| count.operation == operation && count.fault.is_some()).unwrap();
        (count.admitted, count.delayed, count.refused)
    }
}

fn heard(told: &Receiver<HubFaultNews>) -> HubFaultChange {
    told.recv_timeout(PATIENCE).unwrap().change
}

fn is_refused(address: SocketAddr) -> bool {
    std::net::TcpStream::connect(address).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn throttle(of: ThrottledOperation, burst: f64) -> FaultKind {
    FaultKind::Throttle(Throttled { of, limit: Limit { rate: NEVER, burst, queue: Duration::ZERO } })
}

fn report(rid: &str) -> FromDevice<'_> {
    FromDevice::ReportedPatch { rid }
}

#[tokio::test]
async fn a_hub_that_goes_down_closes_everything_refuses_connections_and_comes_back_with_its_twins() {
    let free = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let mut bench = Bench::with(HubConfig { workers: 2, mqtts: free, https: free, ..HubConfig::default() });
    let addresses = [bench.hub.mqtt_addr(), bench.hub.mqtts_addr(), bench.hub.http_addr(), bench.hub.https_addr()];
    let addresses = addresses.map(Option::unwrap);
    let mut devices = Vec::new();
    for n in 0..8 {
        let device = bench.online(&format!("dev-{n}")).await;
        device.publish(report("1"), json!({"n": n})).await;
        devices.push(device);
    }
    for device in &mut devices {
        device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    }
    // Strangers that have said nothing yet, at every port.
    let mut strangers = addresses.map(|address| std::net::TcpStream::connect(address).unwrap());
    // A call that no device answers.
    devices[0].subscribe(FromHub::METHOD_FILTER).await;
    let owner = bench.identity.owner().clone();
    let token = bench.token("", Some(&owner.name), &owner.primary);
    let mut waiting = TcpStream::connect(addresses[2]).await.unwrap();
    let call = rest::invoke_method("dev-0", &Bench::call(300));
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: hub\r\nauthorization: {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        call.path,
        call.body.len()
    );
    waiting.write_all(format!("{head}{}", call.body).as_bytes()).await.unwrap();
    devices[0].message().await;

    let told = bench.strike(&[FaultKind::HubDown]);
    assert!(addresses.into_iter().all(is_refused));
    for device in &mut devices {
        let error = device.end().await;
        assert!(!matches!(error, ConnectionError::ConnectionRefused(_)), "without a word: {error}");
    }
    for stranger in &mut strangers {
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(matches!(stranger.read(&mut [0; 8]), Ok(0) | Err(_)));
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, waiting.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "", "the call has no answer");
    assert!(addresses.into_iter().all(is_refused), "still");

    bench.hub.heal();
    assert_eq!(heard(&told), HubFaultChange::Ended);
    for n in 0..8 {
        bench.online(&format!("dev-{n}")).await;
        let twin = bench.request(rest::get_twin(&format!("dev-{n}"))).await;
        let body = String::from_utf8_lossy(&twin.body).into_owned();
        assert!(twin.status == 200 && body.contains(&format!("\"n\":{n}")), "{body}");
    }
    assert!(!addresses.into_iter().any(is_refused));
}

#[tokio::test]
async fn whoever_waited_for_a_limit_of_a_hub_that_went_down_holds_up_nobody_afterwards() {
    // The first passes, the second waits for 1000 s, and behind it there is room for nobody.
    let limit = Limit { rate: NEVER, burst: 1.0, queue: Duration::from_secs(1500) };
    let mut bench = Bench::limited(throttling::limits(&[(twinstorm::hub::Operation::Registry, limit)]));
    let address = bench.hub.http_addr().unwrap();
    let owner = bench.identity.owner().clone();
    let token = bench.token("", Some(&owner.name), &owner.primary);
    let head = format!("GET /devices/d?api-version=2021-04-12 HTTP/1.1\r\nhost: hub\r\nauthorization: {token}\r\n\r\n");
    let mut clients = Vec::new();
    for (down_first, expected) in [(false, (1, 0, 0)), (false, (2, 1, 0)), (true, (3, 2, 0))] {
        if down_first {
            let told = bench.strike(&[FaultKind::HubDown]);
            bench.hub.heal();
            assert_eq!(heard(&told), HubFaultChange::Ended);
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        clients.push(client);
        let counted = async {
            loop {
                let count = &bench.hub.throttled()[0];
                let counts = (count.admitted, count.delayed, count.refused);
                if counts.0 + counts.2 == expected.0 + expected.2 {
                    break counts;
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(tokio::time::timeout(PATIENCE, counted).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_hub_whose_port_was_taken_meanwhile_comes_back_once_it_is_free() {
    let mut bench = Bench::start();
    let told = bench.strike(&[FaultKind::HubDown]);
    let thief = TcpListener::bind(bench.hub.mqtt_addr().unwrap()).unwrap();
    bench.hub.heal();
    assert!(is_refused(bench.hub.http_addr().unwrap()) && told.try_recv().is_err(), "not halfway");
    drop(thief);
    assert_eq!(heard(&told), HubFaultChange::Ended);
    bench.online("d").await;
}

#[tokio::test]
async fn a_hub_that_is_down_can_be_stopped() {
    let mut bench = Bench::start();
    let told = bench.strike(&[FaultKind::HubDown]);
    let address = bench.hub.mqtt_addr().unwrap();
    bench.hub.stop();
    assert!(told.try_recv().is_err() && is_refused(address));
}

#[tokio::test]
async fn a_slow_hub_answers_late_and_only_where_it_is_slow() {
    let delay = Duration::from_millis(300);
    let mut bench = Bench::start();
    let mut device = bench.online("d").await;
    device.subscribe(FromHub::TWIN_RESPONSE_FILTER).await;
    let slow = HubSlow { methods: Duration::ZERO, twin_writes: delay, twin_reads: 2 * delay };
    let told = bench.strike(&[FaultKind::HubSlow(slow)]);
    let clock = Clock::start();
    let taken = |since: Nanos| clock.now().since(since);

    device.publish(report("1"), json!({"a": 1})).await;
    assert!(device.message().await.topic.contains("/204/"));
    assert!(taken(Nanos::ZERO) >= delay);
    let before = clock.now();
    device.publish(FromDevice::TwinGet { rid: "2" }, json!({})).await;
    assert!(device.message().await.topic.contains("/200/"));
    assert!(taken(before) >= 2 * delay);
    let before = clock.now();
    bench.request(rest::get_twin("d")).await;
    assert!(taken(before) >= 2 * delay);
    let before = clock.now();
    let desired = json!({"properties": {"desired": {"x": 1}}});
    assert_eq!(bench.plain("PATCH", "/twins/d", &[("if-match", "\"*\"")], desired).await.status, 200);
    assert!(taken(before) >= delay);

    // What waits when the hub is healed goes on at once, in order.
    device.publish(report("3"), json!({"a": 2})).await;
    bench.hub.heal();
    assert_eq!(heard(&told), HubFaultChange::Ended);
    device.publish(report("4"), json!({"a": 3})).await;
    let answers = [device.message().await.topic, device.message().await.topic];
    assert!(answers[0].contains("$rid=3") && answers[1].contains("$rid=4"), "{answers:?}");
}

#[tokio::test]
async fn limits_that_a_fault_puts_on_hold_until_they_are_lifted() {
    use ThrottledOperation::{Connects, Methods, Queries, TwinReads, TwinWrites};
    let mut bench = Bench::start();
    let mut device = bench.online("d").await;
    device.subscribe(FromHub::TWIN_RESPONSE_FILTER).await;
    assert!(bench.hub.throttled().is_empty());
    let told = bench.strike(&[Connects, Methods, Queries, TwinReads, TwinWrites].map(|of| throttle(of, 1.0)));
    let call = || bench.request(rest::invoke_method("d", &Bench::call(5)));
    let query = || bench.plain("POST", "/devices/query", &[], json!({"query": "SELECT * FROM devices"}));
    let read = || bench.request(rest::get_twin("d"));
    assert_eq!((call().await.status, call().await.status), (404, 429));
    assert_eq!((query().await.status, query().await.status), (200, 429));
    assert_eq!((read().await.status, read().await.status), (200, 429));
    for (rid, status) in [("1", "/204/"), ("2", "/429/")] {
        device.publish(report(rid), json!({"a": 1})).await;
        let answer = device.message().await.topic;
        assert!(answer.contains(status), "{answer}");
    }
    bench.online("e").await;
    let error = bench.device("f", &bench.identity.fleet_key.derive("f")).end().await;
    let expected = ConnectReturnCode::ServiceUnavailable;
    assert!(matches!(error, ConnectionError::ConnectionRefused(code) if code == expected), "{error}");
    for operation in ["method", "query", "twin_read", "twin_update", "connect"] {
        assert_eq!(bench.throttled(operation), (1, 0, 1), "{operation}");
    }

    bench.hub.heal();
    assert_eq!(heard(&told), HubFaultChange::Ended);
    bench.online("f").await;
    assert_eq!((call().await.status, query().await.status, read().await.status), (404, 200, 200));
    assert_eq!(bench.throttled("query"), (1, 0, 1), "it is told, and counts no more");
}

#[tokio::test]
async fn what_a_fault_limits_beside_a_tier_the_tighter_holds() {
    let limit = Limit { rate: NEVER, burst: 2.0, queue: Duration::ZERO };
    let mut bench = Bench::limited(throttling::limits(&[(twinstorm::hub::Operation::TwinRead, limit)]));
    bench.online("d").await;
    bench.strike(&[throttle(ThrottledOperation::TwinReads, 1.0)]);
    let read = || bench.request(rest::get_twin("d"));
    assert_eq!((read().await.status, read().await.status), (200, 429));
    bench.hub.heal();
    assert_eq!((read().await.status, read().await.status), (200, 429), "the tier's goes on, with what was drawn on it");
}
