//! Who does not say who he is, or lies.

use std::time::Duration;

use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twinstorm::dialect::azure::Key;
use twinstorm::hub::DoorLimits;

use super::reach::{Client, hub, null_hub};

const SHORT: Duration = Duration::from_millis(300);
const DRIP: Duration = Duration::from_millis(20);

fn impatient() -> DoorLimits {
    DoorLimits { greeting: SHORT, head: SHORT, body: SHORT, ..DoorLimits::default() }
}

/// The same `count` bytes for the same seed.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let next =
        |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(seed), next).skip(1).map(|state| state.to_be_bytes()[0]).take(count).collect()
}

#[tokio::test]
async fn who_says_nothing_or_one_byte_at_a_time_is_closed() {
    let (_hub, _, reach) = hub(impatient());
    let witness = reach.witness().await;
    let mqtts = reach.mqtts.unwrap();
    for address in [reach.mqtt, mqtts, reach.http] {
        Client::open(address).await.closed().await;
    }
    // A CONNECT of 8 KB, a hello of TLS, the head of a request, each without end.
    for (address, bytes) in [
        (reach.mqtt, &b"\x10\xff\x3f\x00\x04MQTT\x04\x02\x00\x3c\x00\x01d"[..]),
        (mqtts, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        (reach.http, b"GET /twins/d HTTP/1.1\r\nx-header: "),
    ] {
        let client = Client::open(address).await;
        let bytes: Vec<u8> = bytes.iter().copied().chain(std::iter::repeat_n(b'x', 8000)).collect();
        assert!(client.drip(&bytes, DRIP).await > 0, "{address}");
    }
    reach.is_undisturbed().await;
    witness.abort();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (_hub, _, reach) = hub(DoorLimits { body: SHORT, ..DoorLimits::default() });
    let token = reach.token("", 60, Some(&reach.owner.policy), &reach.owner.key);
    let mut client = Client::open(reach.http).await;
    let head = format!(
        "PUT /devices/d HTTP/1.1\r\nhost: h\r\nauthorization: {token}\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n{{"
    );
    client.write(head.as_bytes()).await.unwrap();
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("did not arrive"), "{answer}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_there() {
    let (_hub, _, reach) = hub(DoorLimits::default());
    let witness = reach.witness().await;
    // As CONNECT, and as a packet of a device.
    let mut stranger = Client::open(reach.mqtt).await;
    stranger.write(b"\x10\xff\xff\xff\x7f").await.unwrap();
    stranger.closed().await;
    let mut device = reach.device("d").await;
    device.write(b"\x30\xff\xff\xff\x7f\x00\x01a").await.unwrap();
    device.closed().await;
    let big = Value::from("x".repeat(1024 * 1024));
    let (status, body) = reach.request("PUT", "/devices/d?api-version=2021-04-12", &big).await;
    assert_eq!(status, 413, "{body}");
    let mut stranger = Client::open(reach.http).await;
    let head = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(1024 * 1024));
    // The hub may have closed before all is written.
    let _ = stranger.write(head.as_bytes()).await;
    stranger.closed().await;
    reach.is_undisturbed().await;
    witness.abort();
}

#[tokio::test]
async fn nonsense_is_closed() {
    let (_hub, _, reach) = hub(impatient());
    let witness = reach.witness().await;
    for address in [reach.mqtt, reach.mqtts.unwrap(), reach.http] {
        for seed in 0..20 {
            let mut client = Client::open(address).await;
            // It may be closed before all is written.
            let _ = client.write(&noise(seed, 3000)).await;
            client.closed().await;
        }
    }
    for seed in 0..20 {
        let mut device = reach.device("d").await;
        let _ = device.write(&noise(seed, 100_000)).await;
        // A length that was read from noise may be large and never come; the next device of the name ends that too.
        drop(device);
    }
    reach.is_undisturbed().await;
    witness.abort();
}

#[tokio::test]
async fn many_who_say_nothing_keep_nobody_out() {
    let (_hub, _, reach) = hub(DoorLimits { strangers: 10, ..DoorLimits::default() });
    let witness = reach.witness().await;
    let mut silent = Vec::new();
    for address in [reach.mqtt, reach.http] {
        for _ in 0..50 {
            silent.push(Client::open(address).await);
        }
    }
    let mut device = reach.device("d").await;
    assert_eq!(device.subscribe(&["$iothub/twin/res/#"]).await, 0);
    reach.is_undisturbed().await;
    // Those who were turned away for it.
    let first = silent.remove(0);
    first.closed().await;
    witness.abort();
}

#[tokio::test]
async fn a_hub_that_only_acknowledges_keeps_nobody_for_ever_who_says_nothing() {
    let (_hub, _, reach) = null_hub(impatient());
    let witness = reach.witness().await;
    for address in [reach.mqtt, reach.http] {
        Client::open(address).await.closed().await;
    }
    let mut client = Client::open(reach.http).await;
    client.write(b"GET /twins/witness HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    // The answer, and the end, as nothing more is asked for.
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    reach.is_undisturbed().await;
    witness.abort();

    let (_hub, _, reach) = null_hub(DoorLimits { strangers: 10, ..DoorLimits::default() });
    let witness = reach.witness().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(Client::open(reach.http).await);
    }
    reach.is_undisturbed().await;
    // The one that was turned away for it.
    silent.remove(0).closed().await;
    witness.abort();
}

