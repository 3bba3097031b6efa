//! A partition fed by hand: no socket, no clock.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::methods::{DeviceAnswer, MethodOutcome, MethodRequest};
use super::{CallId, ConnectionId, Effect, Keys, Partition, Precondition, Registration};
use crate::dialect::azure::{ErrorCode, FromDevice, FromHub, Key, SasToken};
use crate::hub::config::{HubDelays, HubIdentity};
use crate::hub::query::{Cursor, Plan, parse};
use crate::hub::twin::TwinPatch;
use crate::mqtt::{
    Connect, ConnectReturnCode, Packet, Publish, QoS, Subscribe, SubscribeFilter, SubscribeReasonCode, publish,
};
use crate::time::{Nanos, WallClock};

const SECOND: Duration = Duration::from_secs(1);

/// A partition, with what it did.
struct Bench {
    partition: Partition,
    now: Nanos,
    sent: Vec<(u64, Packet)>,
    closed: Vec<u64>,
    answers: Vec<(CallId, MethodOutcome)>,
}

impl Bench {
    fn new() -> Self {
        Self::with_delays(HubDelays::default())
    }

    fn with_delays(delays: HubDelays) -> Self {
        let key = |byte| Key::from_bytes([byte; 32]);
        let identity = HubIdentity { host: "h".into(), service_key: key(1), fleet_key: key(2) };
        let wall = WallClock::new(Timestamp::from_second(1_000_000).unwrap());
        let partition = Partition::new(Arc::new(identity), delays, wall);
        Self { partition, now: Nanos::ZERO, sent: vec![], closed: vec![], answers: vec![] }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.partition.poll() {
            match effect {
                Effect::Send { to, packet } => self.sent.push((to.0, packet)),
                Effect::Close { connection } => self.closed.push(connection.0),
                Effect::Answer { call, outcome } => self.answers.push((call, outcome)),
            }
        }
    }

