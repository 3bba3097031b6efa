//! What the hub is expected to do, told from the protocol's page alone: small, slow and without any index.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::documents::{legal, merged, size};
use super::operation::{Arrival, Condition, Proof};

/// Everything that a service or a device may see happen, in order for each of them.
pub(super) type Seen = BTreeMap<String, Vec<String>>;

/// The model of a hub.
#[derive(Debug, Default)]
pub(super) struct Model {
    now: u64,
    devices: BTreeMap<String, Device>,
    deleted: BTreeSet<String>,
    /// By the order of the calls.
    calls: BTreeMap<usize, Call>,
    called: usize,
    seen: Seen,
}

#[derive(Debug)]
struct Device {
    enabled: bool,
    device_etag: u64,
    etag: u64,
    version: u64,
    tags: Value,
    desired: (Value, u64),
    reported: (Value, u64),
    session: Option<Session>,
}

#[derive(Debug)]
struct Session {
    connection: Option<u64>,
    persistent: bool,
    /// Bits in the order of [`super::TOPICS`].
    topics: u8,
    heard: u64,
    /// Seconds.
    patience: Option<u64>,
    expires: u64,
}

#[derive(Debug)]
struct Call {
    device: String,
    response: u64,
    connect: u64,
    deadline: u64,
    delivered: bool,
}

const METHODS: u8 = 1;
const ANSWERS: u8 = 2;
const DESIRED: u8 = 4;

impl Model {
    /// What was seen since the last look.
    pub(super) fn take_seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    fn see(&mut self, who: impl Into<String>, what: impl Into<String>) {
        self.seen.entry(who.into()).or_default().push(what.into());
    }

    fn send(&mut self, connection: u64, what: impl Into<String>) {
        self.see(format!("connection {connection}"), what);
    }

    fn service(&mut self, result: Result<(), u32>) {
        self.see("service", result.map_or_else(|code| code.to_string(), |()| "done".to_owned()));
    }

    // 1.2 to 1.7.
    pub(super) fn connect(&mut self, id: &str, connection: u64, clean: bool, keep_alive: u16, life: u64, key: Proof) {
        let known = self.devices.get(id);
        // Group enrolment: an unknown device proves its derived key, of which there is one; a deleted one stays out.
        let proven = match key {
            Proof::Primary => known.map_or(!self.deleted.contains(id), |device| device.enabled),
            Proof::Secondary => known.is_some_and(|device| device.enabled),
            Proof::Wrong => false,
        };
        if !proven || life == 0 {
            self.send(connection, "CONNACK NotAuthorized");
            return self.send(connection, "closed");
        }
        if known.is_none() {
            self.insert(id, true);
        }
        let now = self.now;
        let Some(device) = self.devices.get_mut(id) else { return };
        let old = device.session.take();
        let older = old.as_ref().and_then(|old| old.connection);
        let kept = old.filter(|old| old.persistent && !clean);
        let present = kept.is_some();
        device.session = Some(Session {
            connection: Some(connection),
            persistent: !clean,
            topics: kept.map_or(0, |kept| kept.topics),
            heard: now,
            patience: (keep_alive > 0).then(|| (u64::from(keep_alive) * 3 / 2).min(1767)),
            expires: now + life,
        });
        if let Some(older) = older {
            self.send(older, "closed");
        }
        self.send(connection, if present { "CONNACK Success present" } else { "CONNACK Success" });
        self.deliver_waiting(id);
    }

    /// A socket broke, or is closed by the hub.
    pub(super) fn disconnected(&mut self, connection: u64) {
        let Some(id) = self.holder(connection) else { return };
        let Some(device) = self.devices.get_mut(&id) else { return };
        match &mut device.session {
            Some(session) if session.persistent => session.connection = None,
            session => *session = None,
        }
    }

    fn close(&mut self, connection: u64) {
        self.send(connection, "closed");
        self.disconnected(connection);
    }

    fn holder(&self, connection: u64) -> Option<String> {
        let holds =
            |device: &Device| device.session.as_ref().is_some_and(|session| session.connection == Some(connection));
        self.devices.iter().find(|(_, device)| holds(device)).map(|(id, _)| id.clone())
    }

