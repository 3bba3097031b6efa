//! The embedded hub over real sockets: an independent MQTT client as the device, plain HTTP as the service.

mod access;
mod configurations;
mod digital_twins;
mod faults;
mod jobs;
mod modules;
mod null;
mod queries;
mod registry;
mod service;
mod status;
mod throttling;
mod twins;
mod x509;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish, QoS};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use twinstorm::dialect::MethodAnswer;
use twinstorm::dialect::azure::enrolment::{self, BulkReason, Enrolment};
use twinstorm::dialect::azure::rest::{self, MethodCall, Request, Response};
use twinstorm::dialect::azure::{FromDevice, FromHub, Key, SasToken};
use twinstorm::hub::{Hub, HubConfig, HubIdentity, Policy};

/// Longer than anything here takes: a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    hub: Hub,
    identity: HubIdentity,
}

impl Bench {
    /// A hub of two workers, so that connections and requests cross between them.
    fn start() -> Self {
        Self::with(HubConfig { workers: 2, ..HubConfig::default() })
    }

    fn with(config: HubConfig) -> Self {
        let bound = Hub::bind(config).unwrap();
        let identity = HubIdentity::generate(bound.http_addr().unwrap().to_string()).unwrap();
        Self { hub: bound.start(identity.clone()).unwrap(), identity }
    }

    fn token(&self, resource: &str, policy: Option<&str>, key: &Key) -> String {
        let expires = Timestamp::now() + SignedDuration::from_hours(1);
        SasToken::sign(&format!("{}{resource}", self.identity.host), expires, policy, key)
    }

    async fn send(&self, authorization: &str, request: Request) -> (hyper::HeaderMap, Response) {
        let stream = TcpStream::connect(self.hub.http_addr().unwrap()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut builder = hyper::Request::builder().method(request.method).uri(request.path).header("host", "hub");
        if !authorization.is_empty() {
            builder = builder.header("authorization", authorization);
        }
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let response = sender.send_request(builder.body(Full::new(Bytes::from(request.body))).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        let continuation = head.headers.get(rest::CONTINUATION).map(|value| value.to_str().unwrap().to_owned());
        (head.headers, Response { status: head.status.as_u16(), retry_after: None, continuation, body })
    }

    async fn request(&self, request: Request) -> Response {
        self.request_as(self.identity.owner(), request).await
    }

    async fn request_as(&self, policy: &Policy, request: Request) -> Response {
        let token = self.token("", Some(&policy.name), &policy.primary);
        tokio::time::timeout(PATIENCE, self.send(&token, request)).await.unwrap().1
    }

    async fn plain(&self, method: &'static str, path: &str, headers: &[(&'static str, &str)], body: Value) -> Response {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.request(Request { method, path: format!("{path}?api-version=2021-04-12"), headers, body }).await
    }

    /// What the hub answers to these bytes before it closes the connection.
    async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.hub.mqtt_addr().unwrap()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        answer
    }

    fn device(&self, id: &str, key: &Key) -> Device {
        let mut options = MqttOptions::new(id, "127.0.0.1", self.hub.mqtt_addr().unwrap().port());
        let token = self.token(&format!("/devices/{id}"), None, key);
        options.set_credentials(format!("{}/{id}/?api-version=2021-04-12", self.identity.host), token);
        options.set_clean_session(false);
        let (client, events) = AsyncClient::new(options, 10);
        Device { client, events }
    }

    /// A connected device that proves its derived key.
    async fn online(&self, id: &str) -> Device {
        let mut device = self.device(id, &self.identity.fleet_key.derive(id));
        device.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
        device
    }

    fn call(response: u64) -> MethodCall {
        MethodCall {
            method_name: "firmwareUpdate".into(),
            payload: json!({"fwPackageUri": "https://example.com/fw"}),
            response_timeout_in_seconds: response,
            connect_timeout_in_seconds: 0,
        }
    }
}

/// An independent client.
struct Device {
    client: AsyncClient,
    events: EventLoop,
}