#[tokio::test]
async fn tokens_that_are_wrong_expired_or_for_something_else_open_nothing() {
    let (_hub, identity, reach) = hub(DoorLimits::default());
    let resource = "/devices/d";
    let key = reach.derived("d");
    let policy = |name: &str| identity.policy(name).unwrap().primary.clone();
    let as_policy = |name: &str| reach.token(resource, 60, Some(name), &policy(name));
    for (why, password) in [
        ("no token", String::new()),
        ("no token", "password".to_owned()),
        ("a wrong key", reach.token(resource, 60, None, &Key::from_bytes([1; 32]))),
        ("another device's key", reach.token(resource, 60, None, &reach.derived("e"))),
        ("expired", reach.token(resource, -1, None, &key)),
        ("another device", reach.token("/devices/e", 60, None, &key)),
        ("a longer name", reach.token("/devices/dd", 60, None, &key)),
        ("no right to connect", as_policy("service")),
        ("no right to connect", as_policy("registryReadWrite")),
        ("an unknown policy", reach.token(resource, 60, Some("root"), &policy("iothubowner"))),
        ("another policy's key", reach.token(resource, 60, Some("device"), &policy("service"))),
        ("its signature changed", reach.token(resource, 60, None, &key).replace("sig=", "sig=A")),
    ] {
        let mut client = Client::open(reach.mqtt).await;
        let code = client.connect(reach.hello("d", password)).await;
        assert_eq!(code, Some(ConnectReturnCode::NotAuthorized), "{why}");
        client.closed().await;
    }
    for (why, token, path) in [
        ("no right", reach.token("", 60, Some("device"), &policy("device")), "/twins/d"),
        ("no right", reach.token("", 60, Some("registryRead"), &policy("registryRead")), "/twins/d"),
        ("no right", reach.token("", 60, Some("service"), &policy("service")), "/devices/d"),
        ("expired", reach.token("", -1, Some("service"), &policy("service")), "/twins/d"),
        ("a device's", reach.token(resource, 60, None, &key), "/twins/d"),
        ("nothing", String::new(), "/devices"),
    ] {
        let (status, body) =
            reach.request_as(&token, "GET", &format!("{path}?api-version=2021-04-12"), &json!(null)).await;
        assert_eq!(status, 401, "{why}: {body}");
        let secret = token.split("sig=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or("no signature");
        assert!(!body.to_string().contains(secret), "{why}: the answer repeats a token");
    }
}

#[tokio::test]
async fn ids_that_are_none_are_refused_everywhere() {
    let (_hub, _, reach) = hub(DoorLimits::default());
    for id in [
        "",
        " ",
        "a b",
        "\u{e4}",
        "a\u{0}",
        "a/b/c",
        "/",
        "../a",
        "a\\b",
        "a\"b",
        &"x".repeat(129),
        &"x".repeat(60_000),
    ] {
        // MQTT itself takes neither a text that ends early nor one that is longer than it can say.
        let token = reach.token(&format!("/devices/{id}"), 60, None, &reach.derived(id));
        let mut client = Client::open(reach.mqtt).await;
        let code = client.connect(reach.hello(id, token)).await;
        assert!(code.is_none_or(|code| code != ConnectReturnCode::Success), "{id:?}: {code:?}");
        client.closed().await;
        if id.len() > 1000 || id.is_empty() || id == "/" {
            continue;
        }
        let path: String = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for (method, path, body) in [
            ("PUT", format!("/devices/{path}"), json!({})),
            ("GET", format!("/twins/{path}"), json!(null)),
            ("POST", format!("/twins/{path}/methods"), json!({"methodName": "m"})),
        ] {
            let (status, answer) = reach.request(method, &format!("{path}?api-version=2021-04-12"), &body).await;
            assert!(matches!(status, 400 | 404), "{method} {path}: {status} {answer}");
        }
        let (status, answer) = reach.request("POST", "/devices?api-version=2021-04-12", &json!([{"id": id}])).await;
        assert_eq!(status, 400, "{id:?}: {answer}");
    }
    let (_, list) = reach.request("GET", "/devices?top=100&api-version=2021-04-12", &json!(null)).await;
    assert_eq!(list, json!([]), "nothing has come of it");
}

#[tokio::test]
async fn a_client_that_says_another_name_than_its_login_is_refused() {
    let (_hub, _, reach) = hub(DoorLimits::default());
    let token = reach.token("/devices/d", 60, None, &reach.derived("d"));
    let mut hellos = JoinSet::new();
    for client_id in ["e", "D", "d/", "d#", "", "\u{e4}"] {
        let Packet::Connect(hello) = reach.hello("d", token.clone()) else { unreachable!() };
        let hello = Packet::Connect(Connect { client_id: client_id.to_owned(), ..hello });
        let mut client = Client::open(reach.mqtt).await;
        hellos.spawn(async move { (client_id, client.connect(hello).await) });
    }
    while let Some(result) = hellos.join_next().await {
        let (client_id, code) = result.unwrap();
        assert!(code.is_some_and(|code| code != ConnectReturnCode::Success), "{client_id}: {code:?}");
    }
}
