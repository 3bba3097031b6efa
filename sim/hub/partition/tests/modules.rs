//! Modules: their identities, twins, methods and sessions.

use super::*;

/// A device `d` with the module `m` under `key`.
fn with_module(key: &Key) -> Bench {
    let mut bench = Bench::new();
    bench.partition.create(bench.now, "d", Registration::default()).unwrap();
    let new = registration(key);
    bench.partition.put_module(bench.now, "d", "m", new, &Precondition::Absent).unwrap();
    bench
}

fn registration(key: &Key) -> Registration {
    Registration { credentials: Credentials::keys(key.clone(), key.clone()), ..Registration::default() }
}

fn login(bench: &Bench, key: &Key) -> Connect {
    let mut connect = bench.login("d", key, 3600);
    connect.client_id = "d/m".into();
    let expires = Timestamp::from_second(bench.partition.wall.at(bench.now).as_second() + 3600).unwrap();
    connect.set_login("h/d/m/?api-version=2021-04-12", SasToken::sign("h/devices/d/modules/m", expires, None, key));
    connect
}

fn codes(result: Result<(), crate::hub::partition::Refusal>) -> ErrorCode {
    result.unwrap_err().code
}

#[test]
fn modules_follow_the_rules_of_the_registry_under_codes_of_their_own() {
    let key = Key::from_bytes([5; 32]);
    let mut bench = with_module(&key);
    let now = bench.now;
    let mut put = |device: &str, module: &str, condition: &Precondition| {
        bench.partition.put_module(now, device, module, registration(&key), condition)
    };
    let absent = Precondition::Absent;
    assert_eq!(codes(put("d", "m", &absent)), ErrorCode::ModuleAlreadyExistsOnDevice);
    assert_eq!(codes(put("d", "$m", &absent)), ErrorCode::ArgumentInvalid);
    assert_eq!(codes(put("d", "a b", &absent)), ErrorCode::ArgumentInvalid);
    assert_eq!(codes(put("d", "n", &Precondition::Any)), ErrorCode::ModuleNotFound);
    assert_eq!(codes(put("e", "m", &absent)), ErrorCode::IotHubUnauthorizedAccess);
    put("d", "m", &Precondition::Etag("AAAAAAAAAAE=".into())).unwrap();
    assert_eq!(codes(put("d", "m", &Precondition::Etag("AAAAAAAAAAE=".into()))), ErrorCode::PreconditionFailed);
    for n in 1..50 {
        put("d", &format!("m{n}"), &absent).unwrap();
    }
    assert_eq!(codes(put("d", "m50", &absent)), ErrorCode::TooManyModulesOnDevice);
    assert_eq!(bench.partition.modules("d").unwrap().as_array().unwrap().len(), 50);
    assert_eq!(codes(bench.partition.delete_module("d", "m", &absent)), ErrorCode::PreconditionFailed);
    bench.partition.delete_module("d", "m", &Precondition::Any).unwrap();
    assert_eq!(codes(bench.partition.delete_module("d", "m", &Precondition::Any)), ErrorCode::ModuleNotFound);
    assert_eq!(bench.partition.twin("d/m").unwrap_err().code, ErrorCode::DeviceNotFound);
}

#[test]
fn a_module_is_no_device_to_lists_counts_and_queries() {
    let mut bench = with_module(&Key::from_bytes([5; 32]));
    assert_eq!(bench.connect_with(1, &login(&bench, &Key::from_bytes([5; 32]))).0, ConnectReturnCode::Success);
    let counts = bench.partition.counts();
    assert_eq!((counts.total, counts.disabled, counts.connected), (1, 0, 0));
    assert_eq!(bench.partition.identities(9).len(), 1);
    for text in ["SELECT * FROM devices", "SELECT * FROM devices WHERE deviceId IN ['d', 'd/m']"] {
        let (rows, _) = bench.query(text, None, 9);
        assert_eq!((rows.len(), &rows[0]["deviceId"]), (1, &json!("d")), "{text}");
    }
    let twin: Value = serde_json::from_str(&bench.partition.twin("d/m").unwrap()).unwrap();
    assert_eq!((&twin["deviceId"], &twin["moduleId"]), (&json!("d"), &json!("m")));
    assert_eq!(twin["connectionState"], "Connected");
}

