//! Identities.

use super::*;

#[test]
fn the_registry_follows_the_rules_of_etags() {
    let mut bench = Bench::new();
    let (now, new) = (bench.now, Registration::default());
    bench.partition.create(now, "d", new.clone()).unwrap();
    let error = |result: Result<(), crate::hub::partition::Refusal>| result.unwrap_err().code;
    assert_eq!(error(bench.partition.create(now, "d", new.clone())), ErrorCode::DeviceAlreadyExists);
    assert_eq!(error(bench.partition.create(now, "a b", new.clone())), ErrorCode::ArgumentInvalid);
    assert_eq!(error(bench.partition.update(now, "e", new.clone(), &Precondition::Any)), ErrorCode::DeviceNotFound);
    let first = Precondition::Etag("AAAAAAAAAAE=".into());
    bench.partition.update(now, "d", Registration { enabled: false, ..new.clone() }, &first).unwrap();
    assert_eq!(error(bench.partition.update(now, "d", new, &first)), ErrorCode::PreconditionFailed);
    assert_eq!(bench.partition.counts().disabled, 1);
    assert_eq!(error(bench.partition.delete("d", &Precondition::Absent)), ErrorCode::PreconditionFailed);
    bench.partition.delete("d", &Precondition::Any).unwrap();
    assert_eq!(error(bench.partition.delete("d", &Precondition::Any)), ErrorCode::DeviceNotFound);
    assert_eq!(bench.partition.counts(), crate::hub::partition::Counts::default());
}

#[test]
fn deleting_a_device_closes_its_connection_and_forgets_its_twin() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    bench.partition.delete("d", &Precondition::Any).unwrap();
    bench.drain();
    assert_eq!((bench.closed.as_slice(), bench.partition.connected()), ([1].as_slice(), 0));
    assert_eq!(bench.query("SELECT * FROM devices", None, 9).0.len(), 0);
    assert_eq!(bench.connect(2, "d").0, ConnectReturnCode::NotAuthorized, "it cannot enrol itself again");
    bench.partition.create(bench.now, "d", Registration::default()).unwrap();
    assert_eq!(bench.connect(3, "d"), (ConnectReturnCode::Success, false));
    assert!(!bench.partition.twin("d").unwrap().contains("\"a\""));
}

#[test]
fn only_deleted_devices_that_could_enrol_themselves_are_remembered() {
    let mut bench = Bench::new();
    let key = |byte| Key::from_bytes([byte; 32]);
    for (id, keys, is_remembered) in [
        ("own", Credentials::keys(key(1), key(2)), false),
        ("derived", Credentials::Derived, true),
        ("named", Credentials::keys(bench.derived("named"), key(2)), true),
    ] {
        let new = Registration { credentials: keys, ..Registration::default() };
        bench.partition.create(bench.now, id, new).unwrap();
        bench.partition.delete(id, &Precondition::Any).unwrap();
        assert_eq!(bench.partition.deleted.contains(id), is_remembered, "{id}");
    }
}

#[test]
fn what_a_deleted_device_left_behind_never_reaches_the_device_that_takes_its_place() {
    let mut bench = Bench::new();
    bench.online(1, "old");
    let call = bench.invoke("old", 5, 0);
    bench.partition.delete("old", &Precondition::Any).unwrap();
    bench.drain();
    assert_eq!(bench.refused(), [(ErrorCode::DeviceNotFound, None)]);
    bench.online(2, "new");
    bench.partition.disconnected(bench.now, ConnectionId(1));
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    bench.publish(2, FromDevice::MethodResponse { status: 200, rid: &format!("{:x}", call.0) }, "{}");
    bench.pass(SECOND * 9);
    assert_eq!((bench.partition.connected(), bench.answers.len()), (1, 1));
    assert!(!bench.partition.twin("new").unwrap().contains("\"a\""));
    bench.invoke("new", 5, 0);
    assert_eq!(bench.answers.len(), 1, "delivered");
}

#[test]
fn an_edge_device_keeps_the_scope_it_was_given_and_a_device_below_has_it_for_a_parent() {
    let mut bench = Bench::new();
    let details =
        |is_edge, scope: Option<&str>| Details { is_edge, scope: scope.map(Into::into), ..Details::default() };
    let of = |details| Registration { details, ..Registration::default() };
    bench.partition.create(bench.now, "edge", of(details(true, Some("mine")))).unwrap();
    let edge = bench.partition.identity("edge").unwrap();
    let scope = edge["deviceScope"].as_str().unwrap().to_owned();
    assert!(scope.starts_with("ms-azure-iot-edge://edge-") && edge["capabilities"] == json!({"iotEdge": true}));
    bench.now = bench.now + SECOND;
    bench.partition.update(bench.now, "edge", of(details(true, None)), &Precondition::Any).unwrap();
    assert_eq!(bench.partition.identity("edge").unwrap()["deviceScope"], json!(scope));
    bench.partition.create(bench.now, "leaf", of(details(false, Some(&scope)))).unwrap();
    let twin: Value = serde_json::from_str(&bench.partition.twin("leaf").unwrap()).unwrap();
    assert_eq!((&twin["deviceScope"], &twin["parentScopes"]), (&json!(scope), &json!([scope])));
    bench.partition.create(bench.now, "plain", Registration::default()).unwrap();
    let twin: Value = serde_json::from_str(&bench.partition.twin("plain").unwrap()).unwrap();
    assert!(twin.get("deviceScope").is_none() && twin.get("parentScopes").is_none() && twin.get("modelId").is_none());
}

#[test]
fn a_device_s_model_is_the_one_it_named_last_and_no_write_of_its_identity_loses_it() {
    let mut bench = Bench::new();
    let model =
        |bench: &Bench| serde_json::from_str::<Value>(&bench.partition.twin("d").unwrap()).unwrap()["modelId"].take();
    for (query, expected) in [("model-id=dtmi:a;1&api-version=1", "dtmi:a;1"), ("api-version=1", "dtmi:a;1")] {
        let mut connect = bench.login("d", &bench.derived("d"), 60);
        connect.login.as_mut().unwrap().username = format!("h/d/?{query}");
        assert_eq!(bench.connect_with(1, &connect).0, ConnectReturnCode::Success);
        assert_eq!(model(&bench), json!(expected));
    }
    bench.partition.update(bench.now, "d", Registration::default(), &Precondition::Any).unwrap();
    assert_eq!(model(&bench), json!("dtmi:a;1"));
    assert_eq!(bench.query("SELECT modelId FROM devices WHERE modelId = 'dtmi:a;1'", None, 9).0.len(), 1);
}

#[test]
fn an_identity_costs_a_plain_device_no_more_than_before_modules_and_edges() {
    assert!(size_of::<crate::hub::partition::device::Identity>() <= 88);
}
