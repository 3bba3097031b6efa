//! The hub's partitions beside a small model of what the protocol's page says: whatever happens to both, nobody outside
//! can tell them apart.

mod documents;
mod expected;
mod operation;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::super::{Counts, Refusal};
use super::*;
use crate::hub::twin::etag;
use crate::mqtt::Unsubscribe;
use expected::{Model, Seen};
use operation::{Arrival, Condition, DEVICES, Forbidden, Operation, Proof, operations};

/// What a device may subscribe to, in the order of the model's bits.
const TOPICS: [&str; 4] = [FromHub::METHOD_FILTER, FromHub::TWIN_RESPONSE_FILTER, FromHub::DESIRED_FILTER, "messages"];

/// A hub of one or more partitions, and its model.
struct Pair {
    parts: Vec<Bench>,
    model: Model,
    /// The device of each connection so far.
    connections: Vec<usize>,
    /// The partition and name of each call so far.
    calls: Vec<(usize, CallId)>,
    /// What services were answered.
    seen: Seen,
}

fn name(device: usize) -> String {
    ["d#1", "d+2", "$d%3"][device].to_owned()
}

/// What a twin answer, a notification or a call says.
fn telling(publish: &Publish) -> String {
    let body = || serde_json::from_slice::<Value>(&publish.payload).unwrap();
    assert_eq!((publish.qos, publish.retain), (QoS::AtMostOnce, false), "3.1, 2.1");
    match FromHub::parse(&publish.topic).unwrap() {
        FromHub::Method { name: "firmwareUpdate", rid } => format!("method of rid {rid}"),
        FromHub::TwinResponse { status: 200, rid: "r", .. } => format!("twin 200 {}", body()),
        FromHub::TwinResponse { status: 204, rid: "r", version: Some(version) } => {
            assert!(publish.payload.is_empty());
            format!("twin 204 version {version}")
        }
        FromHub::TwinResponse { status, rid: "r", .. } => {
            // 3.1: without a body the Node SDK takes an error for success.
            assert_eq!(body()["errorCode"].as_u64().unwrap() / 1000, u64::from(status));
            format!("twin {status}")
        }
        FromHub::DesiredPatch { version } => {
            assert_eq!(body()["$version"], version);
            format!("desired {}", body())
        }
        other => panic!("{other:?}"),
    }
}

fn told(packet: &Packet) -> String {
    match packet {
        Packet::ConnAck(ack) if ack.session_present => format!("CONNACK {:?} present", ack.code),
        Packet::ConnAck(ack) => format!("CONNACK {:?}", ack.code),
        Packet::SubAck(ack) => {
            let failed = ack.return_codes.iter().filter(|code| **code == SubscribeReasonCode::Failure).count();
            format!("SUBACK {} {failed}", ack.return_codes.len() - failed)
        }
        Packet::UnsubAck(_) => "UNSUBACK".to_owned(),
        Packet::PubAck(_) => "PUBACK".to_owned(),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Publish(publish) => telling(publish),
        other => panic!("{other:?}"),
    }
}

fn precondition(condition: Condition, current: u64) -> Precondition {
    match condition {
        Condition::Absent => Precondition::Absent,
        Condition::Any => Precondition::Any,
        Condition::Current => Precondition::Etag(etag(current)),
        Condition::Stale => Precondition::Etag(etag(current + 7)),
    }
}

impl Pair {
    fn new(parts: usize) -> Self {
        let parts = (0..parts).map(|_| Bench::new()).collect();
        Self { parts, model: Model::default(), connections: vec![], calls: vec![], seen: Seen::new() }
    }

    fn part(&mut self, device: usize) -> (usize, &mut Bench) {
        let index = device % self.parts.len();
        (index, &mut self.parts[index])
    }

    /// What the hub has done since the last look, in the model's words.
    fn take_seen(&mut self) -> Seen {
        let mut seen = std::mem::take(&mut self.seen);
        let mut see = |who: String, what: String| seen.entry(who).or_default().push(what);
        for (index, part) in self.parts.iter_mut().enumerate() {
            part.drain();
            let call = |id: CallId| self.calls.iter().position(|call| *call == (index, id)).unwrap();
            for (to, packet) in part.sent.drain(..) {
                let mut what = told(&packet);
                if let Some(rid) = what.strip_prefix("method of rid ") {
                    let id = CallId(u64::from_str_radix(rid, 16).unwrap());
                    what = format!("method of call {}", call(id));
                }
                see(format!("connection {to}"), what);
            }
            // Nothing follows on a connection that was closed: what is sent on one would stand behind this.
            for connection in part.closed.drain(..) {
                see(format!("connection {connection}"), "closed".to_owned());
            }
            for (id, outcome) in part.answers.drain(..) {
                let what = match outcome {
                    Ok(DeviceAnswer { status, .. }) => format!("answer {status}"),
                    Err(refusal) => {
                        let after =
                            refusal.timeout.map_or(String::new(), |after| format!(" after {}", after.as_secs()));
                        format!("{}{after}", refusal.refusal.code.number())
                    }
                };
                see(format!("call {}", call(id)), what);
            }
        }
        seen
    }