impl Device {
    /// What `pick` picks of the packets that come in.
    async fn until<T>(&mut self, mut pick: impl FnMut(Packet) -> Option<T>) -> T {
        let events = async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await.unwrap()
                    && let Some(picked) = pick(packet)
                {
                    return picked;
                }
            }
        };
        tokio::time::timeout(PATIENCE, events).await.unwrap()
    }

    async fn message(&mut self) -> Publish {
        self.until(|packet| if let Packet::Publish(publish) = packet { Some(publish) } else { None }).await
    }

    async fn subscribe(&mut self, filter: &str) {
        self.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        self.until(|packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
    }

    async fn publish(&self, topic: FromDevice<'_>, body: Value) {
        self.client.publish(topic.to_string(), QoS::AtLeastOnce, false, body.to_string()).await.unwrap();
    }

    /// The error that ends the connection.
    async fn end(&mut self) -> ConnectionError {
        let events = async {
            loop {
                if let Err(error) = self.events.poll().await {
                    return error;
                }
            }
        };
        tokio::time::timeout(PATIENCE, events).await.unwrap()
    }
}

#[tokio::test]
async fn an_independent_client_acts_as_a_device() {
    let bench = Bench::start();
    // It is not registered: the derived key admits it.
    let mut device = bench.online("dev-1").await;
    for filter in [FromHub::TWIN_RESPONSE_FILTER, FromHub::METHOD_FILTER, FromHub::DESIRED_FILTER] {
        device.subscribe(filter).await;
    }

    device.publish(FromDevice::ReportedPatch { rid: "1" }, json!({"firmwareStatus": "standBy"})).await;
    let mut acknowledged = false;
    let answer = device
        .until(|packet| {
            acknowledged |= matches!(packet, Packet::PubAck(_));
            if let Packet::Publish(publish) = packet { Some(publish) } else { None }
        })
        .await;
    assert_eq!((answer.topic.as_str(), acknowledged), ("$iothub/twin/res/204/?$rid=1&$version=2", true));
    let twin = bench.request(rest::get_twin("dev-1")).await;
    assert!(String::from_utf8_lossy(&twin.body).contains(r#""firmwareStatus":"standBy""#));
    assert_eq!(rest::twin(&twin.body).unwrap().connected, Some(true));

    let desired = json!({"properties": {"desired": {"interval": 5, "old": null}}});
    let patched = bench.plain("PATCH", "/twins/dev-1", &[("if-match", "\"*\"")], desired).await;
    assert_eq!(patched.status, 200);
    let notified = device.message().await;
    assert_eq!(notified.topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    let body: Value = serde_json::from_slice(&notified.payload).unwrap();
    assert_eq!(body, json!({"interval": 5, "old": null, "$version": 2}));

    let call = Bench::call(30);
    let (answer, ()) = tokio::join!(bench.request(rest::invoke_method("dev-1", &call)), async {
        let request = device.message().await;
        let Some(FromHub::Method { name, rid }) = FromHub::parse(&request.topic) else { panic!("{}", request.topic) };
        assert_eq!((name, request.qos), ("firmwareUpdate", QoS::AtMostOnce));
        assert_eq!(serde_json::from_slice::<Value>(&request.payload).unwrap(), call.payload);
        let body = json!({"Response": "Firmware update started"});
        device.publish(FromDevice::MethodResponse { status: 200, rid }, body).await;
        device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    });
    let payload = json!({"Response": "Firmware update started"});
    assert_eq!(rest::method_answer(&answer), MethodAnswer::Device { status: 200, payload });

    bench.hub.stop();
    device.end().await;
}

#[tokio::test]
async fn who_proves_no_key_is_refused() {
    let bench = Bench::start();
    for id in ["a", "b", "c"] {
        let error = bench.device(id, &bench.identity.fleet_key.derive("other")).end().await;
        let refused = matches!(error, ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized));
        assert!(refused, "{error}");
    }
    let old = b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01d";
    let five = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x0a\x00\x01d";
    for (hello, answer) in [(&old[..], &b"\x20\x02\x00\x01"[..]), (five, b"\x20\x02\x00\x01"), (b"\x30", b"")] {
        assert_eq!(bench.exchange(hello).await, answer, "CONNACK 1: only MQTT 3.1.1");
    }
}

#[tokio::test]
async fn what_comes_together_with_connect_is_answered_in_order() {
    let bench = Bench::start();
    for id in ["a", "b", "c", "d"] {
        let mut connect = rumqttc::mqttbytes::v4::Connect::new(id);
        let token = bench.token(&format!("/devices/{id}"), None, &bench.identity.fleet_key.derive(id));
        connect.set_login(format!("{}/{id}/", bench.identity.host), token);
        let mut bytes = bytes::BytesMut::new();
        connect.write(&mut bytes).unwrap();
        bytes.extend_from_slice(&[0xc0, 0, 0xc0, 0, 0xe0, 0]);
        assert_eq!(bench.exchange(&bytes).await, [0x20, 2, 0, 0, 0xd0, 0, 0xd0, 0], "CONNACK and two PINGRESP");
    }
}

#[tokio::test]
async fn nobody_s_body_is_waited_for_who_has_no_token() {
    let bench = Bench::start();
    let mut stream = TcpStream::connect(bench.hub.http_addr().unwrap()).await.unwrap();
    stream.write_all(b"POST /devices HTTP/1.1\r\nhost: hub\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, *b"HTTP/1.1 401");
}

#[tokio::test]
async fn a_bulk_request_names_each_device_once_and_etags_where_they_are_needed() {
    let bench = Bench::start();
    let items = json!([
        {"id": "a", "importMode": "create"},
        {"id": "a", "importMode": "delete"},
        {"id": "b", "importMode": "deleteIfMatchETag"},
    ]);
    let answer = bench.plain("POST", "/devices", &[], items).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let codes: Vec<&Value> = body["errors"].as_array().unwrap().iter().map(|error| &error["errorCode"]).collect();
    assert_eq!((answer.status, codes), (400, vec![&json!(400_011), &json!(400_005)]));
    assert_eq!(bench.request(rest::get_twin("a")).await.status, 200);
    let reported = json!({"properties": {"reported": {"x": 1}}});
    assert_eq!(bench.plain("PATCH", "/twins/a", &[], reported).await.status, 400);
}

#[tokio::test]
async fn the_newest_connection_of_a_device_wins() {
    let bench = Bench::start();
    let mut first = bench.online("dev-1").await;
    let mut second = bench.online("dev-1").await;
    first.end().await;
    second.subscribe(FromHub::TWIN_RESPONSE_FILTER).await;
    second.publish(FromDevice::TwinGet { rid: "7" }, json!({})).await;
    assert_eq!(second.message().await.topic, "$iothub/twin/res/200/?$rid=7");
    let statistics = bench.request(rest::service_statistics()).await;
    assert_eq!(rest::connected_devices(&statistics.body).unwrap(), 1);
}

#[tokio::test]
async fn calls_to_absent_devices_end_with_the_hub_s_codes() {
    let bench = Bench::start();
    let unknown = bench.request(rest::invoke_method("nobody", &Bench::call(30))).await;
    let answer = rest::method_answer(&unknown);
    assert!(matches!(answer, MethodAnswer::Hub { status: 404, code: Some(404_001), .. }), "{answer:?}");
    let _device = bench.online("dev-1").await;
    let deaf = bench.request(rest::invoke_method("dev-1", &Bench::call(30))).await;
    assert_eq!(rest::method_answer(&deaf), MethodAnswer::NotOnline);
    let wrong = bench.request(rest::invoke_method("dev-1", &Bench::call(4))).await;
    assert!(matches!(rest::method_answer(&wrong), MethodAnswer::Hub { status: 400, code: Some(400_004), .. }));
}

#[tokio::test]
async fn the_service_side_wants_a_token_of_a_policy_with_the_right() {
    let bench = Bench::start();
    let wrong = bench.token("", Some("iothubowner"), &bench.identity.fleet_key);
    let registry = bench.identity.policy("registryRead").unwrap();
    let weak = bench.token("", Some(&registry.name), &registry.primary);
    for (authorization, code) in [
        ("", "IotHubUnauthorizedAccess"),
        ("Bearer x", "IotHubUnauthorizedAccess"),
        (&wrong, "IotHubUnauthorizedAccess"),
        (&weak, "IotHubUnauthorized"),
    ] {
        let (headers, response) = bench.send(authorization, rest::get_twin("d")).await;
        assert_eq!((response.status, headers[rest::ERROR_CODE].to_str().unwrap()), (401, code));
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        assert!(String::from_utf8_lossy(&response.body).contains(&format!("ErrorCode:{code};")));
    }
    assert_eq!(bench.request_as(registry, rest::service_statistics()).await.status, 200);
    assert_eq!(bench.plain("GET", "/nothing", &[], Value::Null).await.status, 404);
}

#[tokio::test]
async fn registered_devices_are_listed_queried_page_by_page_and_deleted() {
    let bench = Bench::start();
    let ids: Vec<String> = (0..25).map(|n| format!("dev-{n:03}")).collect();
    let devices: Vec<Enrolment> =
        ids.iter().map(|id| Enrolment::derived(id.clone(), &bench.identity.fleet_key)).collect();
    let created = bench.request(enrolment::create(&devices)).await;
    assert_eq!((created.status, enrolment::failures(200, &created.body).unwrap()), (200, vec![]));
    let again = bench.request(enrolment::create(&devices)).await;
    let body: Value = serde_json::from_slice(&again.body).unwrap();
    assert_eq!((again.status, &body["errors"][24]["errorCode"]), (400, &json!(409_001)));
    let failures = enrolment::failures(400, &again.body).unwrap();
    assert!(failures.len() == 25 && failures.iter().all(|failure| failure.reason == BulkReason::Exists));

    for since in [None, Some("2000-01-01T00:00:00Z")] {
        let text = rest::delta_query("dev-001", "dev-023", since);
        let (mut seen, mut continuation) = (Vec::new(), None);
        loop {
            let page = bench.request(rest::query(&text, 5, continuation.as_deref())).await;
            let rows = rest::delta_page(&page.body).unwrap();
            assert!(rows.len() <= 5);
            seen.extend(rows.into_iter().map(|row| row.device_id.into_owned()));
            match page.continuation {
                Some(next) => continuation = Some(next),
                None => break,
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, ids[1..=23]);
    }
    let count = bench.request(rest::query("SELECT COUNT() AS n FROM devices", 100, None)).await;
    assert_eq!(serde_json::from_slice::<Value>(&count.body).unwrap(), json!([{"n": 25}]));
    let bad = bench.request(rest::query("SELECT * FROM devices WHERE", 100, None)).await;
    assert!(bad.status == 400 && String::from_utf8_lossy(&bad.body).contains("at position 28"));

    let list = bench.plain("GET", "/devices", &[], Value::Null).await;
    let listed: Vec<Value> = serde_json::from_slice(&list.body).unwrap();
    assert_eq!(listed.iter().map(|device| device["deviceId"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!(bench.plain("PUT", "/devices/dev-000", &[], json!({})).await.status, 409);
    assert_eq!(bench.plain("PUT", "/devices/a%23b", &[], json!({"status": "disabled"})).await.status, 200);
    let device: Value =
        serde_json::from_slice(&bench.plain("GET", "/devices/a%23b", &[], Value::Null).await.body).unwrap();
    assert_eq!((&device["deviceId"], &device["status"]), (&json!("a#b"), &json!("disabled")));
    assert_eq!(bench.plain("DELETE", "/devices/dev-000", &[], Value::Null).await.status, 412);
    assert_eq!(bench.plain("DELETE", "/devices/dev-000", &[("if-match", "*")], Value::Null).await.status, 204);
    assert_eq!(bench.request(rest::get_twin("dev-000")).await.status, 404);
    let statistics = bench.plain("GET", "/statistics/devices", &[], Value::Null).await;
    let statistics: Value = serde_json::from_slice(&statistics.body).unwrap();
    assert_eq!(statistics, json!({"totalDeviceCount": 25, "enabledDeviceCount": 24, "disabledDeviceCount": 1}));
}
