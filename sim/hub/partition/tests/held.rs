//! What throttles hold back, in virtual time.

use super::*;
use crate::hub::throttle::{HubLimits, Operation, Throttles};
use crate::policy::Limit;

/// Ten units a second, the first at once, and a queue of half a second, for each of `operations`.
fn limited(operations: &[Operation], change: impl FnOnce(&mut HubLimits)) -> Bench {
    let limit = Limit { rate: 10.0, burst: 1.0, queue: SECOND / 2 };
    let mut limits = HubLimits {
        throttles: operations.iter().map(|operation| (*operation, limit)).collect(),
        messages_per_day: None,
        message_bytes: 4096,
        devices: None,
        concurrent_jobs: None,
        retry_after: false,
    };
    change(&mut limits);
    let mut bench = Bench::new();
    let throttles = Throttles::new(Some(limits), bench.partition.wall);
    bench.partition.throttled_by(Arc::new(throttles));
    bench
}

fn topics(bench: &Bench) -> Vec<String> {
    bench.published().into_iter().map(|(topic, _)| topic).collect()
}

#[test]
fn a_twin_get_is_answered_late_and_never_refused() {
    let mut bench = limited(&[Operation::TwinRead], |_| {});
    bench.online(1, "d");
    // A client that asks again at every refusal would never stop; this one asks as fast.
    for n in 0..100 {
        bench.publish(1, FromDevice::TwinGet { rid: &n.to_string() }, " ");
    }
    assert_eq!(topics(&bench), ["$iothub/twin/res/200/?$rid=0"]);
    bench.pass(SECOND / 4);
    assert_eq!(topics(&bench).len(), 3);
    for second in 1..10 {
        bench.pass(SECOND * 3 / 4);
        assert_eq!(topics(&bench).len(), 10 * second + 1, "at the limit's rate, however many wait");
        bench.pass(SECOND / 4);
    }
    bench.pass(SECOND);
    let answered: Vec<String> = (0..100).map(|n| format!("$iothub/twin/res/200/?$rid={n}")).collect();
    assert_eq!(topics(&bench), answered, "in order");
    let acknowledged = bench.sent.iter().filter(|(_, packet)| matches!(packet, Packet::PubAck(_))).count();
    assert_eq!((acknowledged, bench.closed.len()), (100, 0));
}

#[test]
fn a_patch_waits_and_beyond_the_queue_it_is_refused_with_a_body() {
    let mut bench = limited(&[Operation::TwinUpdate], |_| {});
    bench.online(1, "d");
    for n in 0..8 {
        bench.publish(1, FromDevice::ReportedPatch { rid: &n.to_string() }, &format!("{{\"n\":{n}}}"));
    }
    let refused = |bench: &Bench| -> Vec<(String, Value)> {
        bench.published().into_iter().filter(|(topic, _)| topic.contains("/429/")).collect()
    };
    let answers = refused(&bench);
    assert_eq!((answers.len(), answers[0].0.as_str()), (2, "$iothub/twin/res/429/?$rid=6"));
    assert_eq!(answers[0].1["errorCode"], 429_001, "the Node SDK takes an answer without it for success");
    bench.pass(SECOND);
    let done: Vec<String> = topics(&bench).into_iter().filter(|topic| topic.contains("/204/")).collect();
    assert_eq!(done.len(), 6);
    assert_eq!(bench.partition.devices.named("d").map(|device| device.twin.reported.version()), Some(7));
    let twin = bench.partition.twin("d").unwrap();
    assert!(twin.contains("\"n\":5"), "in the order in which they came: {twin}");
}

