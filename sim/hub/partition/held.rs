//! What devices send and a throttle holds back (8.3), or the hub's servers have not come to yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::packets::refused;
use super::refusal::Refusal;
use super::state::{ConnectionId, Effect, Partition};
use crate::dialect::azure::{ErrorCode, FromDevice};
use crate::hub::service::Turn;
use crate::hub::throttle::{Operation, Throttles};
use crate::mqtt::{Packet, PubAck, Publish, QoS};
use crate::policy::Admission;
use crate::time::Nanos;

/// Packets that may be held back, and the bytes in them. What comes on top is refused.
const MAX_PACKETS: usize = 65_536;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Packets that wait until their throttle lets them through, or a server is done with them, in order of time and then of
/// arrival.
#[derive(Debug, Default)]
pub(super) struct Held {
    packets: BTreeMap<(Nanos, u64), HeldPacket>,
    /// Of each device whose packets are with the servers: when the last is done, and how many there are. What one device
    /// asks of its twin goes on in the order in which it was asked, whichever server is quicker, and whether or not it needs
    /// one.
    served: HashMap<Arc<str>, (Nanos, usize)>,
    bytes: usize,
    last: u64,
}

#[derive(Debug)]
struct HeldPacket {
    connection: ConnectionId,
    /// Whose it is. The connection may be gone when its time has come, and even the device.
    device: Arc<str>,
    /// Tells it from a later one of the same id, which has said nothing of this.
    generation: u64,
    publish: Publish,
    /// Whether it is with the servers, or behind another that is. What waits for a throttle comes to them afterwards.
    served: bool,
}

impl HeldPacket {
    fn bytes(&self) -> usize {
        self.publish.topic.len() + self.publish.payload.len()
    }
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// When the first one may go on.
    pub(super) fn next_due(&self) -> Nanos {
        self.packets.first_key_value().map_or(Nanos::MAX, |((at, _), _)| *at)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.packets.len() < MAX_PACKETS && self.bytes + bytes <= MAX_BYTES
    }

    /// Whether something of this device is with the servers.
    fn is_served(&self, device: &str) -> bool {
        self.served.contains_key(device)
    }

    /// Keeps a packet until `at`; `false` if there is no room for it.
    fn keep(&mut self, mut at: Nanos, packet: HeldPacket) -> bool {
        if !self.has_room(packet.bytes()) {
            return false;
        }
        if packet.served {
            let (last, count) = self.served.entry(Arc::clone(&packet.device)).or_default();
            at = at.max(*last);
            (*last, *count) = (at, *count + 1);
        }
        self.bytes += packet.bytes();
        self.last += 1;
        self.packets.insert((at, self.last), packet);
        true
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.served.clear();
        self.bytes = 0;
    }

    /// Lets go what waits for a throttle at `now`, in order of arrival; what is with the servers stays there.
    fn let_go(&mut self, now: Nanos) {
        let packets = std::mem::take(&mut self.packets);
        let due = |((at, n), packet): ((Nanos, u64), HeldPacket)| ((if packet.served { at } else { now }, n), packet);
        self.packets = packets.into_iter().map(due).collect();
    }

    fn take_due(&mut self, now: Nanos) -> Option<HeldPacket> {
        let packet = self.packets.first_entry().filter(|entry| entry.key().0 <= now)?.remove();
        self.bytes -= packet.bytes();
        if packet.served
            && let Some((_, count)) = self.served.get_mut(&packet.device)
        {
            *count -= 1;
            if *count == 0 {
                self.served.remove(&packet.device);
            }
        }
        Some(packet)
    }
}

/// What the throttles say to a packet.
enum Verdict {
    Pass,
    Hold(Duration),
    Refuse(Operation),
    /// The day's messages are used up.
    Drop,
}

impl Partition {
    /// Whether the throttles or the servers keep a packet from being handled now: it waits, or it was refused.
    pub(super) fn holds_back(
        &mut self,
        now: Nanos,
        connection: ConnectionId,
        device: &Arc<str>,
        packet: &Packet,
    ) -> bool {
        // Nobody overtakes what may go on by now.
        self.release_held(now);
        let Packet::Publish(publish) = packet else { return false };
        let Some(topic) = FromDevice::parse(&publish.topic) else { return false };
        if matches!(topic, FromDevice::TwinGet { .. }) && !self.held.has_room(publish.topic.len()) {
            // Its queue has no other end. It is not charged: those that come in vain would make it longer for the rest.
            self.close_full(now, connection, device);
            return true;
        }
        let verdict = self.throttles.in_force().map_or(Verdict::Pass, |throttles| verdict(throttles, now, topic));
        match verdict {
            Verdict::Pass => return self.is_to_be_served(now, connection, device, publish),
            Verdict::Hold(wait) => _ = self.hold(now, now + wait, connection, device, publish, false),
            Verdict::Refuse(operation) => {
                self.refuse_held(now, connection, device, &Refusal::throttled(operation), topic, publish);
            }
            Verdict::Drop => {
                tracing::debug!(device = &**device, "closed: the messages of the day are used up (403002)");
                self.close(now, connection);
            }
        }
        true
    }

