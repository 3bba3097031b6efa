//! What devices send and a throttle holds back (8.3), or the hub's servers have not come to yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::packets::refused;
use super::refusal::Refusal;
use super::state::{ConnectionId, Effect, Partition};
use crate::dialect::azure::{ErrorCode, FromDevice};
use crate::hub::room::Room;
use crate::hub::service::Turn;
use crate::hub::throttle::{Operation, Throttles};
use crate::mqtt::{Packet, PubAck, Publish, QoS};
use crate::policy::Admission;
use crate::time::Nanos;

/// Packets that wait until their throttle lets them through, or a server is done with them, in order of time and then of
/// arrival.
#[derive(Debug, Default)]
pub(super) struct Held {
    packets: BTreeMap<(Nanos, u64), HeldPacket>,
    /// Of each device whose packets are with the servers: when the last is done, and how many there are. What one device
    /// asks of its twin goes on in the order in which it was asked, whichever server is quicker, and whether or not it needs
    /// one.
    served: HashMap<Arc<str>, (Nanos, usize)>,
    room: Room,
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

    /// Whether something of this device is with the servers.
    fn is_served(&self, device: &str) -> bool {
        self.served.contains_key(device)
    }

    /// Keeps a packet until `at`.
    fn keep(&mut self, mut at: Nanos, packet: HeldPacket) {
        if packet.served {
            let (last, count) = self.served.entry(Arc::clone(&packet.device)).or_default();
            at = at.max(*last);
            (*last, *count) = (at, *count + 1);
        }
        self.room.enter(packet.bytes());
        self.last += 1;
        self.packets.insert((at, self.last), packet);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.served.clear();
        self.room = Room::default();
    }

    /// Lets go what waits for a throttle at `now`, in order of arrival; what is with the servers stays there.
    fn let_go(&mut self, now: Nanos) {
        let packets = std::mem::take(&mut self.packets);
        let due = |((at, n), packet): ((Nanos, u64), HeldPacket)| ((if packet.served { at } else { now }, n), packet);
        self.packets = packets.into_iter().map(due).collect();
    }

    fn take_due(&mut self, now: Nanos) -> Option<HeldPacket> {
        let packet = self.packets.first_entry().filter(|entry| entry.key().0 <= now)?.remove();
        self.room.leave(packet.bytes());
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
        // What finds no room is not charged: those that come in vain would make the queue longer for the rest.
        let is_room = self.held.room.is_there(publish.topic.len() + kept(topic, publish).len());
        if !is_room && self.waits_in_any_case(device, topic) {
            self.refuse_full(now, connection, device, topic, publish);
            return true;
        }
        let throttles = self.throttles.in_force();
        match throttles.map_or(Verdict::Pass, |throttles| verdict(throttles, now, topic, is_room)) {
            Verdict::Pass => return self.is_to_be_served(now, connection, device, publish),
            Verdict::Hold(wait) => self.hold(now + wait, connection, device, topic, publish, false),
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

    /// Whether a packet waits even if no throttle makes it wait; so does what asks for a twin, whose queue has no other end.
    fn waits_in_any_case(&self, device: &str, topic: FromDevice<'_>) -> bool {
        match topic {
            FromDevice::TwinGet { .. } => true,
            FromDevice::ReportedPatch { .. } => self.held.is_served(device) || self.serves_reports(),
            _ => false,
        }
    }

    fn serves_reports(&self) -> bool {
        self.servers.as_ref().is_some_and(|servers| servers.serve_it(Operation::TwinUpdate))
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
        let until = match turn {
            Turn::Refused => {
                self.refuse_held(now, connection, device, &Refusal::busy(Operation::TwinUpdate), topic, publish);
                return true;
            }
            Turn::Until(at) => Some(at),
            // What the same device asked before is to be done by then.
            Turn::Unserved => (asks_the_twin && self.held.is_served(device)).then_some(now),
        };
        if let Some(at) = until {
            self.hold(at, connection, device, topic, publish, true);
        }
        if let Some(bytes) = billed(topic, publish) {
            self.bill(now, bytes);
        }
        until.is_some()
    }

    /// Keeps a packet until `at`. There is room for it.
    fn hold(
        &mut self,
        at: Nanos,
        connection: ConnectionId,
        device: &Arc<str>,
        topic: FromDevice<'_>,
        publish: &Publish,
        served: bool,
    ) {
        let publish = Publish { payload: kept(topic, publish), ..publish.clone() };
        let generation = self.devices.named(device).map_or(0, |device| device.identity.generation);
        self.held.keep(at, HeldPacket { connection, device: Arc::clone(device), generation, publish, served });
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

    /// Refuses what waits in any case, for want of room.
    fn refuse_full(
        &mut self,
        now: Nanos,
        connection: ConnectionId,
        device: &str,
        topic: FromDevice<'_>,
        publish: &Publish,
    ) {
        if let FromDevice::TwinGet { .. } = topic {
            // 3.1: refused, it would come again at once.
            tracing::warn!(device, "closed: too many packets wait for the hub's throttles or servers");
            return self.close(now, connection);
        }
        if self.serves_reports() {
            self.servers.iter().for_each(|servers| servers.refuse());
        }
        self.refuse_held(now, connection, device, &Refusal::busy(Operation::TwinUpdate), topic, publish);
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

/// What is kept of a packet's payload while it waits.
fn kept(topic: FromDevice<'_>, publish: &Publish) -> Bytes {
    match topic {
        // Nobody reads it.
        FromDevice::TwinGet { .. } => Bytes::new(),
        _ => publish.payload.clone(),
    }
}

/// What the throttles say to a packet for which there `is_room` to wait or not.
fn verdict(throttles: &Throttles, now: Nanos, topic: FromDevice<'_>, is_room: bool) -> Verdict {
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
        throttles.admit(now, operation, 1, is_room)
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