    pub(super) fn receive(&mut self, connection: u64, packet: &Arrival, call: Option<usize>) {
        let Some(id) = self.holder(connection) else { return };
        let now = self.now;
        let Some(Device { session: Some(session), reported, desired, .. }) = self.devices.get_mut(&id) else { return };
        session.heard = now;
        let listens = session.topics & ANSWERS != 0;
        match packet {
            Arrival::Subscribe { topics, foreign } => {
                session.topics |= topics;
                self.send(connection, format!("SUBACK {} {}", topics.count_ones(), usize::from(*foreign)));
                self.deliver_waiting(&id);
            }
            Arrival::Unsubscribe { topics } => {
                session.topics &= !topics;
                self.send(connection, "UNSUBACK");
            }
            Arrival::GetTwin => {
                let twin = json!({"desired": versioned(desired), "reported": versioned(reported)});
                self.send(connection, "PUBACK");
                if listens {
                    self.send(connection, format!("twin 200 {twin}"));
                }
            }
            Arrival::Report(patch) => {
                let after = merged(&reported.0, patch);
                let taken = legal(patch) && size(&after) <= 32 * 1024;
                if taken {
                    *reported = (after, reported.1 + 1);
                }
                let answer = if taken { format!("twin 204 version {}", reported.1) } else { "twin 400".to_owned() };
                self.send(connection, "PUBACK");
                if listens {
                    self.send(connection, answer);
                }
            }
            Arrival::Nonsense => {
                self.send(connection, "PUBACK");
                if listens {
                    self.send(connection, "twin 400");
                }
            }
            Arrival::Answer { status, .. } => {
                self.send(connection, "PUBACK");
                let asked = |call: &Call| call.delivered && call.device == id;
                if let Some(n) = call.filter(|n| self.calls.get(n).is_some_and(asked)) {
                    self.calls.remove(&n);
                    self.see(format!("call {n}"), format!("answer {status}"));
                }
            }
            Arrival::Telemetry => self.send(connection, "PUBACK"),
            Arrival::Ping => self.send(connection, "PINGRESP"),
            Arrival::Disconnect | Arrival::Forbidden(_) => self.close(connection),
        }
    }

    // 3.3, 3.4.
    pub(super) fn write(
        &mut self,
        id: &str,
        replace: bool,
        tags: Option<&Map<String, Value>>,
        desired: Option<&Map<String, Value>>,
        condition: Condition,
    ) {
        let result = self.try_write(id, replace, tags, desired, condition);
        self.service(result);
    }

    fn try_write(
        &mut self,
        id: &str,
        replace: bool,
        tags: Option<&Map<String, Value>>,
        desired: Option<&Map<String, Value>>,
        condition: Condition,
    ) -> Result<(), u32> {
        let device = self.devices.get_mut(id).ok_or(404_001_u32)?;
        if condition == Condition::Stale {
            return Err(412_001);
        }
        let (none, empty) = (Map::new(), json!({}));
        let base = |present: &Value| if replace { empty.clone() } else { present.clone() };
        let new_tags = merged(&base(&device.tags), tags.unwrap_or(&none));
        let new_desired = merged(&base(&device.desired.0), desired.unwrap_or(&none));
        let fits = size(&new_tags) <= 8 * 1024 && size(&new_desired) <= 32 * 1024;
        if ![tags, desired].into_iter().flatten().all(legal) || !fits {
            return Err(400_004);
        }
        if !replace && tags.is_none() && desired.is_none() {
            return Ok(());
        }
        device.etag += 1;
        device.version += 1;
        device.tags = new_tags;
        let sent = desired.or(replace.then_some(&none));
        let Some(sent) = sent else { return Ok(()) };
        device.desired = (new_desired, device.desired.1 + 1);
        let listener = device.session.as_ref().filter(|session| session.topics & DESIRED != 0);
        if let Some(connection) = listener.and_then(|session| session.connection) {
            let body = versioned(&(sent.clone().into(), device.desired.1));
            self.send(connection, format!("desired {body}"));
        }
        Ok(())
    }

    // 5.
    pub(super) fn create(&mut self, id: &str, enabled: bool) {
        let result = if self.devices.contains_key(id) { Err(409_001) } else { Ok(()) };
        if result.is_ok() {
            self.insert(id, enabled);
        }
        self.service(result);
    }

    fn insert(&mut self, id: &str, enabled: bool) {
        let new = || (json!({}), 1);
        let (tags, desired, reported) = (json!({}), new(), new());
        let device = Device { enabled, device_etag: 1, etag: 1, version: 2, tags, desired, reported, session: None };
        self.devices.insert(id.to_owned(), device);
        self.deleted.remove(id);
    }

    pub(super) fn update(&mut self, id: &str, enabled: bool, condition: Condition) {
        let mut dropped = None;
        let result = match self.devices.get_mut(id) {
            None => Err(404_001),
            Some(_) if condition == Condition::Stale => Err(412_001),
            Some(device) => {
                device.device_etag += 1;
                device.enabled = enabled;
                dropped = device.session.as_ref().and_then(|session| session.connection).filter(|_| !enabled);
                Ok(())
            }
        };
        if let Some(connection) = dropped {
            self.close(connection);
        }
        self.service(result);
    }

