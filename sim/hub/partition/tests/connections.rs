//! Who is connected, and with which session.

use super::*;

#[test]
fn connects_are_answered_with_the_right_code() {
    let mut bench = Bench::new();
    let good = |bench: &Bench| bench.login("d", &bench.derived("d"), 60);
    let wrong = Key::from_bytes([9; 32]);
    let change = |bench: &Bench, change: &dyn Fn(&mut Connect)| {
        let mut connect = good(bench);
        change(&mut connect);
        connect
    };
    let username = |connect: &mut Connect, text: &str| connect.login.as_mut().unwrap().username = text.to_owned();
    let password = |connect: &mut Connect, text: &str| connect.login.as_mut().unwrap().password = text.to_owned();
    let cases = [
        (change(&bench, &|connect| connect.login = None), ConnectReturnCode::BadUserNamePassword),
        (change(&bench, &|connect| username(connect, "d")), ConnectReturnCode::BadUserNamePassword),
        (change(&bench, &|connect| connect.client_id = "e".into()), ConnectReturnCode::BadClientId),
        (change(&bench, &|connect| username(connect, "h/d/m/?a=b")), ConnectReturnCode::BadClientId),
        (change(&bench, &|connect| password(connect, "")), ConnectReturnCode::NotAuthorized),
        (bench.login("d", &wrong, 60), ConnectReturnCode::NotAuthorized),
        (bench.login("d", &bench.derived("d"), 0), ConnectReturnCode::NotAuthorized),
        (bench.login("d", &bench.derived("e"), 60), ConnectReturnCode::NotAuthorized),
        (good(&bench), ConnectReturnCode::Success),
    ];
    for (n, (connect, code)) in (0..).zip(cases) {
        assert_eq!(bench.connect_with(n, &connect).0, code, "case {n}");
        assert_eq!(bench.closed.contains(&n), code != ConnectReturnCode::Success);
    }
    assert_eq!((bench.partition.counts().total, bench.partition.counts().connected), (1, 1));
}

#[test]
fn a_registered_device_proves_either_of_its_keys_and_no_other() {
    let mut bench = Bench::new();
    let keys = (Key::from_bytes([5; 32]), Key::from_bytes([6; 32]));
    let new = Registration { keys: Keys::Own(Box::new(keys.clone())), ..Registration::default() };
    bench.partition.create(bench.now, "d", new.clone()).unwrap();
    for (key, code) in [
        (keys.0.clone(), ConnectReturnCode::Success),
        (keys.1, ConnectReturnCode::Success),
        (bench.derived("d"), ConnectReturnCode::NotAuthorized),
    ] {
        let connect = bench.login("d", &key, 60);
        assert_eq!(bench.connect_with(1, &connect).0, code);
    }
    let disabled = Registration { enabled: false, ..new };
    bench.partition.update(bench.now, "d", disabled, &Precondition::Any).unwrap();
    bench.drain();
    assert_eq!(bench.closed.last(), Some(&1), "a disabled device is disconnected");
    let connect = bench.login("d", &keys.0, 60);
    assert_eq!(bench.connect_with(2, &connect).0, ConnectReturnCode::NotAuthorized);
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
fn the_newest_connection_wins_and_the_end_of_the_old_one_changes_nothing() {
    let mut bench = Bench::new();
    bench.connect(1, "d");
    assert_eq!(bench.connect(2, "d"), (ConnectReturnCode::Success, true));
    assert_eq!(bench.closed, [1]);
    bench.partition.disconnected(bench.now, ConnectionId(1));
    assert_eq!(bench.partition.connected(), 1);
    bench.receive(1, Packet::PingReq);
    assert!(!bench.sent.contains(&(1, Packet::PingResp)), "the old connection is deaf");
    bench.receive(2, Packet::PingReq);
    assert!(bench.sent.contains(&(2, Packet::PingResp)));
}

#[test]
fn subscriptions_outlive_the_connection_unless_the_session_is_clean() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    bench.receive(1, Packet::Disconnect);
    assert_eq!(bench.closed, [1]);
    assert_eq!(bench.connect(2, "d"), (ConnectReturnCode::Success, true));
    bench.invoke("d", 5, 0);
    assert!(bench.answers.is_empty(), "delivered without another SUBSCRIBE");
    let mut clean = bench.login("d", &bench.derived("d"), 60);
    clean.clean_session = true;
    assert_eq!(bench.connect_with(3, &clean), (ConnectReturnCode::Success, false));
    bench.invoke("d", 5, 0);
    assert_eq!(bench.refused(), [(ErrorCode::DeviceNotOnline, Some(0))]);
    assert!(!bench.connect(4, "d").1, "a clean session leaves nothing");
}

