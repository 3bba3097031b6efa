//! Configurations, and what they do to twins.

use super::*;

async fn ask(bench: &Bench, method: &'static str, path: &str, etag: Option<&str>, body: Value) -> (u16, Value) {
    let headers: Vec<_> = etag.iter().map(|etag| ("if-match", *etag)).collect();
    let answer = bench.plain(method, path, &headers, body).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn configuration(priority: i64, condition: &str, interval: u64) -> Value {
    json!({
        "labels": {"by": "test"}, "priority": priority, "targetCondition": condition,
        "content": {"deviceContent": {"properties.desired.settings.interval": interval}},
        "metrics": {"queries": {"slow": "SELECT deviceId FROM devices WHERE properties.reported.slow = true"}},
    })
}

#[tokio::test]
async fn a_configuration_reaches_the_devices_that_it_targets_unless_another_ranks_above() {
    let bench = Bench::start();
    for n in 0..20 {
        let items = json!([{"id": format!("d{n}"), "tags": {"site": n % 2}}]);
        assert_eq!(ask(&bench, "POST", "/devices", None, items).await.0, 200);
    }
    let keys = ask(&bench, "GET", "/devices/d1", None, Value::Null).await.1;
    let key = Key::from_base64(keys["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap()).unwrap();
    let mut device = bench.device("d1", &key);
    device.subscribe(FromHub::DESIRED_FILTER).await;

    let (status, made) = ask(&bench, "PUT", "/configurations/odd", None, configuration(2, "tags.site = 1", 5)).await;
    let counts = json!({"targetedCount": 10, "appliedCount": 10});
    assert_eq!((status, &made["systemMetrics"]["results"]), (200, &counts), "{made}");
    let notified: Value = serde_json::from_slice(&device.message().await.payload).unwrap();
    assert_eq!(notified, json!({"settings": {"interval": 5}, "$version": 2}));
    let (_, all) = ask(&bench, "PUT", "/configurations/all", None, configuration(1, "*", 60)).await;
    assert_eq!(all["systemMetrics"]["results"], json!({"targetedCount": 20, "appliedCount": 10}));
    for (id, interval, version) in [("d1", 5, 2), ("d2", 60, 2)] {
        let twin = ask(&bench, "GET", &format!("/twins/{id}"), None, Value::Null).await.1;
        let desired = &twin["properties"]["desired"];
        assert_eq!((&desired["settings"]["interval"], &desired["$version"]), (&json!(interval), &json!(version)));
    }
    let changed = configuration(3, "deviceId IN ['d2']", 99);
    let (status, changed) = ask(&bench, "PUT", "/configurations/odd", Some("\"MQ==\""), changed).await;
    assert_eq!((status, &changed["systemMetrics"]["results"]["targetedCount"]), (200, &json!(1)));
    assert_eq!(changed["content"], made["content"], "content never changes");
    let twin = ask(&bench, "GET", "/twins/d2", None, Value::Null).await.1;
    assert_eq!(twin["properties"]["desired"]["settings"]["interval"], json!(5));
}

#[tokio::test]
async fn configurations_are_kept_under_their_etags_listed_and_deleted() {
    let bench = Bench::start();
    let body = configuration(0, "tags.a = 1", 1);
    assert_eq!(ask(&bench, "PUT", "/configurations/a", None, body.clone()).await.0, 200);
    assert_eq!(ask(&bench, "PUT", "/configurations/b", None, body.clone()).await.0, 200);
    for (method, path, etag, body, status, name) in [
        ("PUT", "/configurations/a", None, body.clone(), 409, "ConfigurationAlreadyExists"),
        ("PUT", "/configurations/c", Some("*"), body.clone(), 404, "ConfigurationNotFound"),
        ("PUT", "/configurations/a", Some("\"Mg==\""), body.clone(), 412, "PreconditionFailed"),
        ("PUT", "/configurations/X", None, body.clone(), 400, "ArgumentInvalid"),
        ("PUT", "/configurations/c", None, json!({}), 400, "InvalidConfigurationContent"),
        ("GET", "/configurations/c", None, Value::Null, 404, "ConfigurationNotFound"),
        ("DELETE", "/configurations/a", Some("\"Mg==\""), Value::Null, 412, "PreconditionFailed"),
    ] {
        let (answered, error) = ask(&bench, method, path, etag, body).await;
        let message = error["Message"].as_str().unwrap_or_default();
        assert!(answered == status && message.starts_with(&format!("ErrorCode:{name};")), "{method} {path}: {error}");
    }
    let (_, listed) = ask(&bench, "GET", "/configurations", None, Value::Null).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (2, &json!("a")));
    let request = Request { method: "GET", path: "/configurations?top=1".into(), headers: vec![], body: String::new() };
    let first: Value = serde_json::from_slice(&bench.request(request).await.body).unwrap();
    assert_eq!(first.as_array().unwrap().len(), 1);
    assert_eq!(ask(&bench, "DELETE", "/configurations/a", None, Value::Null).await.0, 204);
    let (status, tested) = ask(
        &bench,
        "POST",
        "/configurations/testQueries",
        None,
        json!({"targetCondition": "tags.a = ", "customMetricQueries": {"good": "SELECT * FROM devices", "bad": "SELECT"}}),
    )
    .await;
    assert!(status == 200 && tested["targetConditionError"].is_string(), "{tested}");
    assert_eq!(tested["customMetricQueryErrors"].as_object().unwrap().keys().collect::<Vec<_>>(), ["bad"]);
    let good = json!({"targetCondition": "tags.a = 1"});
    let (_, tested) = ask(&bench, "POST", "/configurations/testQueries", None, good).await;
    assert_eq!(tested, json!({"targetConditionError": null, "customMetricQueryErrors": {}}));
}

#[tokio::test]
async fn an_edge_device_gets_content_for_its_modules() {
    let bench = Bench::start();
    let edge = json!({"capabilities": {"iotEdge": true}});
    assert_eq!(ask(&bench, "PUT", "/devices/edge", None, edge).await.0, 200);
    assert_eq!(ask(&bench, "PUT", "/devices/leaf", None, json!({})).await.0, 200);
    let content = json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1"}}, "sensor": {"properties.desired.rate": 3},
    }});
    for (path, body, status) in [
        ("/devices/edge/applyConfigurationContent", content.clone(), 204),
        ("/devices/leaf/applyConfigurationContent", content.clone(), 400),
        ("/devices/none/applyConfigurationContent", content, 404),
        ("/devices/edge/applyConfigurationContent", json!({"modulesContent": {"a": {}}}), 400),
        ("/devices/edge/applyConfigurationContent", json!({"deviceContent": {"properties.desired.a": 1}}), 400),
    ] {
        assert_eq!(ask(&bench, "POST", path, None, body).await.0, status, "{path}");
    }
    let modules = ask(&bench, "GET", "/devices/edge/modules", None, Value::Null).await.1;
    let ids: Vec<&str> = modules.as_array().unwrap().iter().map(|it| it["moduleId"].as_str().unwrap()).collect();
    assert_eq!((ids, &modules[0]["managedBy"]), (vec!["$edgeAgent", "$edgeHub", "sensor"], &json!("iotEdge")));
    let twin = ask(&bench, "GET", "/twins/edge/modules/sensor", None, Value::Null).await.1;
    assert_eq!(twin["properties"]["desired"]["rate"], json!(3));
}