    pub(super) fn delete(&mut self, id: &str, condition: Condition) {
        let result = match self.devices.get(id) {
            None => Err(404_001),
            Some(_) if matches!(condition, Condition::Absent | Condition::Stale) => Err(412_001),
            Some(_) => Ok(()),
        };
        if result.is_ok() {
            let device = self.devices.remove(id);
            if let Some(connection) = device.and_then(|device| device.session?.connection) {
                self.send(connection, "closed");
            }
            self.deleted.insert(id.to_owned());
            self.end_calls(|call| call.device == id, |_| "404001".to_owned());
        }
        self.service(result);
    }

    // 2.
    pub(super) fn invoke(&mut self, id: &str, response: u64, connect: u64) {
        let n = self.called;
        self.called += 1;
        let Some(device) = self.devices.get(id) else { return self.see(format!("call {n}"), "404001") };
        if !device.enabled {
            return self.see(format!("call {n}"), "403012");
        }
        if takes_methods(device).is_none() && connect == 0 {
            return self.see(format!("call {n}"), "404103 after 0");
        }
        let deadline = self.now + connect;
        self.calls.insert(n, Call { device: id.to_owned(), response, connect, deadline, delivered: false });
        self.deliver_waiting(id);
    }

    fn deliver_waiting(&mut self, id: &str) {
        let Some(connection) = self.devices.get(id).and_then(takes_methods) else { return };
        let mut delivered = Vec::new();
        for (n, call) in self.calls.iter_mut().filter(|(_, call)| call.device == id && !call.delivered) {
            call.delivered = true;
            call.deadline = self.now + call.response;
            delivered.push(*n);
        }
        for n in delivered {
            self.send(connection, format!("method of call {n}"));
        }
    }

    fn end_calls(&mut self, which: impl Fn(&Call) -> bool, how: impl Fn(&Call) -> String) {
        let ended: Vec<_> =
            self.calls.iter().filter(|(_, call)| which(call)).map(|(n, call)| (*n, how(call))).collect();
        for (n, how) in ended {
            self.calls.remove(&n);
            self.see(format!("call {n}"), how);
        }
    }

    /// Time goes by: calls time out (2.3), silent connections and expired tokens end (1.4, 1.5).
    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.now;
        self.end_calls(
            |call| call.deadline <= now,
            |call| match call.delivered {
                true => format!("504101 after {}", call.response),
                false => format!("404103 after {}", call.connect),
            },
        );
        let over = |session: &Session| {
            session.expires <= now || session.patience.is_some_and(|patience| session.heard + patience <= now)
        };
        let sessions = self.devices.values().filter_map(|device| device.session.as_ref());
        let ended: Vec<u64> =
            sessions.filter(|session| over(session)).filter_map(|session| session.connection).collect();
        for connection in ended {
            self.close(connection);
        }
    }

    /// Etags of twin and identity, as counters, for conditions; of a device that is there.
    pub(super) fn etags(&self, id: &str) -> (u64, u64) {
        self.devices.get(id).map_or((1, 1), |device| (device.etag, device.device_etag))
    }

    /// What a service reads of the device, if it is there.
    pub(super) fn document(&self, id: &str) -> Option<Value> {
        let device = self.devices.get(id)?;
        let connected = device.session.as_ref().is_some_and(|session| session.connection.is_some());
        Some(json!({
            "deviceId": id,
            "etag": crate::hub::twin::etag(device.etag),
            "deviceEtag": crate::hub::twin::etag(device.device_etag),
            "status": if device.enabled { "enabled" } else { "disabled" },
            "connectionState": if connected { "Connected" } else { "Disconnected" },
            "version": device.version,
            "tags": device.tags,
            "properties": {"desired": versioned(&device.desired), "reported": versioned(&device.reported)},
        }))
    }

    /// How many devices there are, are disabled, are connected.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let connected = |device: &&Device| device.session.as_ref().is_some_and(|session| session.connection.is_some());
        let disabled = self.devices.values().filter(|device| !device.enabled).count();
        (self.devices.len(), disabled, self.devices.values().filter(connected).count())
    }
}

fn takes_methods(device: &Device) -> Option<u64> {
    device.session.as_ref().filter(|session| session.topics & METHODS != 0)?.connection
}

fn versioned((document, version): &(Value, u64)) -> Value {
    let mut document = document.clone();
    document["$version"] = (*version).into();
    document
}
