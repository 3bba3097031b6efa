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
        (change(&bench, &|connect| username(connect, "evil/d/?api-version=1")), ConnectReturnCode::NotAuthorized),
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
fn a_hub_that_restarted_assumes_nothing_of_devices_that_it_knows_or_that_come_late() {
    let mut bench = Bench::new();
    Arc::make_mut(&mut bench.partition.identity).restarted = true;
    let clean = |bench: &Bench, id: &str| {
        let mut clean = bench.login(id, &bench.derived(id), 3600);
        clean.clean_session = true;
        clean
    };
    // After a clean session, before and after it: once only.
    assert!(bench.connect(1, "once").1);
    let connect = clean(&bench, "once");
    assert!(!bench.connect_with(2, &connect).1);
    let connect = clean(&bench, "clean");
    assert!(!bench.connect_with(3, &connect).1);
    bench.partition.create(bench.now, "created", Registration::default()).unwrap();
    for (n, id) in (4..).zip(["once", "clean", "created"]) {
        assert_eq!(bench.connect(n, id), (ConnectReturnCode::Success, false), "{id}");
    }
    bench.pass(600 * SECOND);
    assert_eq!(bench.connect(7, "late"), (ConnectReturnCode::Success, false));
    for id in ["once", "clean", "created", "late"] {
        bench.invoke(id, 5, 0);
    }
    assert_eq!(bench.refused(), [(ErrorCode::DeviceNotOnline, Some(0)); 4]);
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
    assert_eq!((bench.partition.counters().telemetry, bench.closed.len()), (1, 0));
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
fn a_part_of_a_packet_breaks_the_silence() {
    let mut bench = Bench::new();
    bench.connect(1, "slow");
    for _ in 0..3 {
        bench.pass(80 * SECOND);
        bench.partition.heard(bench.now, ConnectionId(1));
    }
    assert!(bench.closed.is_empty());
    bench.pass(91 * SECOND);
    assert_eq!(bench.closed, [1]);
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

#[test]
fn a_persistent_session_goes_on_without_another_subscribe() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    bench.partition.disconnected(bench.now, ConnectionId(1));
    assert_eq!(bench.connect(2, "d"), (ConnectReturnCode::Success, true));
    bench.sent.clear();
    let patch = TwinPatch::parse(br#"{"properties":{"desired":{"a":1}}}"#).unwrap();
    bench.partition.patch_twin(bench.now, "d", &patch, &Precondition::Any).unwrap();
    bench.invoke("d", 5, 0);
    bench.publish(2, FromDevice::TwinGet { rid: "7" }, " ");
    let topics: Vec<String> = bench.published().into_iter().map(|(topic, _)| topic).collect();
    let expected =
        ["$iothub/twin/PATCH/properties/desired/?$version=2", "$iothub/methods/POST/", "$iothub/twin/res/200/"];
    assert_eq!(topics.len(), 3, "{topics:?}");
    assert!(topics.iter().zip(expected).all(|(topic, start)| topic.starts_with(start)), "{topics:?}");
}

#[test]
fn many_filters_are_answered_in_order_and_qos_2_is_granted_as_1() {
    let mut bench = Bench::new();
    bench.connect(1, "d");
    let filters = [(FromHub::METHOD_FILTER, QoS::ExactlyOnce), (FromHub::TWIN_RESPONSE_FILTER, QoS::AtLeastOnce)];
    let filters = filters.map(|(filter, qos)| SubscribeFilter::new(filter.to_owned(), qos));
    bench.receive(1, Packet::Subscribe(Subscribe::new_many(filters)));
    let Some((_, Packet::SubAck(ack))) = bench.sent.last() else { panic!("{:?}", bench.sent) };
    assert_eq!(ack.return_codes, [SubscribeReasonCode::Success(QoS::AtLeastOnce); 2]);

    let flood = (0..100_000).map(|n| SubscribeFilter::new(format!("a/{n}"), QoS::AtMostOnce));
    bench.receive(1, Packet::Subscribe(Subscribe::new_many(flood)));
    let Some((_, Packet::SubAck(ack))) = bench.sent.last() else { panic!("{:?}", bench.sent.len()) };
    assert!(
        ack.return_codes.len() == 100_000 && ack.return_codes.iter().all(|code| *code == SubscribeReasonCode::Failure)
    );
    let subscribed = bench.partition.devices.named("d").unwrap().session.as_ref().unwrap().subscriptions;
    assert_eq!(size_of_val(&subscribed), 1, "nothing of it is kept");
}

#[test]
fn keep_alive_is_capped_and_0_turns_it_off() {
    for (keep_alive, silence) in [(10, Some(15)), (1178, Some(1767)), (u16::MAX, Some(1767)), (0, None)] {
        let mut bench = Bench::new();
        let mut connect = bench.login("d", &bench.derived("d"), 10_000);
        connect.keep_alive = keep_alive;
        bench.connect_with(1, &connect);
        bench.pass(SECOND * (silence.unwrap_or(9_999) - 1));
        assert!(bench.closed.is_empty(), "{keep_alive}");
        bench.pass(SECOND);
        assert_eq!(bench.closed.is_empty(), silence.is_none(), "{keep_alive}");
    }
}