    /// Lets time pass, with a tick at each deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.partition.next_deadline() <= end {
            self.now = self.partition.next_deadline();
            self.partition.tick(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn login(&self, id: &str, key: &Key, life: i64) -> Connect {
        let mut connect = Connect::new(id);
        connect.clean_session = false;
        connect.keep_alive = 60;
        let expires = self.partition.wall.at(self.now).as_second() + life;
        let token = SasToken::sign(&format!("h/devices/{id}"), Timestamp::from_second(expires).unwrap(), None, key);
        connect.set_login(format!("h/{id}/?api-version=2021-04-12"), token);
        connect
    }

    fn derived(&self, id: &str) -> Key {
        self.partition.identity.fleet_key.derive(id)
    }

    /// The answer to `connect`: its code, and whether a session was present.
    fn connect_with(&mut self, connection: u64, connect: &Connect) -> (ConnectReturnCode, bool) {
        self.partition.connect(self.now, ConnectionId(connection), connect);
        self.drain();
        match self.sent.iter().rev().find(|(to, _)| *to == connection) {
            Some((_, Packet::ConnAck(ack))) => (ack.code, ack.session_present),
            other => panic!("no CONNACK: {other:?}"),
        }
    }

    fn connect(&mut self, connection: u64, id: &str) -> (ConnectReturnCode, bool) {
        let connect = self.login(id, &self.derived(id), 3600);
        self.connect_with(connection, &connect)
    }

    fn receive(&mut self, connection: u64, packet: Packet) {
        self.partition.receive(self.now, ConnectionId(connection), packet);
        self.drain();
    }

    fn subscribe(&mut self, connection: u64, filters: &[&str]) {
        let filters = filters.iter().map(|filter| SubscribeFilter::new((*filter).to_owned(), QoS::AtMostOnce));
        self.receive(connection, Packet::Subscribe(Subscribe::new_many(filters)));
    }

    fn online(&mut self, connection: u64, id: &str) {
        self.connect(connection, id);
        self.subscribe(connection, &[FromHub::METHOD_FILTER, FromHub::TWIN_RESPONSE_FILTER, FromHub::DESIRED_FILTER]);
        self.sent.clear();
    }

    fn publish(&mut self, connection: u64, topic: FromDevice<'_>, payload: &str) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.receive(connection, publish(topic.to_string(), QoS::AtLeastOnce, 9, payload));
    }

    fn published(&self) -> Vec<(String, Value)> {
        let publish = |packet: &Packet| match packet {
            Packet::Publish(Publish { topic, payload, .. }) => {
                Some((topic.clone(), serde_json::from_slice(payload).unwrap_or(Value::Null)))
            }
            _ => None,
        };
        self.sent.iter().filter_map(|(_, packet)| publish(packet)).collect()
    }

    fn invoke(&mut self, id: &str, response: u64, connect: u64) -> CallId {
        let request = MethodRequest {
            name: "firmwareUpdate".into(),
            payload: Bytes::from_static(b"{}"),
            response_timeout: SECOND * u32::try_from(response).unwrap(),
            connect_timeout: SECOND * u32::try_from(connect).unwrap(),
        };
        let call = self.partition.invoke(self.now, id, request);
        self.drain();
        call
    }

    fn refused(&self) -> Vec<(ErrorCode, Option<u64>)> {
        let refusal = |outcome: &MethodOutcome| {
            let refusal = outcome.clone().unwrap_err();
            (refusal.refusal.code, refusal.timeout.map(|timeout| timeout.as_secs()))
        };
        self.answers.iter().map(|(_, outcome)| refusal(outcome)).collect()
    }

    fn query(&self, text: &str, after: Option<&Cursor>, limit: usize) -> (Vec<Value>, Option<Cursor>) {
        let slice = self.partition.search(&Plan::new(parse(text).unwrap()), after, limit);
        let rows = slice.rows.iter().map(|(_, row)| serde_json::from_str(row).unwrap()).collect();
        (rows, slice.next)
    }
}

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
    assert_eq!(bench.connect(4, "d").1, false, "a clean session leaves nothing");
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
fn the_registry_follows_the_rules_of_etags() {
    let mut bench = Bench::new();
    let (now, new) = (bench.now, Registration::default());
    bench.partition.create(now, "d", new.clone()).unwrap();
    let error = |result: Result<(), super::Refusal>| result.unwrap_err().code;
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
    assert_eq!(bench.partition.counts(), super::Counts::default());
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
    assert_eq!(bench.connect(2, "d"), (ConnectReturnCode::Success, false));
    assert!(!bench.partition.twin("d").unwrap().contains("\"a\""));
}

#[test]
fn queries_use_ids_and_updates_and_see_the_present_state() {
    let mut bench = Bench::new();
    for (n, id) in (1..).zip(["a", "b", "c", "d"]) {
        bench.online(n, id);
    }
    bench.pass(SECOND);
    let delta = crate::dialect::azure::rest::delta_query("a", "c", Some("1970-01-12T13:46:41Z"));
    assert_eq!(bench.query(&delta, None, 9).0, Vec::<Value>::new());
    for n in [4, 3, 1] {
        bench.publish(n, FromDevice::ReportedPatch { rid: "1" }, r#"{"firmwareStatus":"standBy"}"#);
        bench.pass(SECOND);
    }
    let (rows, next) = bench.query(&delta, None, 9);
    let ids: Vec<&Value> = rows.iter().map(|row| &row["deviceId"]).collect();
    assert_eq!((ids, next), (vec![&json!("c"), &json!("a")], None), "in order of their changes, within the range");
    assert_eq!(rows[0]["reported"]["$metadata"]["$lastUpdated"], "1970-01-12T13:46:42.000000Z");
    assert_eq!((&rows[0]["reported"]["$version"], &rows[0]["connectionState"]), (&json!(2), &json!("Connected")));
    let key = "properties.reported.$metadata.firmwareStatus.$lastUpdated";
    let text = format!("SELECT deviceId, {key} AS at FROM devices WHERE {key} > '1970-01-12T13:46:42.5Z'");
    let row = json!({"deviceId": "a", "at": "1970-01-12T13:46:43.000000Z"});
    assert_eq!(bench.query(&text, None, 9).0, [row]);
    let text = "SELECT deviceId FROM devices WHERE deviceId IN ['d','x','b'] AND properties.reported.$version = 2";
    assert_eq!(bench.query(text, None, 9).0, [json!({"deviceId": "d"})]);
    let whole = &bench.query("SELECT * FROM devices WHERE status = 'enabled'", None, 1).0[0];
    assert_eq!(
        whole.to_string(),
        serde_json::from_str::<Value>(&bench.partition.twin("a").unwrap()).unwrap().to_string()
    );
}

#[test]
fn paging_misses_nothing_while_twins_change() {
    let mut bench = Bench::new();
    let ids: Vec<String> = (0..20).map(|n| format!("d{n:02}")).collect();
    for (n, id) in (0..).zip(&ids) {
        bench.online(n, id);
    }
    let text =
        "SELECT deviceId FROM devices WHERE properties.reported.$metadata.$lastUpdated >= '1970-01-01T00:00:00Z'";
    for text in [text, "SELECT deviceId FROM devices"] {
        let (mut seen, mut cursor, mut turn) = (Vec::new(), None, 0);
        loop {
            let (rows, next) = bench.query(text, cursor.as_ref(), 3);
            seen.extend(rows.iter().map(|row| row["deviceId"].as_str().unwrap().to_owned()));
            if next.is_none() {
                break;
            }
            cursor = next;
            bench.pass(Duration::from_millis(1));
            if turn < 20 {
                bench.publish(turn, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
                turn += 5;
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, ids, "{text}");
    }
}