#[test]
fn a_hub_that_restarted_takes_devices_to_be_subscribed_that_do_not_subscribe_again() {
    let mut bench = Bench::new();
    Arc::make_mut(&mut bench.partition.identity).restarted = true;
    assert_eq!(bench.connect(1, "d"), (ConnectReturnCode::Success, true));
    bench.invoke("d", 5, 0);
    assert!(bench.answers.is_empty(), "delivered without a SUBSCRIBE");
    let mut clean = bench.login("e", &bench.derived("e"), 60);
    clean.clean_session = true;
    assert_eq!(bench.connect_with(2, &clean), (ConnectReturnCode::Success, false));
    bench.invoke("e", 5, 0);
    assert_eq!(bench.refused(), [(ErrorCode::DeviceNotOnline, Some(0))]);
}

#[test]
fn unknown_filters_and_bad_packets_are_refused() {
    let mut bench = Bench::new();
    bench.connect(1, "d");
    bench.subscribe(1, &["#", FromHub::METHOD_FILTER, "devices/e/messages/devicebound/#"]);
    let Some((_, Packet::SubAck(ack))) = bench.sent.last() else { panic!("{:?}", bench.sent) };
    let granted = SubscribeReasonCode::Success(QoS::AtMostOnce);
    assert_eq!(ack.return_codes, [SubscribeReasonCode::Failure, granted, SubscribeReasonCode::Failure]);
    let telemetry = |device: &str| format!("devices/{device}/messages/events/");
    bench.receive(1, publish(telemetry("d"), QoS::AtLeastOnce, 3, Bytes::new()));
    assert!(matches!(bench.sent.last(), Some((1, Packet::PubAck(ack))) if ack.pkid == 3));
    assert_eq!((bench.partition.telemetry(), bench.closed.len()), (1, 0));
    for (n, packet) in (2..).zip([
        publish(telemetry("d"), QoS::ExactlyOnce, 3, Bytes::new()),
        publish(telemetry("e"), QoS::AtMostOnce, 0, Bytes::new()),
        publish("a/b".into(), QoS::AtMostOnce, 0, Bytes::new()),
        publish(FromDevice::TwinGet { rid: &"x".repeat(1025) }.to_string(), QoS::AtMostOnce, 0, Bytes::new()),
        Packet::PingResp,
        Packet::Connect(Connect::new("d")),
    ]) {
        bench.connect(n, "d");
        bench.receive(n, packet);
        assert_eq!(bench.closed.last(), Some(&n));
    }
}

#[test]
fn silence_and_expired_tokens_end_a_connection() {
    let mut bench = Bench::new();
    bench.connect(1, "quiet");
    let short = bench.login("short", &bench.derived("short"), 20);
    bench.connect_with(2, &short);
    for _ in 0..3 {
        bench.pass(SECOND * 40);
        bench.connect(3, "chatty");
    }
    assert_eq!(bench.closed, [2, 3, 1, 3], "the token at 20 s, silence at 90 s, and takeovers");
    assert_eq!(bench.partition.connected(), 1);
}