#[test]
fn what_may_go_on_is_not_overtaken_by_what_comes_then() {
    let mut bench = limited(&[Operation::TwinUpdate], |_| {});
    bench.online(1, "d");
    bench.publish(1, FromDevice::ReportedPatch { rid: "a" }, r#"{"n":1}"#);
    bench.publish(1, FromDevice::ReportedPatch { rid: "b" }, r#"{"n":2}"#);
    // Long after the second one's time, but before the timer has rung.
    bench.now = bench.now + 5 * SECOND;
    bench.publish(1, FromDevice::ReportedPatch { rid: "c" }, r#"{"n":3}"#);
    let versions: Vec<String> = ["a", "b", "c"]
        .iter()
        .zip(2..)
        .map(|(rid, version)| format!("$iothub/twin/res/204/?$rid={rid}&$version={version}"))
        .collect();
    assert_eq!(topics(&bench), versions);
}

#[test]
fn telemetry_is_acknowledged_late_and_then_the_connection_is_closed() {
    let mut bench = limited(&[Operation::Telemetry], |_| {});
    bench.online(1, "d");
    let telemetry = FromDevice::Telemetry { device: "d", module: None, properties: "" };
    for _ in 0..6 {
        bench.publish(1, telemetry, "{}");
    }
    let acknowledged = |bench: &Bench| bench.sent.iter().filter(|(_, p)| matches!(p, Packet::PubAck(_))).count();
    assert_eq!((acknowledged(&bench), bench.closed.len()), (1, 0));
    bench.pass(SECOND / 4);
    assert_eq!(acknowledged(&bench), 3);
    for _ in 0..3 {
        bench.publish(1, telemetry, "{}");
    }
    assert_eq!(bench.closed, [1]);
    bench.pass(SECOND);
    assert_eq!(bench.partition.counters().telemetry, 8, "what was let in counts, though its sender is gone");
}

#[test]
fn what_waits_ends_with_its_device() {
    let mut bench = limited(&[Operation::TwinUpdate, Operation::TwinRead], |_| {});
    bench.online(1, "d");
    for _ in 0..2 {
        bench.publish(1, FromDevice::ReportedPatch { rid: "p" }, r#"{"n":1}"#);
        bench.publish(1, FromDevice::TwinGet { rid: "g" }, "");
    }
    bench.partition.delete("d", &Precondition::Any).unwrap();
    bench.drain();
    bench.sent.clear();
    bench.pass(SECOND);
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
}

#[test]
fn a_device_created_again_inherits_nothing_that_waits() {
    let mut bench = limited(&[Operation::TwinUpdate], |_| {});
    bench.online(1, "d");
    for n in 0..2 {
        bench.publish(1, FromDevice::ReportedPatch { rid: "p" }, &format!("{{\"n\":{n}}}"));
    }
    bench.partition.delete("d", &Precondition::Any).unwrap();
    bench.partition.create(bench.now, "d", Registration::default()).unwrap();
    bench.pass(SECOND);
    assert_eq!(bench.partition.devices.named("d").map(|device| device.twin.reported.version()), Some(1));
}

#[test]
fn once_the_day_is_spent_devices_are_dropped_until_midnight() {
    let mut bench = limited(&[], |limits| limits.messages_per_day = Some(2));
    bench.online(1, "d");
    bench.publish(1, FromDevice::TwinGet { rid: "g" }, "");
    bench.publish(1, FromDevice::ReportedPatch { rid: "p" }, r#"{"n":1}"#);
    assert_eq!((topics(&bench).len(), bench.closed.len()), (2, 0));
    bench.publish(1, FromDevice::TwinGet { rid: "g" }, "");
    assert_eq!((topics(&bench).len(), bench.closed.as_slice()), (2, [1].as_slice()), "no answer that it could repeat");
    // The wall clock of these tests begins at 1,000,000 s; the next day at 1,036,800 s.
    bench.now = bench.now + 36_800 * SECOND;
    bench.online(2, "d");
    bench.publish(2, FromDevice::ReportedPatch { rid: "p" }, r#"{"n":1}"#);
    assert_eq!(topics(&bench), ["$iothub/twin/res/204/?$rid=p&$version=3"]);
}

#[test]
fn an_edge_device_is_refused_as_a_whole_where_its_modules_have_no_room() {
    let edge = || Registration { details: Details { is_edge: true, ..Details::default() }, ..Registration::default() };
    let mut bench = limited(&[], |limits| limits.devices = Some(2));
    for _ in 0..2 {
        let refusal = bench.partition.create(bench.now, "e", edge()).unwrap_err();
        assert_eq!((refusal.code, bench.partition.devices.len()), (ErrorCode::TooManyDevices, 0));
    }
    bench.online(1, "d");
    let disabled = Registration { enabled: false, ..edge() };
    let refusal = bench.partition.update(bench.now, "d", disabled, &Precondition::Any).unwrap_err();
    assert_eq!((refusal.code, bench.partition.devices.len()), (ErrorCode::TooManyDevices, 1));
    assert_eq!(bench.partition.identity("d").unwrap()["status"], "enabled", "nothing has changed");
    bench.partition.create(bench.now, "c", Registration::default()).unwrap();
}

#[test]
fn a_hub_has_no_more_devices_than_it_may() {
    let mut bench = limited(&[], |limits| limits.devices = Some(2));
    for id in ["a", "b"] {
        bench.partition.create(bench.now, id, Registration::default()).unwrap();
    }
    let refusal = bench.partition.create(bench.now, "c", Registration::default()).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::TooManyDevices);
    assert_eq!(bench.connect(1, "d").0, ConnectReturnCode::ServiceUnavailable, "never one that stops SDKs for good");
    bench.partition.delete("a", &Precondition::Any).unwrap();
    bench.partition.create(bench.now, "c", Registration::default()).unwrap();
}

#[test]
fn what_waits_for_a_limit_that_is_lifted_goes_on_at_once_and_in_order() {
    let mut bench = limited(&[Operation::TwinUpdate], |_| {});
    bench.online(1, "d");
    for n in 0..4 {
        bench.publish(1, FromDevice::ReportedPatch { rid: &n.to_string() }, &format!("{{\"n\":{n}}}"));
    }
    assert_eq!(topics(&bench).len(), 1);
    bench.partition.release_all(bench.now);
    bench.drain();
    let rids: Vec<String> =
        topics(&bench).iter().map(|topic| topic.split(['=', '&']).nth(1).unwrap().to_owned()).collect();
    assert_eq!(rids, ["0", "1", "2", "3"]);
    assert_eq!((bench.partition.held(), bench.partition.next_deadline() > bench.now), (0, true));
}

#[test]
fn a_hub_that_goes_down_forgets_what_waits_for_its_limits() {
    let mut bench = limited(&[Operation::TwinUpdate], |_| {});
    bench.online(1, "d");
    for n in 0..4 {
        bench.publish(1, FromDevice::ReportedPatch { rid: &n.to_string() }, &format!("{{\"n\":{n}}}"));
    }
    bench.partition.go_down();
    bench.pass(SECOND);
    assert_eq!((topics(&bench).len(), bench.partition.held()), (1, 0));
    assert!(bench.partition.twin("d").unwrap().contains("\"n\":0"), "the twin stays");
}

#[test]
fn what_finds_no_room_is_refused_and_makes_nothing_later_that_does() {
    let limit = Limit { rate: 10.0, burst: 1.0, queue: 3600 * SECOND };
    let throttles = [(Operation::TwinUpdate, limit), (Operation::Telemetry, limit)].into();
    let mut bench = Bench::new();
    let throttles = Arc::new(Throttles::new(Some(HubLimits { throttles, ..HubLimits::none() }), bench.partition.wall));
    bench.partition.throttled_by(Arc::clone(&throttles));
    bench.online(1, "d");
    bench.online(2, "e");
    let patch = |bench: &mut Bench, payload| bench.publish(1, FromDevice::ReportedPatch { rid: "p" }, payload);
    let large = " ".repeat(1024 * 1024);
    patch(&mut bench, "{}");
    // There is room for 63 of them, as their topics have a few bytes as well.
    for _ in 0..163 {
        patch(&mut bench, &large);
    }
    patch(&mut bench, "{}");
    let refused = bench.published().into_iter().filter(|(topic, _)| topic.contains("/429/")).count();
    assert_eq!((refused, bench.closed.as_slice(), bench.partition.held()), (100, [].as_slice(), 64));
    bench.publish(2, FromDevice::Telemetry { device: "e", module: None, properties: "" }, "{}");
    bench.publish(2, FromDevice::Telemetry { device: "e", module: None, properties: "" }, &large);
    assert_eq!(bench.closed, [2], "telemetry has no answer that could tell");
    let counts = throttles.counts(bench.now);
    let counts: Vec<_> =
        counts.iter().map(|count| (count.admitted, count.delayed, count.refused, count.wait_ms_total)).collect();
    // The 64 wait for 100 ms, 200 ms and so on.
    assert_eq!(counts, [(1, 0, 1, 0), (65, 64, 100, 64 * 65 / 2 * 100)]);
}
