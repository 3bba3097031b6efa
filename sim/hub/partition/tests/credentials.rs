//! What a device proves itself by, and what opens no door.

use super::*;

#[test]
fn a_registered_device_proves_either_of_its_keys_and_no_other() {
    let mut bench = Bench::new();
    let keys = (Key::from_bytes([5; 32]), Key::from_bytes([6; 32]));
    let new =
        Registration { credentials: Credentials::keys(keys.0.clone(), keys.1.clone()), ..Registration::default() };
    bench.partition.create(bench.now, "d", new.clone()).unwrap();
    for (key, code) in [
        (keys.0.clone(), ConnectReturnCode::Success),
        (keys.1, ConnectReturnCode::Success),
        (bench.derived("d"), ConnectReturnCode::NotAuthorized),
    ] {
        let connect = bench.login("d", &key, 60);
        assert_eq!(bench.connect_with(1, &connect).0, code);
    }
}

#[test]
fn a_policy_that_may_connects_as_any_registered_device() {
    let mut bench = Bench::new();
    bench.partition.create(bench.now, "d", Registration::default()).unwrap();
    let mut code = |policy: &str, resource: &str, id: &str, forged: bool| {
        let known = bench.partition.identity.policy(policy).cloned().unwrap();
        let key = if forged { Key::from_bytes([9; 32]) } else { known.secondary };
        let expires = bench.partition.wall.at(bench.now) + SECOND;
        let mut connect = bench.login(id, &key, 60);
        connect.login.as_mut().unwrap().password = SasToken::sign(resource, expires, Some(policy), &key);
        bench.connect_with(1, &connect).0
    };
    for resource in ["h", "h/devices", "h/devices/d"] {
        assert_eq!(code("device", resource, "d", false), ConnectReturnCode::Success, "{resource}");
        assert_eq!(code("iothubowner", resource, "d", false), ConnectReturnCode::Success);
        assert_eq!(code("service", resource, "d", false), ConnectReturnCode::NotAuthorized);
        assert_eq!(code("device", resource, "d", true), ConnectReturnCode::NotAuthorized);
    }
    assert_eq!(code("device", "h/devices/e", "d", false), ConnectReturnCode::NotAuthorized);
    assert_eq!(code("device", "h", "stranger", false), ConnectReturnCode::NotAuthorized, "enrolment takes its own key");
}

#[test]
fn a_disabled_device_is_cut_off_and_comes_back_when_it_is_enabled_again() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    let write = |bench: &mut Bench, enabled| {
        let new = Registration { enabled, ..Registration::default() };
        bench.partition.update(bench.now, "d", new, &Precondition::Any).unwrap();
        bench.drain();
    };
    write(&mut bench, false);
    assert_eq!(bench.closed, [1], "it is disconnected");
    assert_eq!(bench.connect(2, "d").0, ConnectReturnCode::NotAuthorized);
    bench.invoke("d", 5, 5);
    assert_eq!(bench.refused(), [(ErrorCode::DeviceDisabled, None)]);
    assert_eq!(bench.partition.counts().disabled, 1);
    write(&mut bench, true);
    assert_eq!(bench.connect(3, "d"), (ConnectReturnCode::Success, true), "with its session");
}

/// A bench that knows the device `d` with `own` credentials.
fn bench_with(own: OwnCredentials) -> Bench {
    let mut bench = Bench::new();
    let credentials = Credentials::Own(Box::new(own));
    bench.partition.create(bench.now, "d", Registration { credentials, ..Registration::default() }).unwrap();
    bench
}

/// What `d` is answered without a password.
fn code(bench: &mut Bench, id: &str, certificate: Option<&DeviceCertificate>) -> ConnectReturnCode {
    let mut connect = bench.login(id, &bench.derived(id), 60);
    connect.login.as_mut().unwrap().password.clear();
    bench.connect_as(1, &connect, certificate).0
}

#[test]
fn a_thumbprint_opens_to_its_certificate_and_to_no_token() {
    let sha1 = Thumbprint::parse("A9993E364706816ABA3E25717850C26C9CD0D89D");
    let certificate = DeviceCertificate::new(b"abc", false);
    let mut bench = bench_with(OwnCredentials::Thumbprints(None, sha1));
    assert_eq!(code(&mut bench, "d", Some(&certificate)), ConnectReturnCode::Success);
    assert_eq!(code(&mut bench, "d", Some(&DeviceCertificate::new(b"abd", true))), ConnectReturnCode::NotAuthorized);
    assert_eq!(code(&mut bench, "d", None), ConnectReturnCode::NotAuthorized);
    assert_eq!(code(&mut bench, "stranger", Some(&certificate)), ConnectReturnCode::NotAuthorized);

    let policy = bench.partition.identity.policy("device").cloned().unwrap();
    let expires = bench.partition.wall.at(bench.now) + SECOND;
    let mut connect = bench.login("d", &bench.derived("d"), 60);
    assert_eq!(bench.connect_as(1, &connect, Some(&certificate)).0, ConnectReturnCode::NotAuthorized, "a SAS token");
    connect.login.as_mut().unwrap().password = SasToken::sign("h", expires, Some("device"), &policy.primary);
    assert_eq!(bench.connect_as(1, &connect, None).0, ConnectReturnCode::NotAuthorized, "not a policy's either");

    bench.partition.create(bench.now, "sas", Registration::default()).unwrap();
    assert_eq!(code(&mut bench, "sas", Some(&certificate)), ConnectReturnCode::NotAuthorized, "the other way round");

    let document = bench.partition.identity("d").unwrap();
    assert_eq!(document["authentication"]["type"], "selfSigned");
    assert_eq!(document["authentication"]["symmetricKey"], json!({"primaryKey": null, "secondaryKey": null}));
    let prints = json!({"primaryThumbprint": null, "secondaryThumbprint": "A9993E364706816ABA3E25717850C26C9CD0D89D"});
    assert_eq!(document["authentication"]["x509Thumbprint"], prints);
    let twin: Value = serde_json::from_str(&bench.partition.twin("d").unwrap()).unwrap();
    let prints = json!({"PrimaryThumbprint": null, "SecondaryThumbprint": "A9993E364706816ABA3E25717850C26C9CD0D89D"});
    assert_eq!((&twin["authenticationType"], &twin["x509Thumbprint"]), (&json!("selfSigned"), &prints));
}

#[test]
fn who_has_nothing_to_prove_himself_by_does_not_connect() {
    let certificate = DeviceCertificate::new(b"abc", true);
    for own in [OwnCredentials::Authority, OwnCredentials::Nothing] {
        let mut bench = bench_with(own);
        assert_eq!(code(&mut bench, "d", Some(&certificate)), ConnectReturnCode::NotAuthorized, "not in its name");
        assert_eq!(bench.connect(1, "d").0, ConnectReturnCode::NotAuthorized, "a SAS token");
    }
}
