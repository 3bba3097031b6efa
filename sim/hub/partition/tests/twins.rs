//! Twins, from both sides.

use super::*;

#[test]
fn a_reported_patch_is_acknowledged_and_answered_together() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    bench.publish(1, FromDevice::ReportedPatch { rid: "a%20b" }, r#"{"firmwareStatus":"standBy"}"#);
    assert!(matches!(bench.sent[0], (1, Packet::PubAck(_))));
    assert_eq!(bench.published(), [("$iothub/twin/res/204/?$rid=a%20b&$version=2".to_owned(), Value::Null)]);
    bench.sent.clear();
    bench.publish(1, FromDevice::TwinGet { rid: "2" }, " ");
    let twin = json!({"desired": {"$version": 1}, "reported": {"firmwareStatus": "standBy", "$version": 2}});
    assert_eq!(bench.published(), [("$iothub/twin/res/200/?$rid=2".to_owned(), twin)]);
    for (payload, code) in [("{", 400_006), ("[]", 400_004), (r#"{"a b":1}"#, 400_004)] {
        bench.sent.clear();
        bench.publish(1, FromDevice::ReportedPatch { rid: "3" }, payload);
        let (topic, body) = bench.published().remove(0);
        assert_eq!((topic.as_str(), &body["errorCode"]), ("$iothub/twin/res/400/?$rid=3", &json!(code)));
        assert!(body["trackingId"].as_str().unwrap().ends_with("-G:0"), "{body}");
    }
    assert!(bench.partition.twin("d").unwrap().contains(r#""firmwareStatus":"standBy""#));
}

#[test]
fn twin_requests_without_a_subscription_get_their_puback_only() {
    let mut bench = Bench::new();
    bench.connect(1, "d");
    bench.sent.clear();
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    bench.publish(1, FromDevice::TwinGet { rid: "2" }, "");
    assert_eq!((bench.sent.len(), bench.published().len()), (2, 0));
}

#[test]
fn desired_properties_are_notified_as_sent_with_their_version() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    let patch = TwinPatch::parse(br#"{"tags":{"x":1},"properties":{"desired":{"a":{"b":null},"c":1}}}"#).unwrap();
    let twin = bench.partition.patch_twin(bench.now, "d", &patch, &Precondition::Any).unwrap();
    bench.drain();
    let topic = "$iothub/twin/PATCH/properties/desired/?$version=2".to_owned();
    assert_eq!(bench.published(), [(topic, json!({"a": {"b": null}, "c": 1, "$version": 2}))]);
    let twin: Value = serde_json::from_str(&twin).unwrap();
    assert_eq!((&twin["etag"], &twin["version"], &twin["tags"]), (&json!("AAAAAAAAAAI="), &json!(3), &json!({"x": 1})));
    let stale = Precondition::Etag("AAAAAAAAAAE=".into());
    let error = bench.partition.replace_twin(bench.now, "d", &patch, &stale).unwrap_err();
    assert_eq!(error.code, ErrorCode::PreconditionFailed);
    let unknown = bench.partition.patch_twin(bench.now, "e", &patch, &Precondition::Any).unwrap_err();
    assert_eq!(unknown.code, ErrorCode::DeviceNotFound);
}

#[test]
fn a_planted_delay_holds_back_the_acknowledgement_alone() {
    let delay = Duration::from_millis(80);
    let mut bench = Bench::with_delays(HubDelays { twin_ack: delay, ..HubDelays::default() });
    bench.online(1, "d");
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    assert!(bench.sent.is_empty());
    assert!(bench.partition.twin("d").unwrap().contains(r#""a":1"#), "the merge is visible at once");
    bench.receive(1, Packet::PingReq);
    assert_eq!(bench.sent, [(1, Packet::PingResp)], "what comes later is not held back");
    assert_eq!(bench.partition.next_deadline(), bench.now + delay);
    bench.pass(delay);
    assert!(matches!(bench.sent[1..], [(1, Packet::PubAck(_)), (1, Packet::Publish(_))]));
}

#[test]
fn a_hub_that_is_slow_no_more_sends_what_waits_at_once_and_in_order() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    bench.partition.delayed_by(HubDelays { twin_ack: SECOND, twin_read: 2 * SECOND, ..HubDelays::default() });
    bench.publish(1, FromDevice::TwinGet { rid: "1" }, " ");
    bench.publish(1, FromDevice::ReportedPatch { rid: "2" }, r#"{"a":1}"#);
    assert_eq!(bench.published().len(), 0);
    bench.pass(SECOND);
    bench.publish(1, FromDevice::ReportedPatch { rid: "3" }, r#"{"a":2}"#);
    bench.partition.delayed_by(HubDelays::default());
    bench.drain();
    bench.publish(1, FromDevice::ReportedPatch { rid: "4" }, r#"{"a":3}"#);
    let rids: Vec<String> =
        bench.published().into_iter().map(|(topic, _)| topic.split(['=', '&']).nth(1).unwrap().to_owned()).collect();
    assert_eq!(rids, ["2", "1", "3", "4"], "in order of time");
}

#[test]
fn numbers_come_back_as_they_were_sent_or_are_refused() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    let numbers = r#"{"a":1,"b":1.0,"c":-4503599627370496,"d":4503599627370495,"e":0.1}"#;
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, numbers);
    let twin = bench.partition.twin("d").unwrap();
    assert!(twin.contains(numbers.trim_end_matches('}')), "{twin}");
    for number in ["4503599627370496", "-4503599627370497", "18446744073709551616", "-18446744073709551616"] {
        let patch = format!(r#"{{"a":{number}}}"#);
        bench.sent.clear();
        bench.publish(1, FromDevice::ReportedPatch { rid: "2" }, &patch);
        let (topic, body) = bench.published().remove(0);
        assert_eq!((topic.as_str(), &body["errorCode"]), ("$iothub/twin/res/400/?$rid=2", &json!(400_004)));
        let desired = format!(r#"{{"properties":{{"desired":{patch}}}}}"#);
        let refused = TwinPatch::parse(desired.as_bytes()).and_then(|patch| {
            bench.partition.patch_twin(bench.now, "d", &patch, &Precondition::Any).map_err(|_| TwinError::Reported)
        });
        assert!(refused.is_err(), "{number}");
    }
}

#[test]
fn each_write_moves_the_etag_it_should_and_no_other() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    let state = |bench: &Bench| {
        let twin: Value = serde_json::from_str(&bench.partition.twin("d").unwrap()).unwrap();
        let version = |part: &str| twin["properties"][part]["$version"].as_u64().unwrap();
        let etag = |name: &str| twin[name].as_str().unwrap().replace("AAAAAAAAAA", "");
        (etag("etag"), etag("deviceEtag"), twin["version"].as_u64().unwrap(), version("desired"), version("reported"))
    };
    let expect = |bench: &Bench, etag: &str, device: &str, version, desired, reported| {
        assert_eq!(state(bench), (etag.to_owned(), device.to_owned(), version, desired, reported));
    };
    expect(&bench, "E=", "E=", 2, 1, 1);
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    expect(&bench, "E=", "E=", 2, 1, 2);
    let patch = |bench: &mut Bench, text: &str| {
        let patch = TwinPatch::parse(text.as_bytes()).unwrap();
        bench.partition.patch_twin(bench.now, "d", &patch, &Precondition::Absent).unwrap();
    };
    patch(&mut bench, r#"{"tags":{"t":1}}"#);
    expect(&bench, "I=", "E=", 3, 1, 2);
    patch(&mut bench, r#"{"properties":{"desired":{"a":{"b":1}}}}"#);
    expect(&bench, "M=", "E=", 4, 2, 2);
    bench.partition.update(bench.now, "d", Registration::default(), &Precondition::Any).unwrap();
    expect(&bench, "M=", "I=", 4, 2, 2);
    bench.receive(1, Packet::Disconnect);
    bench.connect(2, "d");
    expect(&bench, "M=", "I=", 4, 2, 2);
    let twin: Value = serde_json::from_str(&bench.partition.twin("d").unwrap()).unwrap();
    assert_eq!(twin.pointer("/properties/desired/$metadata/a/b/$lastUpdatedVersion"), Some(&json!(2)));
    assert!(twin.pointer("/properties/reported/$metadata/a/$lastUpdatedVersion").is_none());
    assert_eq!(twin["x509Thumbprint"], json!({"PrimaryThumbprint": null, "SecondaryThumbprint": null}));
}
