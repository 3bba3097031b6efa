//! Direct methods (2).

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::value::RawValue;

use super::device::Subscriptions;
use super::devices::Slot;
use super::refusal::Refusal;
use super::state::{CallId, Effect, Partition};
use crate::dialect::azure::{ErrorCode, FromHub};
use crate::mqtt::{Packet, QoS, publish};
use crate::time::Nanos;

/// The largest payload, each way, in bytes (2.2).
pub(in crate::hub) const MAX_PAYLOAD: usize = 128 * 1024;
/// Calls that one device may have in flight. That there is a limit is known, its number is not (2.1).
const MAX_IN_FLIGHT: u32 = 100;
/// What may stand in a method's name but not in a topic.
const NOT_IN_TOPIC: &AsciiSet = &CONTROLS.add(b'#').add(b'+').add(b'%');

/// A method call, with its limits checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct MethodRequest {
    pub(in crate::hub) name: String,
    /// JSON; empty if the caller gave no payload.
    pub(in crate::hub) payload: Bytes,
    /// How long the hub waits for an answer.
    pub(in crate::hub) response_timeout: Duration,
    /// How long the hub waits for the device to be there.
    pub(in crate::hub) connect_timeout: Duration,
}

/// How a call ended.
pub(in crate::hub) type MethodOutcome = Result<DeviceAnswer, MethodRefusal>;

/// What the device answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct DeviceAnswer {
    pub(in crate::hub) status: i64,
    /// JSON.
    pub(in crate::hub) payload: String,
}

/// Why there is no answer, and the timeout that the hub names with it (2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct MethodRefusal {
    pub(in crate::hub) refusal: Refusal,
    pub(in crate::hub) timeout: Option<Duration>,
}

impl From<Refusal> for MethodRefusal {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, timeout: None }
    }
}

/// The calls of a partition that have not ended.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: HashMap<CallId, Call>,
    deadlines: BTreeSet<(Nanos, CallId)>,
    last: u64,
}

#[derive(Debug)]
struct Call {
    device: Slot,
    deadline: Nanos,
    request: MethodRequest,
    /// Whether the device has got the request.
    delivered: bool,
}

impl Calls {
    pub(super) fn next_deadline(&self) -> Nanos {
        self.deadlines.first().map_or(Nanos::MAX, |(deadline, _)| *deadline)
    }

    fn insert(&mut self, id: CallId, call: Call) {
        self.deadlines.insert((call.deadline, id));
        self.open.insert(id, call);
    }

    fn remove(&mut self, id: CallId) -> Option<Call> {
        let call = self.open.remove(&id)?;
        self.deadlines.remove(&(call.deadline, id));
        Some(call)
    }

    /// The calls of a device that fulfil `condition`, oldest first.
    fn of(&self, device: Slot, condition: impl Fn(&Call) -> bool) -> Vec<CallId> {
        let mut calls: Vec<CallId> =
            self.open.iter().filter(|(_, call)| call.device == device && condition(call)).map(|(id, _)| *id).collect();
        calls.sort_unstable();
        calls
    }
}

impl Partition {
    /// Calls a method of the device `id`. The answer comes as an effect, at once or by the timeout.
    pub(in crate::hub) fn invoke(&mut self, now: Nanos, id: &str, request: MethodRequest) -> CallId {
        self.calls.last += 1;
        let call = CallId(self.calls.last);
        if let Err(refusal) = self.start(now, call, id, request) {
            self.emit(Effect::Answer { call, outcome: Err(refusal) });
        }
        call
    }

    fn start(&mut self, now: Nanos, call: CallId, id: &str, request: MethodRequest) -> Result<(), MethodRefusal> {
        let slot = self.devices.slot(id).ok_or_else(|| Refusal::unknown(id))?;
        let device = self.devices.get_mut(slot).ok_or_else(|| Refusal::unknown(id))?;
        if !device.identity.enabled {
            return Err(Refusal::new(ErrorCode::DeviceDisabled, format!("device `{id}` is disabled")).into());
        }
        // 2.1: requests are not queued unless the caller is ready to wait for the device.
        if device.subscribed(Subscriptions::METHODS).is_none() && request.connect_timeout.is_zero() {
            return Err(not_online(id, Duration::ZERO));
        }
        if device.calls >= MAX_IN_FLIGHT {
            let message = format!("device `{id}` has {MAX_IN_FLIGHT} method calls in flight");
            return Err(Refusal::new(ErrorCode::DeviceMaximumInflightMethodExceeded, message).into());
        }
        device.calls += 1;
        let deadline = now + request.connect_timeout;
        self.calls.insert(call, Call { device: slot, deadline, request, delivered: false });
        self.deliver(now, call);
        Ok(())
    }

    /// Delivers what waited for a device to connect and subscribe.
    pub(super) fn deliver_waiting(&mut self, now: Nanos, device: Slot) {
        if self.devices.get(device).is_some_and(|device| device.calls > 0) {
            for call in self.calls.of(device, |call| !call.delivered) {
                self.deliver(now, call);
            }
        }
    }

