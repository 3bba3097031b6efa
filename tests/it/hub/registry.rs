//! The rules of the identity registry (5).

use super::*;

async fn put(bench: &Bench, path: &str, condition: Option<&str>, body: Value) -> (u16, Value) {
    let headers: Vec<_> = condition.iter().map(|etag| ("if-match", *etag)).collect();
    let answer = bench.plain("PUT", path, &headers, body).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

fn keys(identity: &Value) -> Value {
    identity["authentication"]["symmetricKey"].clone()
}

#[tokio::test]
async fn a_put_creates_without_an_etag_and_updates_with_one() {
    let bench = Bench::start();
    let (status, created) = put(&bench, "/devices/d", None, json!({"deviceId": "d"})).await;
    assert_eq!((status, &created["status"], &created["etag"]), (200, &json!("enabled"), &json!("AAAAAAAAAAE=")));
    assert_eq!(put(&bench, "/devices/d", None, json!({"deviceId": "d"})).await.0, 409);
    assert_eq!(put(&bench, "/devices/e", Some("\"*\""), json!({"deviceId": "e"})).await.0, 404);
    let reason = json!({"deviceId": "d", "status": "disabled", "statusReason": "lost"});
    let (status, updated) = put(&bench, "/devices/d", Some("\"AAAAAAAAAAE=\""), reason.clone()).await;
    assert_eq!((status, &updated["status"], &updated["statusReason"]), (200, &json!("disabled"), &json!("lost")));
    assert_ne!(keys(&created), keys(&updated), "a full replace without authentication mints new keys");
    assert_eq!(put(&bench, "/devices/d", Some("AAAAAAAAAAE="), reason).await.0, 412);
    let same = json!({"deviceId": "d", "authentication": updated["authentication"]});
    let (status, kept) = put(&bench, "/devices/d", Some("*"), same).await;
    assert_eq!((status, keys(&kept)), (200, keys(&updated)));
}

#[tokio::test]
async fn an_identity_that_cannot_be_is_refused() {
    let bench = Bench::start();
    let key = Key::from_bytes([1; 32]).to_base64();
    for (path, body) in [
        ("/devices/d", json!({"deviceId": "e"})),
        ("/devices/d", json!({"deviceId": "d", "moduleId": "m"})),
        ("/devices/a%20b", json!({"deviceId": "a b"})),
        ("/devices/d", json!({"deviceId": "d", "status": "asleep"})),
        ("/devices/d", json!({"deviceId": "d", "statusReason": "x".repeat(129)})),
        ("/devices/d", json!({"authentication": {"symmetricKey": {"primaryKey": key}}})),
        ("/devices/d", json!({"authentication": {"symmetricKey": {"primaryKey": "c2hvcnQ=", "secondaryKey": key}}})),
        ("/devices/d", json!({"authentication": {"symmetricKey": {"primaryKey": "?", "secondaryKey": key}}})),
        ("/devices/d", json!([])),
    ] {
        let (status, error) = put(&bench, path, None, body.clone()).await;
        assert!(status == 400 && error["Message"].as_str().unwrap().contains("ArgumentInvalid"), "{body}: {error}");
    }
    assert_eq!(put(&bench, "/devices/d", None, json!({"statusReason": "ä".repeat(128)})).await.0, 200);
    for (top, status) in [("top=1", 200), ("top=1000", 200), ("top=0", 400), ("top=1001", 400), ("top=x", 400)] {
        let request = Request { method: "GET", path: format!("/devices?{top}"), headers: vec![], body: String::new() };
        assert_eq!(bench.request(request).await.status, status, "{top}; and no api-version is needed");
    }
}

#[tokio::test]
async fn requests_as_the_node_sdk_writes_them_are_understood() {
    let bench = Bench::start();
    assert_eq!(bench.plain("GET", "/devices/", &[], Value::Null).await.status, 200);
    for (mode, status) in [("create", 200), ("Update", 200), ("Delete", 200), ("DELETE", 400)] {
        let answer = bench.plain("POST", "/devices/", &[], json!([{"id": "d", "importMode": mode}])).await;
        assert_eq!(answer.status, status, "{mode}");
    }
}

#[tokio::test]
async fn every_import_mode_does_its_work_and_reports_each_error() {
    let bench = Bench::start();
    let bulk = async |items: Value| {
        let answer = bench.plain("POST", "/devices", &[], items).await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let codes: Vec<u64> = errors.iter().map(|error| error["errorCode"].as_u64().unwrap()).collect();
        assert_eq!(body["isSuccessful"].as_bool().unwrap_or_default(), answer.status == 200);
        (answer.status, codes, errors)
    };
    let twin = json!({"desired": {"a": 1}});
    let (status, codes, _) = bulk(json!([
        {"id": "d", "importMode": "create", "status": "disabled", "tags": {"t": 1}, "properties": twin},
        {"id": "e", "importMode": "create", "capabilities": {"iotEdge": true}},
        {"id": "e", "moduleId": "m", "importMode": "create", "properties": twin},
    ]))
    .await;
    assert_eq!((status, codes), (200, vec![]));
    let (status, codes, errors) = bulk(json!([
        {"id": "d", "importMode": "update", "status": "enabled"},
        {"id": "e", "moduleId": "m", "importMode": "create"},
        {"id": "e", "moduleId": "m", "importMode": "delete"},
        {"id": "e", "moduleId": "n", "importMode": "update"},
        {"id": "x", "importMode": "updateTwin", "tags": {}},
        {"id": "e/m", "importMode": "delete"},
        {"id": "e", "importMode": "updateIfMatchETag", "eTag": "AAAAAAAAAAI="},
    ]))
    .await;
    assert_eq!((status, codes), (400, vec![409_301, 400_011, 404_010, 404_001, 400_004, 412_001]));
    let (of, operation) = (json!(["e", "n"]), json!("update"));
    assert_eq!((json!([errors[2]["deviceId"], errors[2]["moduleId"]]), &errors[2]["operation"]), (of, &operation));
    let (status, codes, _) = bulk(json!([
        {"id": "d", "importMode": "updateTwinIfMatchETag", "twinETag": "AAAAAAAAAAI=", "tags": {"t": null, "u": 2}},
        {"id": "e", "moduleId": "m", "importMode": "updateTwin", "properties": {"desired": {"b": 2}}},
        {"id": "e", "importMode": "updateIfMatchETag", "eTag": "AAAAAAAAAAE="},
    ]))
    .await;
    assert_eq!((status, codes), (200, vec![]));
    for (path, pointer, expected) in [
        ("/twins/d", "/tags", json!({"u": 2})),
        ("/twins/d", "/properties/desired/a", json!(1)),
        ("/twins/e/modules/m", "/properties/desired/b", json!(2)),
        ("/devices/e", "/capabilities/iotEdge", json!(false)),
    ] {
        let document = bench.plain("GET", path, &[], Value::Null).await;
        let document: Value = serde_json::from_slice(&document.body).unwrap();
        assert_eq!(document.pointer(pointer), Some(&expected), "{path}: {document}");
    }
    let (status, codes, errors) = bulk(json!([
        {"id": "f"},
        {"id": "g", "importMode": "createOrUpdate"},
        {"id": "h", "status": 1},
        7,
        {"id": "i", "properties": {"desired": {"a": 12_345_678_901_234_567_890_u64}}},
    ]))
    .await;
    assert_eq!((status, codes.len()), (400, 4));
    let of: Vec<_> = errors.iter().map(|error| (error["deviceId"].as_str(), error["operation"].as_str())).collect();
    let create = Some("create");
    assert_eq!(of, [(Some("g"), Some("createOrUpdate")), (Some("h"), create), (None, create), (Some("i"), create)]);
    assert_eq!(bench.plain("GET", "/devices/f", &[], Value::Null).await.status, 200, "the others are done");
    let (status, codes, _) = bulk(json!([
        {"id": "d", "importMode": "deleteIfMatchETag", "eTag": "AAAAAAAAAAI="},
        {"id": "e", "importMode": "delete"},
    ]))
    .await;
    assert_eq!((status, codes), (200, vec![]));
    assert_eq!(bench.plain("GET", "/twins/e/modules/m", &[], Value::Null).await.status, 404);
    let many: Vec<Value> = (0..101).map(|n| json!({"id": format!("d{n}")})).collect();
    assert_eq!(bench.plain("POST", "/devices", &[], json!(many)).await.status, 413);
}

#[tokio::test]
async fn the_messages_of_a_device_are_purged() {
    let bench = Bench::start();
    assert_eq!(bench.plain("DELETE", "/devices/d/commands", &[], Value::Null).await.status, 404);
    put(&bench, "/devices/d", None, json!({})).await;
    let purged = bench.plain("DELETE", "/devices/d/commands", &[], Value::Null).await;
    let expected = json!({"deviceId": "d", "moduleId": null, "totalMessagesPurged": 0});
    assert_eq!((purged.status, serde_json::from_slice::<Value>(&purged.body).unwrap()), (200, expected));
}