    fn service<T>(&mut self, result: Result<T, Refusal>) {
        let what = result.map_or_else(|refusal| refusal.code.number().to_string(), |_| "done".to_owned());
        self.seen.entry("service".to_owned()).or_default().push(what);
    }

    /// The connection that is meant by `back`, and its device.
    fn connection(&self, back: u64) -> Option<(u64, usize)> {
        let connection = (self.connections.len() as u64).checked_sub(back + 1)?;
        Some((connection, self.connections[usize::try_from(connection).unwrap()]))
    }

    fn happen(&mut self, operation: Operation) {
        match operation {
            Operation::Connect { device, clean, keep_alive, life, key } => {
                let (id, connection) = (name(device), self.connections.len() as u64);
                let (_, part) = self.part(device);
                let derived = part.derived(&id);
                let proof = match key {
                    Proof::Primary => derived,
                    Proof::Secondary => derived.derive(&id),
                    Proof::Wrong => Key::from_bytes([9; 32]),
                };
                let mut connect = part.login(&id, &proof, i64::try_from(life).unwrap());
                connect.clean_session = clean;
                connect.keep_alive = keep_alive;
                part.partition.connect(part.now, ConnectionId(connection), &connect, None);
                self.connections.push(device);
                self.model.connect(&id, connection, clean, keep_alive, life, key);
            }
            Operation::Receive { back, packet } => self.receive(back, &packet),
            Operation::Break { back } => {
                let Some((connection, device)) = self.connection(back) else { return };
                let (_, part) = self.part(device);
                part.partition.disconnected(part.now, ConnectionId(connection));
                self.model.disconnected(connection);
            }
            Operation::Write { device, replace, tags, desired, condition } => {
                let id = name(device);
                let precondition = precondition(condition, self.model.etags(&id).0);
                self.model.write(&id, replace, tags.as_ref(), desired.as_ref(), condition);
                let patch = TwinPatch { tags, desired };
                let (_, part) = self.part(device);
                let result = match replace {
                    true => part.partition.replace_twin(part.now, &id, &patch, &precondition),
                    false => part.partition.patch_twin(part.now, &id, &patch, &precondition),
                };
                self.service(result);
            }
            Operation::Create { device, enabled } => {
                let (id, (_, part)) = (name(device), self.part(device));
                let result = part.partition.create(part.now, &id, Registration { enabled, ..Registration::default() });
                self.service(result);
                self.model.create(&id, enabled);
            }
            Operation::Update { device, enabled, condition } => {
                let id = name(device);
                let precondition = precondition(condition, self.model.etags(&id).1);
                let (_, part) = self.part(device);
                let new = Registration { enabled, ..Registration::default() };
                let result = part.partition.update(part.now, &id, new, &precondition);
                self.service(result);
                self.model.update(&id, enabled, condition);
            }
            Operation::Delete { device, condition } => {
                let id = name(device);
                let precondition = precondition(condition, self.model.etags(&id).1);
                let result = self.part(device).1.partition.delete(&id, &precondition);
                self.service(result);
                self.model.delete(&id, condition);
            }
            Operation::Invoke { device, response, connect } => {
                let id = name(device);
                let (index, part) = self.part(device);
                let call = part.invoke(&id, response, connect);
                self.calls.push((index, call));
                self.model.invoke(&id, response, connect);
            }
            Operation::Pass(seconds) => {
                for part in &mut self.parts {
                    part.pass(Duration::from_secs(seconds));
                }
                self.model.pass(seconds);
            }
        }
    }