    /// Ends all calls of the device `id`, which is about to be removed.
    pub(super) fn end_calls(&mut self, device: Slot, id: &str) {
        for call in self.calls.of(device, |_| true) {
            self.calls.remove(call);
            self.emit(Effect::Answer { call, outcome: Err(Refusal::unknown(id).into()) });
        }
    }

    /// Ends all calls: the hub goes down. Only the hub's own jobs are still there to hear of it.
    pub(super) fn abandon_calls(&mut self) {
        let mut calls: Vec<CallId> = self.calls.open.keys().copied().collect();
        calls.sort_unstable();
        for call in calls {
            self.end_call(call);
            let refusal = Refusal::new(ErrorCode::ServiceUnavailable, "the hub went down");
            self.emit(Effect::Answer { call, outcome: Err(refusal.into()) });
        }
    }

    fn deliver(&mut self, now: Nanos, id: CallId) {
        let Some(device) = self.calls.open.get(&id).and_then(|call| self.devices.get(call.device)) else { return };
        let Some(connection) = device.subscribed(Subscriptions::METHODS) else { return };
        let Some(mut call) = self.calls.remove(id) else { return };
        let payload = std::mem::take(&mut call.request.payload);
        let delay = self.delays.method_request;
        let request = Effect::Send { to: connection, packet: call_packet(&call.request.name, id, payload) };
        self.emit_after(now, delay, request);
        call.delivered = true;
        call.deadline = now + delay + call.request.response_timeout;
        self.calls.insert(id, call);
    }

    /// A device has answered a call. Late answers, and answers to calls of others, are dropped (2.1).
    pub(super) fn answered(&mut self, now: Nanos, device: Slot, rid: &str, status: i64, payload: &[u8]) {
        let Some(call_id) = call_of(rid) else { return };
        if !self.calls.open.get(&call_id).is_some_and(|call| call.delivered && call.device == device) {
            tracing::debug!(device = self.id_of(device), rid, "dropped a late or unasked method answer");
            return;
        }
        let payload = match payload {
            [] => "null".to_owned(),
            payload if payload.len() > MAX_PAYLOAD => {
                tracing::warn!(
                    device = self.id_of(device),
                    bytes = payload.len(),
                    "dropped a method answer of more than 128 KB"
                );
                return;
            }
            payload => match serde_json::from_slice::<&RawValue>(payload) {
                Ok(json) => json.get().to_owned(),
                Err(error) => {
                    tracing::warn!(device = self.id_of(device), %error, "dropped a method answer that is not JSON");
                    return;
                }
            },
        };
        self.end_call(call_id);
        let outcome = Ok(DeviceAnswer { status, payload });
        self.emit_after(now, self.delays.method_answer, Effect::Answer { call: call_id, outcome });
    }

    /// Ends the calls whose time is over.
    pub(super) fn expire_calls(&mut self, now: Nanos) {
        while let Some(&(deadline, id)) = self.calls.deadlines.first() {
            if deadline > now {
                return;
            }
            let Some(call) = self.end_call(id) else { return };
            let id_of = self.id_of(call.device);
            let refusal = if call.delivered {
                no_answer(id_of, &call.request)
            } else {
                not_online(id_of, call.request.connect_timeout)
            };
            self.emit(Effect::Answer { call: id, outcome: Err(refusal) });
        }
    }

    fn id_of(&self, device: Slot) -> &str {
        self.devices.get(device).map_or("", |device| &device.id)
    }

    fn end_call(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(id)?;
        if let Some(device) = self.devices.get_mut(call.device) {
            device.calls = device.calls.saturating_sub(1);
        }
        Some(call)
    }
}

/// What tells a device that it is called.
pub(in crate::hub) fn call_packet(name: &str, call: CallId, payload: Bytes) -> Packet {
    let rid = format!("{:x}", call.0);
    let name = utf8_percent_encode(name, NOT_IN_TOPIC).to_string();
    // 2.1: at QoS 0.
    publish(FromHub::Method { name: &name, rid: &rid }.to_string(), QoS::AtMostOnce, 0, payload)
}

/// The call that a device answers; `None` if it is none of this hub's.
pub(in crate::hub) fn call_of(rid: &str) -> Option<CallId> {
    u64::from_str_radix(rid, 16).ok().map(CallId)
}

/// A device is not there to be called.
pub(in crate::hub) fn not_online(id: &str, timeout: Duration) -> MethodRefusal {
    let message = format!("device `{id}` is not connected or does not take method calls");
    MethodRefusal { refusal: Refusal::new(ErrorCode::DeviceNotOnline, message), timeout: Some(timeout) }
}

/// A device that was called did not answer.
pub(in crate::hub) fn no_answer(id: &str, request: &MethodRequest) -> MethodRefusal {
    let message = format!("device `{id}` did not answer in time");
    let timeout = Some(request.response_timeout);
    MethodRefusal { refusal: Refusal::new(ErrorCode::GatewayTimeout, message), timeout }
}
