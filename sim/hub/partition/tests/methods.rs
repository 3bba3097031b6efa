//! Direct methods.

use super::*;

#[test]
fn a_method_is_delivered_and_its_answer_returned() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    bench.online(2, "e");
    let call = bench.invoke("d", 5, 0);
    let rid = format!("{:x}", call.0);
    assert_eq!(bench.published()[0].0, format!("$iothub/methods/POST/firmwareUpdate/?$rid={rid}"));
    bench.publish(2, FromDevice::MethodResponse { status: 200, rid: &rid }, "{}");
    bench.publish(1, FromDevice::MethodResponse { status: 200, rid: &rid }, "broken");
    assert!(bench.answers.is_empty(), "the answers of another device, and of nonsense, are dropped");
    bench.publish(1, FromDevice::MethodResponse { status: 501, rid: &rid }, "");
    bench.publish(1, FromDevice::MethodResponse { status: 200, rid: &rid }, "{}");
    assert_eq!(bench.answers, [(call, Ok(DeviceAnswer { status: 501, payload: "null".into() }))]);
}

#[test]
fn calls_that_find_nobody_end_as_documented() {
    let mut bench = Bench::new();
    bench.invoke("unknown", 5, 0);
    bench.connect(1, "d");
    bench.invoke("d", 5, 0);
    assert_eq!(bench.refused(), [(ErrorCode::DeviceNotFound, None), (ErrorCode::DeviceNotOnline, Some(0))]);
    bench.answers.clear();
    bench.invoke("d", 20, 10);
    bench.pass(SECOND * 9);
    assert!(bench.answers.is_empty());
    bench.pass(SECOND);
    assert_eq!(bench.refused(), [(ErrorCode::DeviceNotOnline, Some(10))]);
}

#[test]
fn the_calls_of_a_deleted_device_end_with_it() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    bench.online(2, "e");
    bench.invoke("d", 5, 0);
    bench.invoke("e", 5, 0);
    bench.receive(1, Packet::Disconnect);
    bench.invoke("d", 20, 10);
    bench.partition.delete("d", &Precondition::Any).unwrap();
    bench.drain();
    assert_eq!(bench.refused(), [(ErrorCode::DeviceNotFound, None); 2], "delivered or not");
    bench.pass(SECOND * 30);
    assert_eq!(bench.answers.len(), 3, "each call ends once");
}

#[test]
fn a_call_waits_for_the_device_and_then_for_its_answer() {
    let mut bench = Bench::new();
    bench.connect(1, "d");
    let call = bench.invoke("d", 20, 10);
    bench.pass(SECOND * 5);
    bench.subscribe(1, &[FromHub::METHOD_FILTER]);
    assert_eq!(bench.published().len(), 1);
    bench.partition.disconnected(bench.now, ConnectionId(1));
    bench.pass(SECOND * 19);
    assert!(bench.answers.is_empty(), "a lost connection does not end the call");
    bench.pass(SECOND);
    assert_eq!(bench.refused(), [(ErrorCode::GatewayTimeout, Some(20))]);
    bench.online(2, "d");
    let rid = format!("{:x}", call.0);
    bench.publish(2, FromDevice::MethodResponse { status: 200, rid: &rid }, "{}");
    assert_eq!(bench.answers.len(), 1, "a late answer is dropped");
}

#[test]
fn a_device_has_a_limit_of_calls_in_flight() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    for _ in 0..100 {
        bench.invoke("d", 5, 0);
    }
    assert!(bench.answers.is_empty());
    bench.invoke("d", 5, 0);
    assert_eq!(bench.refused(), [(ErrorCode::DeviceMaximumInflightMethodExceeded, None)]);
    bench.answers.clear();
    bench.pass(SECOND * 5);
    bench.invoke("d", 5, 0);
    assert_eq!(bench.answers.len(), 100, "all have timed out, and there is room again");
}

#[test]
fn a_planted_delay_holds_back_a_method_s_answer_after_the_device_has_answered() {
    let delay = Duration::from_secs(8);
    let mut bench = Bench::with_delays(HubDelays { method_answer: delay, ..HubDelays::default() });
    bench.online(1, "d");
    let call = bench.invoke("d", 5, 0);
    let rid = format!("{:x}", call.0);
    bench.publish(1, FromDevice::MethodResponse { status: 200, rid: &rid }, "{}");
    bench.pass(SECOND * 7);
    assert!(bench.answers.is_empty());
    bench.pass(SECOND);
    assert!(matches!(bench.answers[..], [(_, Ok(_))]), "the timeout does not count the planted delay");
}

#[test]
fn a_hub_that_goes_down_ends_its_calls_and_devices_can_be_called_again() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    for _ in 0..100 {
        bench.invoke("d", 300, 0);
    }
    bench.partition.go_down();
    bench.drain();
    assert_eq!((bench.refused().len(), bench.refused()[0].0), (100, ErrorCode::ServiceUnavailable));
    bench.answers.clear();
    bench.invoke("d", 300, 0);
    assert!(bench.answers.is_empty(), "there is room again");
}
