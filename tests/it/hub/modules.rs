//! Modules over REST and MQTT.

use super::*;

#[tokio::test]
async fn a_module_is_created_read_changed_called_and_deleted() {
    let bench = Bench::start();
    assert_eq!(bench.plain("PUT", "/devices/d", &[], json!({"deviceId": "d"})).await.status, 200);
    let body = json!({"deviceId": "d", "moduleId": "m", "managedBy": "me"});
    let created = bench.plain("PUT", "/devices/d/modules/m", &[], body.clone()).await;
    let module: Value = serde_json::from_slice(&created.body).unwrap();
    assert_eq!((created.status, &module["moduleId"], &module["managedBy"]), (200, &json!("m"), &json!("me")));
    assert_eq!((&module["status"], &module["deviceId"]), (&Value::Null, &json!("d")));

    let again = bench.plain("PUT", "/devices/d/modules/m", &[], body).await;
    let error: Value = serde_json::from_slice(&again.body).unwrap();
    assert_eq!((again.status, &error["errorCode"]), (409, &json!(409_301)), "flat, unlike a device's error");
    let listed = bench.plain("GET", "/devices/d/modules", &[], Value::Null).await;
    assert_eq!(serde_json::from_slice::<Value>(&listed.body).unwrap(), json!([module]));

    let key = module["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    let mut options = MqttOptions::new("d/m", "127.0.0.1", bench.hub.mqtt_addr().unwrap().port());
    let token = bench.token("/devices/d/modules/m", None, &Key::from_base64(key).unwrap());
    options.set_credentials(format!("{}/d/m/?api-version=2021-04-12", bench.identity.host), token);
    let (client, events) = AsyncClient::new(options, 10);
    let mut online = Device { client, events };
    online.subscribe(FromHub::METHOD_FILTER).await;
    online.subscribe(FromHub::DESIRED_FILTER).await;
    online.subscribe("devices/d/modules/m/inputs/#").await;

    let patch = json!({"tags": {"t": 1}, "properties": {"desired": {"a": {"b": null}}}});
    let patched = bench.plain("PATCH", "/twins/d/modules/m", &[("if-match", "\"*\"")], patch).await;
    let twin: Value = serde_json::from_slice(&patched.body).unwrap();
    assert_eq!((patched.status, &twin["moduleId"], &twin["tags"]["t"]), (200, &json!("m"), &json!(1)));
    assert_eq!(online.message().await.payload, json!({"a": {"b": null}, "$version": 2}).to_string());
    let replaced = bench.plain("PUT", "/twins/d/modules/m", &[], json!({"tags": {}})).await;
    assert_eq!(replaced.status, 200);
    assert_eq!(online.message().await.payload, json!({"$version": 3}).to_string());

    let body = json!({"methodName": "reset", "payload": {}, "responseTimeoutInSeconds": 30});
    let (answer, ()) = tokio::join!(bench.plain("POST", "/twins/d/modules/m/methods", &[], body), async {
        let request = online.message().await;
        let Some(FromHub::Method { rid, .. }) = FromHub::parse(&request.topic) else { panic!("{}", request.topic) };
        online.publish(FromDevice::MethodResponse { status: 201, rid }, json!("done")).await;
        online.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    });
    assert_eq!((answer.status, &*answer.body), (200, &br#"{"status":201,"payload":"done"}"#[..]));

    let gone = [("if-match", "\"*\"")];
    assert_eq!(bench.plain("DELETE", "/devices/d/modules/m", &[], Value::Null).await.status, 412);
    assert_eq!(bench.plain("DELETE", "/devices/d/modules/m", &gone, Value::Null).await.status, 204);
    online.end().await;
    for (path, status, code) in [
        ("/devices/d/modules/m", 404, "404010"),
        ("/twins/d/modules/m", 404, "DeviceNotFound"),
        ("/devices/e/modules/m", 401, "401002"),
        ("/devices/d%2Fm", 400, "ArgumentInvalid"),
    ] {
        let answer = bench.plain("GET", path, &[], Value::Null).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == status && text.contains(code), "{path}: {text}");
    }
}