#[test]
fn a_module_connects_with_its_own_key_and_the_ids_of_both() {
    let key = Key::from_bytes([5; 32]);
    let mut bench = with_module(&key);
    let derived = bench.derived("d");
    let wrong_client = Connect { client_id: "d".into(), ..login(&bench, &key) };
    let mut of_device = bench.login("d", &key, 60);
    of_device.client_id = "d/m".into();
    for (n, connect, code) in [
        (1, login(&bench, &derived), ConnectReturnCode::NotAuthorized),
        (2, wrong_client, ConnectReturnCode::BadClientId),
        (3, of_device, ConnectReturnCode::BadClientId),
        (4, login(&bench, &key), ConnectReturnCode::Success),
    ] {
        assert_eq!(bench.connect_with(n, &connect).0, code, "{n}");
    }
    bench.partition.delete_module("d", "m", &Precondition::Any).unwrap();
    let own_derived = bench.derived("d/m");
    let connect = login(&bench, &own_derived);
    assert_eq!(bench.connect_with(5, &connect).0, ConnectReturnCode::NotAuthorized, "no module enrols itself");
}

#[test]
fn a_module_has_twin_methods_and_telemetry_as_a_device_has() {
    let key = Key::from_bytes([5; 32]);
    let mut bench = with_module(&key);
    let connect = login(&bench, &key);
    bench.connect_with(1, &connect);
    let filters = [FromHub::METHOD_FILTER, FromHub::TWIN_RESPONSE_FILTER, FromHub::DESIRED_FILTER];
    bench.subscribe(1, &filters);
    bench.sent.clear();
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    let desired = TwinPatch::parse(br#"{"properties":{"desired":{"b":2}}}"#).unwrap();
    let twin = bench.partition.patch_twin(bench.now, "d/m", &desired, &Precondition::Any).unwrap();
    assert!(twin.contains(r#""a":1"#) && !bench.partition.twin("d").unwrap().contains(r#""a":1"#));
    bench.invoke("d/m", 5, 0);
    let topics: Vec<String> = bench.published().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(
        topics,
        [
            "$iothub/twin/res/204/?$rid=1&$version=2",
            "$iothub/twin/PATCH/properties/desired/?$version=2",
            "$iothub/methods/POST/firmwareUpdate/?$rid=1",
        ]
    );
    bench.publish(1, FromDevice::MethodResponse { status: 200, rid: "1" }, "{}");
    assert!(bench.answers[0].1.is_ok());
    bench.publish(1, FromDevice::Telemetry { device: "d", module: Some("m"), properties: "%24.on=out" }, "x");
    assert_eq!((bench.partition.counters().telemetry, bench.closed.len()), (1, 0));
    bench.publish(1, FromDevice::Telemetry { device: "d", module: None, properties: "" }, "x");
    assert_eq!(bench.closed, [1], "it speaks for itself alone");
}

#[test]
fn what_happens_to_a_device_happens_to_its_modules() {
    let key = Key::from_bytes([5; 32]);
    let mut bench = with_module(&key);
    bench.partition.create(bench.now, "d0", Registration::default()).unwrap();
    bench.partition.put_module(bench.now, "d0", "m", registration(&key), &Precondition::Absent).unwrap();
    let connect = login(&bench, &key);
    bench.connect_with(1, &connect);
    let disabled = Registration { enabled: false, ..Registration::default() };
    bench.partition.update(bench.now, "d", disabled, &Precondition::Any).unwrap();
    bench.drain();
    assert_eq!(bench.closed, [1]);
    assert_eq!(bench.connect_with(2, &connect).0, ConnectReturnCode::NotAuthorized);
    assert_eq!(bench.partition.module("d", "m").unwrap_err().code, ErrorCode::IotHubUnauthorizedAccess);
    assert!(bench.partition.twin("d/m").is_ok(), "its twin is there all the same");
    bench.partition.delete("d", &Precondition::Any).unwrap();
    assert_eq!(bench.partition.twin("d/m").unwrap_err().code, ErrorCode::DeviceNotFound);
    assert!(bench.partition.twin("d0/m").is_ok(), "another device's module stays");
    assert_eq!((bench.partition.counts().total, bench.partition.counts().disabled), (1, 0));
}
