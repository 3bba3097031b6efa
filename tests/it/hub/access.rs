//! Who may connect, for how long, and what is left of him.

use twinstorm::dialect::azure::Key;

use super::*;

impl Bench {
    /// A device's options with this password.
    fn options(&self, id: &str, password: String) -> MqttOptions {
        let mut options = MqttOptions::new(id, "127.0.0.1", self.hub.mqtt_addr().unwrap().port());
        options.set_credentials(format!("{}/{id}/?api-version=2021-04-12", self.identity.host), password);
        options.set_clean_session(false);
        options
    }

    fn key_of(&self, id: &str) -> Key {
        self.identity.fleet_key.derive(id)
    }
}

fn client(options: MqttOptions) -> Device {
    let (client, events) = AsyncClient::new(options, 10);
    Device { client, events }
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let bench = Bench::start();
    let expires = Timestamp::now() + SignedDuration::from_secs(2);
    let resource = format!("{}/devices/d", bench.identity.host);
    let mut device = client(bench.options("d", SasToken::sign(&resource, expires, None, &bench.key_of("d"))));
    device.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
    device.end().await;
    let error = device.end().await;
    let refused = matches!(error, ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized));
    assert!(refused, "the token is of no use any more: {error}");
}

#[tokio::test]
async fn a_disabled_device_is_cut_off_refused_and_not_called() {
    let bench = Bench::start();
    let mut device = bench.online("d").await;
    let keys = json!({"primaryKey": bench.key_of("d").to_base64(), "secondaryKey": bench.key_of("d").to_base64()});
    let identity = |status: &str| json!({"status": status, "authentication": {"type": "sas", "symmetricKey": keys}});
    let any = [("if-match", "\"*\"")];
    assert_eq!(bench.plain("PUT", "/devices/d", &any, identity("disabled")).await.status, 200);
    device.end().await;
    let error = device.end().await;
    let refused = matches!(error, ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized));
    assert!(refused, "{error}");
    let called = rest::method_answer(&bench.request(rest::invoke_method("d", &Bench::call(30))).await);
    assert!(matches!(called, MethodAnswer::Hub { status: 403, code: Some(403_012), .. }), "{called:?}");
    assert_eq!(bench.plain("PUT", "/devices/d", &any, identity("enabled")).await.status, 200);
    device.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
}

#[tokio::test]
async fn a_policy_connects_as_registered_devices() {
    let bench = Bench::start();
    assert_eq!(bench.plain("PUT", "/devices/d", &[], json!({})).await.status, 200);
    let policy = |name: &str| bench.identity.policy(name).unwrap().clone();
    for (name, resource, welcome) in
        [("device", "", true), ("device", "/devices", true), ("service", "", false), ("device", "/devices/e", false)]
    {
        let token = bench.token(resource, Some(name), &policy(name).secondary);
        let mut device = client(bench.options("d", token));
        if welcome {
            device.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
        } else {
            let error = device.end().await;
            assert!(matches!(error, ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized)), "{error}");
        }
    }
}

#[tokio::test]
async fn a_session_goes_on_after_a_reconnect_without_a_subscribe() {
    let bench = Bench::start();
    let mut device = bench.online("d").await;
    device.subscribe(FromHub::METHOD_FILTER).await;
    device.subscribe(FromHub::DESIRED_FILTER).await;
    drop(device);

    let token = bench.token("/devices/d", None, &bench.key_of("d"));
    let mut device = client(bench.options("d", token));
    let session_present =
        device.until(|packet| if let Packet::ConnAck(ack) = packet { Some(ack.session_present) } else { None }).await;
    assert!(session_present);
    let patch = json!({"properties": {"desired": {"a": 1}}});
    assert_eq!(bench.plain("PATCH", "/twins/d", &[], patch).await.status, 200);
    assert_eq!(device.message().await.topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    let (answer, ()) = tokio::join!(bench.request(rest::invoke_method("d", &Bench::call(30))), async {
        let request = device.message().await;
        let Some(FromHub::Method { rid, .. }) = FromHub::parse(&request.topic) else { panic!("{}", request.topic) };
        device.publish(FromDevice::MethodResponse { status: 200, rid }, json!(null)).await;
        device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    });
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn telemetry_and_wills_are_in_the_file_once_the_hub_has_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telemetry.ndjson");
    let bench = Bench::with(HubConfig { workers: 2, telemetry: Some(path.clone()), ..HubConfig::default() });
    let token = bench.token("/devices/d", None, &bench.key_of("d"));
    let mut options = bench.options("d", token);
    options.set_last_will(rumqttc::LastWill::new("devices/d/messages/events/", "gone", QoS::AtLeastOnce, false));
    let mut device = client(options);
    let topic = "devices/d/messages/events/%24.ct=application%2Fjson&level=a%20b";
    device.client.publish(topic, QoS::AtLeastOnce, true, "{\"t\": 1}").await.unwrap();
    device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    drop(device);
    loop {
        let counted = bench.plain("GET", "/statistics/telemetry/d", &[], Value::Null).await;
        if serde_json::from_slice::<Value>(&counted.body).unwrap() == json!({"messageCount": 2}) {
            break;
        }
    }
    bench.hub.stop();

    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [message, will] = lines.as_slice() else { panic!("{text}") };
    assert_eq!(message["properties"], json!({"level": "a b", "mqtt-retain": "true"}));
    assert_eq!(message["systemProperties"]["content-type"], "application/json");
    assert_eq!((&message["deviceId"], &message["body"]), (&json!("d"), &json!({"t": 1})));
    assert_eq!((&will["properties"], &will["body"]), (&json!({"iothub-MessageType": "Will"}), &json!("gone")));
}
