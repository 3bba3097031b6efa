//! Digital twins and their commands; and the calls that have nothing to give here.

use super::*;

#[tokio::test]
async fn a_digital_twin_is_read_patched_and_commanded() {
    let bench = Bench::start();
    let mut device = bench.online("d").await;
    device.subscribe(FromHub::METHOD_FILTER).await;
    let reported = json!({"thermostat": {"__t": "c", "max": 30}});
    device.publish(FromDevice::ReportedPatch { rid: "1" }, reported).await;
    device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;

    let token = bench.token("", Some("iothubowner"), &bench.identity.owner().primary);
    let send = async |method, path: &str, headers, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (headers, response) = bench.send(&token, Request { method, path: path.into(), headers, body }).await;
        (response.status, headers, serde_json::from_slice::<Value>(&response.body).unwrap_or_default())
    };
    let step = json!([{"op": "add", "path": "/thermostat/target", "value": 21}]);
    let (status, headers, _) = send("PATCH", "/digitaltwins/d", vec![("if-match", "*".into())], step.clone()).await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (202, "\"AAAAAAAAAAI=\""));
    assert_eq!(headers["location"], "/digitaltwins/d");
    let stale = vec![("if-match", "\"AAAAAAAAAAE=\"".to_owned())];
    assert_eq!(send("PATCH", "/digitaltwins/d", stale, step).await.0, 412);
    assert_eq!(send("PATCH", "/digitaltwins/d", vec![], json!({})).await.0, 400);
    let (status, headers, twin) = send("GET", "/digitaltwins/d", vec![], Value::Null).await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (200, "\"AAAAAAAAAAI=\""));
    assert_eq!(
        (&twin["$dtId"], &twin["$metadata"]["$model"], &twin["thermostat"]["max"]),
        (&json!("d"), &json!(""), &json!(30))
    );
    assert_eq!(twin["thermostat"]["$metadata"]["target"]["desiredValue"], json!(21));

    for (path, name, payload) in [
        ("/digitaltwins/d/commands/reboot?responseTimeoutInSeconds=30", "reboot", json!(5)),
        ("/digitaltwins/d/components/thermostat/commands/get", "thermostat*get", Value::Null),
    ] {
        let (answer, ()) = tokio::join!(send("POST", path, vec![], payload.clone()), async {
            let request = device.message().await;
            let Some(FromHub::Method { name: called, rid }) = FromHub::parse(&request.topic) else { panic!() };
            assert_eq!(called, name);
            assert_eq!(request.payload, if payload.is_null() { String::new() } else { payload.to_string() });
            device.publish(FromDevice::MethodResponse { status: 207, rid }, json!({"ok": true})).await;
            device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
        });
        assert_eq!((answer.0, answer.2), (200, json!({"ok": true})));
        assert_eq!(answer.1["x-ms-command-statuscode"], "207");
        assert!(answer.1.contains_key("x-ms-request-id"));
    }
    for (path, status) in [
        ("/digitaltwins/e/commands/reboot", 404),
        ("/digitaltwins/d/commands/reboot?responseTimeoutInSeconds=4", 400),
        ("/digitaltwins/d/commands/reboot?connectTimeoutInSeconds=x", 400),
    ] {
        assert_eq!(send("POST", path, vec![], Value::Null).await.0, status, "{path}");
    }
    assert_eq!(send("GET", "/digitaltwins/e", vec![], Value::Null).await.0, 404);
}

#[tokio::test]
async fn what_an_embedded_hub_has_not_is_answered_all_the_same() {
    let bench = Bench::start();
    for (method, path, status, text) in [
        ("GET", "/messages/serviceBound/feedback", 204, ""),
        ("DELETE", "/messages/serviceBound/feedback/t", 412, "DeviceMessageLockLost"),
        ("POST", "/messages/serviceBound/feedback/t/abandon", 412, "DeviceMessageLockLost"),
        ("GET", "/jobs", 200, "[]"),
        ("POST", "/jobs/create", 400, "BlobContainerValidationError"),
        ("GET", "/jobs/j", 404, "JobNotFound"),
        ("DELETE", "/jobs/j", 404, "JobNotFound"),
    ] {
        let answer = bench.plain(method, path, &[], Value::Null).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == status && body.contains(text), "{method} {path}: {} {body}", answer.status);
    }
}