    /// Whether a packet that the throttles let through waits for a server of the hub, or is refused because too much does.
    /// If it is not refused, it is billed.
    fn is_to_be_served(&mut self, now: Nanos, connection: ConnectionId, device: &Arc<str>, publish: &Publish) -> bool {
        let Some(topic) = FromDevice::parse(&publish.topic) else { return false };
        let turn = match (&self.servers, topic) {
            // Nobody refuses it, as with a throttle.
            (Some(servers), FromDevice::TwinGet { .. }) => servers.serve_patiently(now, Operation::TwinRead),
            (Some(servers), FromDevice::ReportedPatch { .. }) => servers.serve(now, Operation::TwinUpdate),
            _ => Turn::Unserved,
        };
        let asks_the_twin = matches!(topic, FromDevice::TwinGet { .. } | FromDevice::ReportedPatch { .. });
        let (waits, goes_on) = match turn {
            Turn::Refused => {
                self.refuse_held(now, connection, device, &Refusal::busy(Operation::TwinUpdate), topic, publish);
                (true, false)
            }
            Turn::Until(at) => (true, self.hold(now, at, connection, device, publish, true)),
            // What the same device asked before is to be done by then.
            Turn::Unserved if asks_the_twin && self.held.is_served(device) => {
                (true, self.hold(now, now, connection, device, publish, true))
            }
            Turn::Unserved => (false, true),
        };
        if goes_on && let Some(bytes) = billed(topic, publish) {
            self.bill(now, bytes);
        }
        waits
    }

    /// Keeps a packet until `at`, or closes its connection if there is no room: whether it is kept.
    fn hold(
        &mut self,
        now: Nanos,
        at: Nanos,
        connection: ConnectionId,
        device: &Arc<str>,
        publish: &Publish,
        served: bool,
    ) -> bool {
        let mut publish = publish.clone();
        if let Some(FromDevice::TwinGet { .. }) = FromDevice::parse(&publish.topic) {
            // Nobody reads it.
            publish.payload = Bytes::new();
        }
        let generation = self.devices.named(device).map_or(0, |device| device.identity.generation);
        let packet = HeldPacket { connection, device: Arc::clone(device), generation, publish, served };
        let is_kept = self.held.keep(at, packet);
        if !is_kept {
            self.close_full(now, connection, device);
        }
        is_kept
    }

    /// Bills so many bytes of what a device has sent or was sent.
    pub(super) fn bill(&self, now: Nanos, bytes: usize) {
        self.throttles.bill(now, bytes);
    }

    /// Handles what the throttles and the servers let go on by now.
    pub(super) fn release_held(&mut self, now: Nanos) {
        while let Some(HeldPacket { connection, device, generation, publish, served }) = self.held.take_due(now) {
            if !served && self.is_to_be_served(now, connection, &device, &publish) {
                continue;
            }
            let Some(slot) = self.devices.slot(&device) else { continue };
            if self.devices.get(slot).is_none_or(|device| device.identity.generation != generation) {
                continue;
            }
            // Who has gone without waiting for an answer needs none; what he has said is done all the same.
            let is_there = self.connections.device(connection) == Some(slot);
            if is_there || !matches!(FromDevice::parse(&publish.topic), Some(FromDevice::TwinGet { .. })) {
                self.published(now, connection, slot, &device, &publish);
            }
        }
    }

    /// A limit was lifted: what waits goes on at once, so that nothing overtakes it.
    pub(in crate::hub) fn release_all(&mut self, now: Nanos) {
        self.held.let_go(now);
        self.release_held(now);
    }

    fn close_full(&mut self, now: Nanos, connection: ConnectionId, device: &str) {
        tracing::warn!(device, "closed: too many packets wait for the hub's throttles");
        self.close(now, connection);
    }

    fn refuse_held(
        &mut self,
        now: Nanos,
        connection: ConnectionId,
        device: &str,
        refusal: &Refusal,
        topic: FromDevice<'_>,
        publish: &Publish,
    ) {
        let FromDevice::ReportedPatch { rid } = topic else {
            // 8.3: telemetry has no answer that could tell.
            let code = ErrorCode::ThrottleBacklogLimitExceeded.number();
            tracing::debug!(device, code, "closed: {refusal}");
            return self.close(now, connection);
        };
        if publish.qos == QoS::AtLeastOnce {
            self.send(connection, Packet::PubAck(PubAck::new(publish.pkid)));
        }
        let answer = refused(refusal, rid, &self.tracking.issue(), self.wall.at(now));
        self.emit(Effect::Send { to: connection, packet: answer });
    }
}

fn verdict(throttles: &Throttles, now: Nanos, topic: FromDevice<'_>) -> Verdict {
    let operation = match topic {
        FromDevice::TwinGet { .. } => Operation::TwinRead,
        FromDevice::ReportedPatch { .. } => Operation::TwinUpdate,
        FromDevice::Telemetry { .. } => Operation::Telemetry,
        // Throttled with its request.
        _ => return Verdict::Pass,
    };
    if !throttles.has_quota(now) {
        return Verdict::Drop;
    }
    let admission = if operation == Operation::TwinRead {
        // 3.1: who is refused the twin asks again at once, without end; so nobody is.
        match throttles.admit_patiently(now, operation) {
            Duration::ZERO => Admission::Now,
            wait => Admission::Delay(wait),
        }
    } else {
        throttles.admit(now, operation, 1)
    };
    match admission {
        Admission::Refuse { .. } => Verdict::Refuse(operation),
        Admission::Delay(wait) => Verdict::Hold(wait),
        Admission::Now => Verdict::Pass,
    }
}

/// Bytes of a packet that are billed; `None` if it is free itself.
fn billed(topic: FromDevice<'_>, publish: &Publish) -> Option<usize> {
    match topic {
        FromDevice::ReportedPatch { .. } => Some(publish.payload.len()),
        FromDevice::Telemetry { properties, .. } => Some(publish.payload.len() + properties.len()),
        // A twin's answer is billed when it is sent, by its size, and a method's with its request.
        FromDevice::TwinGet { .. } | FromDevice::MethodResponse { .. } => None,
    }
}
