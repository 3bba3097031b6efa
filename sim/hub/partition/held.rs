//! What devices send and a throttle holds back (8.3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::packets::refused;
use super::refusal::Refusal;
use super::state::{ConnectionId, Effect, Partition};
use crate::dialect::azure::{ErrorCode, FromDevice};
use crate::hub::throttle::{Operation, Throttles};
use crate::mqtt::{Packet, PubAck, Publish, QoS};
use crate::policy::Admission;
use crate::time::Nanos;

/// Packets that may be held back, and the bytes in them. What comes on top is refused.
const MAX_PACKETS: usize = 65_536;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Packets that wait until their throttle lets them through, in order of time and then of arrival.
#[derive(Debug, Default)]
pub(super) struct Held {
    packets: BTreeMap<(Nanos, u64), HeldPacket>,
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

    /// Keeps a packet until `at`; `false` if there is no room for it.
    fn keep(&mut self, at: Nanos, packet: HeldPacket) -> bool {
        if !self.has_room(packet.bytes()) {
            return false;
        }
        self.bytes += packet.bytes();
        self.last += 1;
        self.packets.insert((at, self.last), packet);
        true
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }

    fn take_due(&mut self, now: Nanos) -> Option<HeldPacket> {
        let packet = self.packets.first_entry().filter(|entry| entry.key().0 <= now)?.remove();
        self.bytes -= packet.bytes();
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
    /// Whether the throttles keep a packet from being handled now: it waits, or it was refused.
    pub(super) fn holds_back(
        &mut self,
        now: Nanos,
        connection: ConnectionId,
        device: &Arc<str>,
        packet: &Packet,
    ) -> bool {
        // Nobody overtakes what may go on by now.
        self.release_held(now);
        let (Packet::Publish(publish), Some(throttles)) = (packet, self.throttles.in_force()) else { return false };
        let Some(topic) = FromDevice::parse(&publish.topic) else { return false };
        if matches!(topic, FromDevice::TwinGet { .. }) && !self.held.has_room(publish.topic.len()) {
            // Its queue has no other end. It is not charged: those that come in vain would make it longer for the rest.
            self.close_full(now, connection, device);
            return true;
        }
        match verdict(throttles, now, topic, publish) {
            Verdict::Pass => return false,
            Verdict::Hold(wait) => {
                let mut publish = publish.clone();
                if let FromDevice::TwinGet { .. } = topic {
                    // Nobody reads it.
                    publish.payload = Bytes::new();
                }
                let generation = self.devices.named(device).map_or(0, |device| device.identity.generation);
                let packet = HeldPacket { connection, device: Arc::clone(device), generation, publish };
                if !self.held.keep(now + wait, packet) {
                    self.close_full(now, connection, device);
                }
            }
            Verdict::Refuse(operation) => self.refuse_held(now, connection, device, operation, topic, publish),
            Verdict::Drop => {
                tracing::debug!(device = &**device, "closed: the messages of the day are used up (403002)");
                self.close(now, connection);
            }
        }
        true
    }

    /// Bills what a device was sent.
    pub(super) fn bill(&self, now: Nanos, bytes: usize) {
        self.throttles.bill(now, bytes);
    }

    /// Handles what the throttles let go on by now.
    pub(super) fn release_held(&mut self, now: Nanos) {
        while let Some(HeldPacket { connection, device, generation, publish }) = self.held.take_due(now) {
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
        let packets = std::mem::take(&mut self.held.packets);
        self.held.packets = packets.into_values().zip(1..).map(|(packet, n)| ((now, n), packet)).collect();
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
        operation: Operation,
        topic: FromDevice<'_>,
        publish: &Publish,
    ) {
        let FromDevice::ReportedPatch { rid } = topic else {
            // 8.3: telemetry has no answer that could tell.
            let code = ErrorCode::ThrottleBacklogLimitExceeded.number();
            tracing::debug!(device, operation = operation.name(), code, "closed: throttled");
            return self.close(now, connection);
        };
        if publish.qos == QoS::AtLeastOnce {
            self.send(connection, Packet::PubAck(PubAck::new(publish.pkid)));
        }
        let answer = refused(&Refusal::throttled(operation), rid, &self.tracking.issue(), self.wall.at(now));
        self.emit(Effect::Send { to: connection, packet: answer });
    }
}

fn verdict(throttles: &Throttles, now: Nanos, topic: FromDevice<'_>, publish: &Publish) -> Verdict {
    let (operation, bytes) = match topic {
        FromDevice::TwinGet { .. } => (Operation::TwinRead, 0),
        FromDevice::ReportedPatch { .. } => (Operation::TwinUpdate, publish.payload.len()),
        FromDevice::Telemetry { properties, .. } => (Operation::Telemetry, publish.payload.len() + properties.len()),
        // Billed and throttled with its request.
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
        Admission::Refuse { .. } => return Verdict::Refuse(operation),
        // A twin's answer is billed when it is sent, by its size.
        _ if operation == Operation::TwinRead => {}
        _ => throttles.bill(now, bytes),
    }
    if let Admission::Delay(wait) = admission { Verdict::Hold(wait) } else { Verdict::Pass }
}