    fn receive(&mut self, back: u64, arrival: &Arrival) {
        let Some((connection, device)) = self.connection(back) else { return };
        let (mut call, id, (index, _)) = (None, name(device), self.part(device));
        let rid = "r";
        let report = FromDevice::ReportedPatch { rid };
        let publish_one = |topic: FromDevice<'_>, payload: &str| {
            publish(topic.to_string(), QoS::AtLeastOnce, 9, Bytes::copy_from_slice(payload.as_bytes()))
        };
        let filter = |bit: usize| match bit {
            3 => format!("devices/{id}/messages/devicebound/#"),
            bit => TOPICS[bit].to_owned(),
        };
        let filters = |topics: u8| (0..4).filter(move |bit| topics & (1 << bit) != 0).map(filter);
        let packet = match arrival {
            Arrival::Subscribe { topics, foreign } => {
                let foreign = foreign.then(|| "devices/other/messages/devicebound/#".to_owned());
                let filters = filters(*topics).chain(foreign).map(|path| SubscribeFilter::new(path, QoS::ExactlyOnce));
                Packet::Subscribe(Subscribe::new_many(filters))
            }
            Arrival::Unsubscribe { topics } => {
                Packet::Unsubscribe(Unsubscribe { pkid: 3, topics: filters(*topics).collect() })
            }
            Arrival::GetTwin => publish_one(FromDevice::TwinGet { rid }, " "),
            Arrival::Report(patch) => publish_one(report, &Value::from(patch.clone()).to_string()),
            Arrival::Nonsense => publish_one(report, "[1"),
            Arrival::Answer { back, status } => {
                call = self.calls.len().checked_sub(back + 1).filter(|n| self.calls[*n].0 == index);
                let rid = call.map_or_else(|| "none".to_owned(), |n| format!("{:x}", self.calls[n].1.0));
                publish_one(FromDevice::MethodResponse { status: *status, rid: &rid }, "{}")
            }
            Arrival::Telemetry => {
                publish_one(FromDevice::Telemetry { device: &id, module: None, properties: "a=b" }, "x")
            }
            Arrival::Ping => Packet::PingReq,
            Arrival::Disconnect => Packet::Disconnect,
            Arrival::Forbidden(Forbidden::ExactlyOnce) => {
                publish(report.to_string(), QoS::ExactlyOnce, 9, Bytes::new())
            }
            Arrival::Forbidden(Forbidden::UnknownTopic) => publish("a/b".into(), QoS::AtMostOnce, 0, Bytes::new()),
            Arrival::Forbidden(Forbidden::ForeignTelemetry) => {
                publish_one(FromDevice::Telemetry { device: "other", module: None, properties: "" }, "")
            }
            Arrival::Forbidden(Forbidden::SecondConnect) => Packet::Connect(Connect::new("d")),
        };
        let part = &mut self.parts[index];
        part.partition.receive(part.now, ConnectionId(connection), packet);
        self.model.receive(connection, arrival, call);
    }
}

/// What a service reads of a twin, as far as it is not a time or a matter of configuration.
fn read(bench: &Bench, id: &str) -> Option<Value> {
    let mut twin: Value = serde_json::from_str(&bench.partition.twin(id).ok()?).unwrap();
    let identity = bench.partition.identity(id).unwrap();
    for member in ["deviceId", "status", "connectionState"] {
        assert_eq!(identity[member], twin[member], "registry and twin agree");
    }
    assert_eq!(identity["etag"], twin["deviceEtag"]);
    for part in ["desired", "reported"] {
        let metadata = twin["properties"][part].as_object_mut().unwrap().remove("$metadata").unwrap();
        assert!(metadata["$lastUpdated"].is_string(), "{metadata}");
    }
    let kept = ["deviceId", "etag", "deviceEtag", "status", "connectionState", "version", "tags", "properties"];
    twin.as_object_mut().unwrap().retain(|member, _| kept.contains(&member.as_str()));
    Some(twin)
}

impl Pair {
    /// Both have shown the same, and show the same now.
    fn agree(&mut self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.take_seen(), self.model.take_seen());
        for device in 0..DEVICES {
            let (id, (_, part)) = (name(device), self.part(device));
            let document = read(part, &id);
            prop_assert_eq!(document, self.model.document(&id));
        }
        let counts =
            self.parts.iter().map(|part| part.partition.counts()).fold(Counts::default(), |sum, one| sum + one);
        prop_assert_eq!((counts.total, counts.disabled, counts.connected), self.model.counts());
        Ok(())
    }
}

/// Failures are kept beside this file, as model.regressions, and tried first from then on.
fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("regressions");
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(512), failure_persistence: Some(Box::new(persistence)), ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_hub_does_what_a_small_model_of_it_does(parts in 1..4_usize, operations in operations()) {
        let mut pair = Pair::new(parts);
        for operation in operations {
            pair.happen(operation);
            pair.agree()?;
        }
    }
}
