//! Who is one of the fleet, and misbehaves.

use rumqttc::mqttbytes::v4::{Connect, Packet};
use serde_json::{Value, json};
use twinstorm::dialect::azure::{FromDevice, FromHub};
use twinstorm::hub::DoorLimits;

use super::reach::{Client, hub};

const ANSWERS: &str = FromHub::TWIN_RESPONSE_FILTER;

#[tokio::test]
async fn ids_with_every_legal_character_work_everywhere() {
    let (_hub, _, reach) = hub(DoorLimits::default());
    for id in ["a#b", "a+b", "#", "+", "$a", "a%23b", "A-.+%_#*?!(),:=@$'", &"x".repeat(128)] {
        let path: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, identity) = reach.request("PUT", &format!("/devices/{path}?api-version=1"), &json!({})).await;
        assert_eq!((status, identity["deviceId"].as_str()), (200, Some(id)), "{identity}");
        let key = identity["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
        let key = twinstorm::dialect::azure::Key::from_base64(key).unwrap();
        let mut device = Client::open(reach.mqtt).await;
        let hello = reach.hello(id, reach.token(&format!("/devices/{id}"), 60, None, &key));
        assert_eq!(device.connect(hello).await, Some(rumqttc::ConnectReturnCode::Success), "{id}");
        let bound = format!("devices/{id}/messages/devicebound/#");
        assert_eq!(device.subscribe(&[ANSWERS, FromHub::METHOD_FILTER, &bound]).await, 0, "{id}");
        device.publish(&FromDevice::ReportedPatch { rid: "1" }.to_string(), r#"{"a":1}"#).await;
        assert_eq!(device.message().await.topic, "$iothub/twin/res/204/?$rid=1&$version=2");
        device.publish(&format!("devices/{id}/messages/events/"), "x").await;
        let call = json!({"methodName": "m"});
        let methods = format!("/twins/{path}/methods?api-version=1");
        let (answer, ()) = tokio::join!(reach.request("POST", &methods, &call), async {
            let request = device.message().await;
            let Some(FromHub::Method { rid, .. }) = FromHub::parse(&request.topic) else { panic!("{}", request.topic) };
            device.publish(&FromDevice::MethodResponse { status: 200, rid }.to_string(), "{}").await;
        });
        assert_eq!(answer.0, 200, "{id}: {}", answer.1);
        let (_, twin) = reach.request("GET", &format!("/twins/{path}?api-version=1"), &Value::Null).await;
        assert_eq!((twin["deviceId"].as_str(), &twin["properties"]["reported"]["a"]), (Some(id), &json!(1)));
    }
}

#[tokio::test]
async fn a_hundred_thousand_subscriptions_are_answered_and_forgotten() {
    let (_hub, _, reach) = hub(DoorLimits::default());
    let witness = reach.witness().await;
    let mut device = reach.device("d").await;
    for packet in 0..4 {
        let filters: Vec<String> = (0..25_000).map(|n| format!("{packet}{n:05}")).collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        assert_eq!(device.subscribe(&filters).await, 25_000);
    }
    // The same few again and again are no more than once.
    assert_eq!(device.subscribe(&vec![ANSWERS; 10_000]).await, 0);
    device.publish(&FromDevice::TwinGet { rid: "1" }.to_string(), " ").await;
    assert_eq!(device.message().await.topic, "$iothub/twin/res/200/?$rid=1");
    reach.is_undisturbed().await;
    witness.abort();
}

#[tokio::test]
async fn who_asks_without_reading_the_answers_is_not_heard_any_more() {
    let (_hub, _, reach) = hub(DoorLimits::default());
    let witness = reach.witness().await;
    let mut device = reach.device("d").await;
    assert_eq!(device.subscribe(&[ANSWERS]).await, 0);
    let large: Value = (0..8).map(|n| (n.to_string(), Value::from("x".repeat(3500)))).collect();
    device.publish(&FromDevice::ReportedPatch { rid: "0" }.to_string(), &large.to_string()).await;
    assert_eq!(device.message().await.topic, "$iothub/twin/res/204/?$rid=0&$version=2");
    let mut request = bytes::BytesMut::new();
    let topic = FromDevice::TwinGet { rid: "1" }.to_string();
    let ask = rumqttc::mqttbytes::v4::Publish::new(topic, rumqttc::QoS::AtMostOnce, vec![b' '; 1000]);
    Packet::Publish(ask).write(&mut request, usize::MAX).unwrap();
    // More than the sockets hold, and the answers were more than a gigabyte, were they kept.
    let flood = request.repeat(50_000);
    let written = device.write_until_it_stops_reading(&flood).await;
    assert!(written < flood.len(), "the hub reads on and on");
    reach.is_undisturbed().await;
    witness.abort();
}

#[tokio::test]
async fn packets_that_no_device_may_send_close_its_connection() {
    let (_hub, _, reach) = hub(DoorLimits::default());
    let witness = reach.witness().await;
    let mut twice = reach.device("d").await;
    twice.send(&Packet::Connect(Connect::new("d"))).await;
    twice.closed().await;
    for bytes in [
        // CONNACK, PUBLISH at QoS 2, PUBLISH at QoS 3, SUBSCRIBE with wrong flags and without a filter, no packet at all.
        &b"\x20\x02\x00\x00"[..],
        b"\x34\x09\x00\x05a/b/c\x00\x01",
        b"\x36\x09\x00\x05a/b/c\x00\x01",
        b"\x80\x06\x00\x01\x00\x01a\x00",
        b"\x82\x02\x00\x01",
        b"\xf0\x00",
        b"\x00\x00",
        // A length of five bytes, and a topic that is longer than its packet.
        b"\x30\xff\xff\xff\xff\x01",
        b"\x30\x03\xff\xff\x00",
        // A topic that is not UTF-8, and one of nobody.
        b"\x30\x04\x00\x02\xff\xfe",
        b"\x30\x03\x00\x01a",
    ] {
        let mut device = reach.device("d").await;
        device.write(bytes).await.unwrap();
        device.closed().await;
    }
    reach.is_undisturbed().await;
    witness.abort();
}

#[tokio::test]
async fn half_a_packet_and_then_silence_ends_with_the_keep_alive() {
    let (_hub, _, reach) = hub(DoorLimits::default());
    let Packet::Connect(hello) = reach.hello("d", reach.token("/devices/d", 60, None, &reach.derived("d"))) else {
        unreachable!()
    };
    let mut device = Client::open(reach.mqtt).await;
    let hello = Packet::Connect(Connect { keep_alive: 1, ..hello });
    assert_eq!(device.connect(hello).await, Some(rumqttc::ConnectReturnCode::Success));
    device.write(b"\x30\x80\x10\x00\x05half").await.unwrap();
    device.closed().await;
}
