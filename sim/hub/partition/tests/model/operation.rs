//! What may happen to a hub, drawn at random.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// A device connects.
    Connect { device: usize, clean: bool, keep_alive: u16, life: u64, key: Proof },
    /// A packet arrives on a connection, the last one for `back` 0.
    Receive { back: u64, packet: Arrival },
    /// A socket breaks.
    Break { back: u64 },
    /// A service changes a twin, or replaces it.
    Write {
        device: usize,
        replace: bool,
        tags: Option<Map<String, Value>>,
        desired: Option<Map<String, Value>>,
        condition: Condition,
    },
    /// A service registers a device.
    Create { device: usize, enabled: bool },
    /// A service changes an identity.
    Update { device: usize, enabled: bool, condition: Condition },
    /// A service removes a device.
    Delete { device: usize, condition: Condition },
    /// A service calls a method; both timeouts in seconds.
    Invoke { device: usize, response: u64, connect: u64 },
    /// Time goes by, in seconds.
    Pass(u64),
}

/// What a connection brings.
#[derive(Debug, Clone)]
pub(super) enum Arrival {
    /// For the topics that the bits stand for, in the order of [`super::TOPICS`], and for one that no device may have.
    Subscribe {
        topics: u8,
        foreign: bool,
    },
    Unsubscribe {
        topics: u8,
    },
    GetTwin,
    Report(Map<String, Value>),
    /// A report that is no JSON object.
    Nonsense,
    /// An answer to one of the calls so far, the last one for 0.
    Answer {
        back: usize,
        status: i64,
    },
    Telemetry,
    Ping,
    Disconnect,
    /// What closes a connection (1.7).
    Forbidden(Forbidden),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Forbidden {
    ExactlyOnce,
    UnknownTopic,
    ForeignTelemetry,
    SecondConnect,
}

/// How a device proves who it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Proof {
    Primary,
    Secondary,
    Wrong,
}

/// `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Absent,
    Any,
    Current,
    Stale,
}

/// How many devices there are.
pub(super) const DEVICES: usize = 3;

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..60)
}

/// Mostly the same one: more happens to it then.
fn device() -> impl Strategy<Value = usize> {
    prop_oneof![5 => Just(0), 2 => Just(1), 1 => 2..DEVICES]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => connect(),
        10 => (back(), arrival()).prop_map(|(back, packet)| Operation::Receive { back, packet }),
        2 => back().prop_map(|back| Operation::Break { back }),
        5 => (device(), prop::bool::weighted(0.3), prop::option::of(patch()), prop::option::of(patch()), condition())
            .prop_map(|(device, replace, tags, desired, condition)| Operation::Write {
                device, replace, tags, desired, condition
            }),
        2 => (device(), prop::bool::weighted(0.8)).prop_map(|(device, enabled)| Operation::Create { device, enabled }),
        2 => (device(), prop::bool::weighted(0.7), condition())
            .prop_map(|(device, enabled, condition)| Operation::Update { device, enabled, condition }),
        1 => (device(), condition()).prop_map(|(device, condition)| Operation::Delete { device, condition }),
        4 => (device(), select(vec![5, 30]), select(vec![0, 10, 10]))
            .prop_map(|(device, response, connect)| Operation::Invoke { device, response, connect }),
        2 => select(vec![1, 4, 5, 10, 30, 89, 90, 2000]).prop_map(Operation::Pass),
    ]
}

fn connect() -> impl Strategy<Value = Operation> {
    let key = prop_oneof![8 => Just(Proof::Primary), 1 => Just(Proof::Secondary), 1 => Just(Proof::Wrong)];
    let life = prop_oneof![6 => Just(3600), 2 => Just(20), 1 => Just(0)];
    (device(), prop::bool::weighted(0.3), select(vec![0, 60, 60, 1500]), life, key)
        .prop_map(|(device, clean, keep_alive, life, key)| Operation::Connect { device, clean, keep_alive, life, key })
}

/// Mostly the newest connection; older ones may still say something too.
fn back() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 2 => Just(1), 1 => 2..5_u64]
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let forbidden = select(vec![
        Forbidden::ExactlyOnce,
        Forbidden::UnknownTopic,
        Forbidden::ForeignTelemetry,
        Forbidden::SecondConnect,
    ]);
    let status = select(vec![200, 0, -1, 500]);
    prop_oneof![
        6 => (prop_oneof![Just(15), 0..16_u8], prop::bool::weighted(0.1))
            .prop_map(|(topics, foreign)| Arrival::Subscribe { topics, foreign }),
        1 => (0..16_u8).prop_map(|topics| Arrival::Unsubscribe { topics }),
        2 => Just(Arrival::GetTwin),
        6 => patch().prop_map(Arrival::Report),
        1 => Just(Arrival::Nonsense),
        4 => (0..3_usize, status).prop_map(|(back, status)| Arrival::Answer { back, status }),
        1 => Just(Arrival::Telemetry),
        1 => Just(Arrival::Ping),
        1 => Just(Arrival::Disconnect),
        1 => forbidden.prop_map(Arrival::Forbidden),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![3 => Just(Condition::Absent), 2 => Just(Condition::Any), 2 => Just(Condition::Current), 1 => Just(Condition::Stale)]
}

/// A change of a document: mostly legal, at times large enough to reach the limits of size after a few.
fn patch() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        4 => Just(Value::Null),
        4 => (-9..9).prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        2 => "[a-z\"\u{e4}]{0,3}".prop_map(Value::from),
        2 => Just("x".repeat(4000).into()),
        1 => Just(json!([1, {"a": 2}, "b"])),
        1 => illegal(),
    ];
    let tree = leaf.prop_recursive(2, 8, 3, |inner| {
        btree_map(key(), inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    let legal = btree_map(key(), tree, 0..4).prop_map(|map| map.into_iter().collect());
    let deep = select(vec![11, 12]).prop_map(|depth| (1..depth).fold(json!(1), |inner, _| json!({ "a": inner })));
    prop_oneof![30 => legal, 1 => deep.prop_map(|deep| Map::from_iter([("a".to_owned(), deep)]))]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        60 => "[a-c]".prop_map(String::from),
        30 => "[a-l]".prop_map(String::from),
        1 => select(vec!["", "a.b", "$a", "a b", "a\u{7}", "#"]).prop_map(str::to_owned),
    ]
}

fn illegal() -> impl Strategy<Value = Value> {
    select(vec![json!([null]), json!(4_503_599_627_370_496_i64), json!("y".repeat(4097)), json!(u64::MAX)])
}
