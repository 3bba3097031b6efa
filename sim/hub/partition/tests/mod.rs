//! A partition fed by hand: no socket, no clock.

mod connections;
mod credentials;
mod held;
mod methods;
mod model;
mod modules;
mod registry;
mod search;
mod served;
mod telemetry;
mod twins;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::methods::{DeviceAnswer, MethodOutcome, MethodRequest};
use super::{
    CallId, ConnectionId, Credentials, Details, Effect, OwnCredentials, Partition, Precondition, Registration,
};
use crate::dialect::azure::{ErrorCode, FromDevice, FromHub, Key, SasToken};
use crate::hub::certificate::{DeviceCertificate, Thumbprint};
use crate::hub::config::HubDelays;
use crate::hub::identity::HubIdentity;
use crate::hub::query::{Cursor, Plan, parse};
use crate::hub::telemetry::{AuthMethod, Message};
use crate::hub::tracking::TrackingIds;
use crate::hub::twin::{TwinError, TwinPatch};
use crate::mqtt::{
    Connect, ConnectReturnCode, LastWill, Packet, Publish, QoS, Subscribe, SubscribeFilter, SubscribeReasonCode,
    publish,
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
    messages: Vec<Message>,
}

impl Bench {
    fn new() -> Self {
        Self::with_delays(HubDelays::default())
    }

    fn with_delays(delays: HubDelays) -> Self {
        let identity = HubIdentity::generate("h").unwrap();
        let wall = WallClock::new(Timestamp::from_second(1_000_000).unwrap());
        let partition = Partition::new(Arc::new(identity), delays, wall, TrackingIds::new(0));
        Self { partition, now: Nanos::ZERO, sent: vec![], closed: vec![], answers: vec![], messages: vec![] }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.partition.poll() {
            match effect {
                Effect::Send { to, packet } => self.sent.push((to.0, packet)),
                Effect::Close { connection } => self.closed.push(connection.0),
                Effect::Message(message) => self.messages.push(*message),
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
        self.connect_as(connection, connect, None)
    }

    fn connect_as(
        &mut self,
        connection: u64,
        connect: &Connect,
        certificate: Option<&DeviceCertificate>,
    ) -> (ConnectReturnCode, bool) {
        self.partition.connect(self.now, ConnectionId(connection), connect, certificate);
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
        let rows = slice.rows().map(|(_, row)| serde_json::from_str(row).unwrap()).collect();
        (rows, slice.next)
    }
}
