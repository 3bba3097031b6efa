//! Messages to the cloud, and wills.

use super::*;

fn events(bag: &str) -> String {
    format!("devices/d/messages/events/{bag}")
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.partition.keep_telemetry();
    bench.connect(1, "d");
    bench
}

/// A CONNECT of the device `d` with this will.
fn with_will(bench: &Bench, topic: &str, qos: QoS) -> Connect {
    let mut connect = bench.login("d", &bench.derived("d"), 3600);
    connect.last_will = Some(LastWill::new(topic, "gone", qos, true));
    connect
}

#[test]
fn messages_are_handed_out_and_counted_for_each_device() {
    let mut bench = bench();
    let mut retained = Publish::new(events("a=1&%24.mid=7"), QoS::AtLeastOnce, "body");
    (retained.pkid, retained.retain) = (3, true);
    bench.receive(1, Packet::Publish(retained));
    bench.receive(1, publish(events(""), QoS::AtMostOnce, 0, Bytes::new()));
    let [first, second] = bench.messages.as_slice() else { panic!("{:?}", bench.messages) };
    assert_eq!((&*first.sender, &*first.properties, &*first.body), ("d", "a=1&%24.mid=7", &b"body"[..]));
    assert_eq!((first.retain, first.is_will, first.method), (true, false, AuthMethod::Key));
    assert!(!second.retain);
    assert_eq!((bench.partition.telemetry_of("d"), bench.partition.telemetry_of("e")), (Some(2), None));
    assert_eq!(bench.partition.counts().telemetry, 2);
}

#[test]
fn a_message_is_limited_with_its_properties() {
    const MAX: usize = 256 * 1024;
    for (bag, body, fits) in
        [("", MAX, true), ("", MAX + 1, false), ("%61=%62", MAX - 2, true), ("%61=%62", MAX - 1, false)]
    {
        let mut bench = bench();
        bench.receive(1, publish(events(bag), QoS::AtLeastOnce, 3, vec![b'x'; body].into()));
        assert_eq!((bench.messages.len(), bench.closed.is_empty()), (usize::from(fits), fits), "{bag} {body}");
    }
}

#[test]
fn a_will_is_done_when_the_connection_is_lost_and_only_then() {
    let mut bench = bench();
    let connect = with_will(&bench, &events("w=1"), QoS::AtLeastOnce);
    bench.connect_with(2, &connect);
    bench.receive(2, Packet::Disconnect);
    assert_eq!(bench.messages, [], "who takes his leave has no will");

    bench.connect_with(3, &connect);
    bench.partition.disconnected(bench.now, ConnectionId(3));
    bench.drain();
    let will = bench.messages.pop().unwrap();
    assert_eq!((&*will.properties, &*will.body, will.is_will, will.retain), ("w=1", &b"gone"[..], true, true));

    bench.connect_with(4, &connect);
    bench.pass(SECOND * 100);
    assert_eq!((bench.messages.len(), bench.closed.last()), (1, Some(&4)), "silence is a loss");

    bench.connect_with(5, &connect);
    bench.connect(6, "d");
    assert_eq!(bench.messages.len(), 2, "and so is a takeover");
    bench.partition.disconnected(bench.now, ConnectionId(6));
    bench.drain();
    assert_eq!((bench.messages.len(), bench.partition.telemetry_of("d")), (2, Some(3)), "each connection has its own");
}

#[test]
fn a_will_must_be_a_message_of_its_own_device() {
    for (topic, qos) in [
        ("devices/e/messages/events/", QoS::AtLeastOnce),
        ("devices/d/modules/m/messages/events/", QoS::AtLeastOnce),
        ("$iothub/twin/GET/?$rid=1", QoS::AtLeastOnce),
        ("will", QoS::AtMostOnce),
        ("devices/d/messages/events/", QoS::ExactlyOnce),
    ] {
        let mut bench = bench();
        let connect = with_will(&bench, topic, qos);
        assert_eq!(bench.connect_with(2, &connect).0, ConnectReturnCode::NotAuthorized, "{topic}");
    }
}
