//! What connected devices send.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::device::{Device, Session, Subscriptions, split_id};
use super::devices::Slot;
use super::refusal::Refusal;
use super::state::{ConnectionId, Effect, Partition};
use super::telemetry::Sent;
use crate::dialect::azure::{ErrorCode, FromDevice, FromHub};
use crate::hub::twin::{TwinError, check_digits};
use crate::hub::warning::excerpt;
use crate::mqtt::{Packet, PubAck, Publish, QoS, SubAck, Subscribe, SubscribeReasonCode, UnsubAck, kind, publish};
use crate::time::Nanos;

/// The longest name of a request that an answer repeats, in bytes: SDKs send up to 36.
const MAX_RID: usize = 1024;

impl Partition {
    /// A part of a packet has come in: whoever sends a large one slowly is not silent (1.5).
    pub(in crate::hub) fn heard(&mut self, now: Nanos, connection: ConnectionId) {
        let slot = self.connections.device(connection);
        if let Some(device) = slot.and_then(|slot| self.devices.get_mut(slot)) {
            device.heard = Some(now);
        }
    }

    /// A packet has come in.
    pub(in crate::hub) fn receive(&mut self, now: Nanos, connection: ConnectionId, packet: Packet) {
        let Some(slot) = self.connections.device(connection) else { return };
        let Some(device) = self.devices.get_mut(slot) else { return };
        device.heard = Some(now);
        let id = Arc::clone(&device.id);
        if (self.throttles.in_force().is_some() || self.servers.is_some())
            && self.holds_back(now, connection, &id, &packet)
        {
            return;
        }
        match packet {
            Packet::Publish(publish) => self.published(now, connection, slot, &id, &publish),
            Packet::Subscribe(subscribe) => self.subscribe(now, connection, slot, &id, &subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                self.change_session(slot, |session| {
                    for filter in &unsubscribe.topics {
                        if let Some(topics) = Subscriptions::of_filter(filter, &id) {
                            session.subscriptions.remove(topics);
                        }
                    }
                });
                self.send(connection, Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
            }
            Packet::PingReq => self.send(connection, Packet::PingResp),
            // Nothing is sent at QoS 1, so nothing waits for this.
            Packet::PubAck(_) => {}
            Packet::Disconnect => {
                // 1.5: who takes his leave has no will.
                self.change_session(slot, |session| session.will = None);
                self.close(now, connection);
            }
            // A device connects once. Its second CONNECT holds a token as the first did, so no log shows it.
            Packet::Connect(_) => {
                tracing::debug!(device = &*id, "closed: a second CONNECT on one connection");
                self.close(now, connection);
            }
            other => {
                tracing::debug!(device = &*id, packet = kind(&other), "closed: a packet that no device may send");
                self.close(now, connection);
            }
        }
    }

    pub(super) fn send(&mut self, to: ConnectionId, packet: Packet) {
        self.emit(Effect::Send { to, packet });
    }

    fn change_session(&mut self, slot: Slot, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.devices.get_mut(slot).and_then(|device| device.session.as_mut()) {
            change(session);
        }
    }

    fn subscribe(&mut self, now: Nanos, connection: ConnectionId, slot: Slot, id: &str, subscribe: &Subscribe) {
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        let mut unknown = None;
        self.change_session(slot, |session| {
            for filter in &subscribe.filters {
                codes.push(match Subscriptions::of_filter(&filter.path, id) {
                    Some(topics) => {
                        session.subscriptions.insert(topics);
                        // 1.7: QoS 2 is granted as 1.
                        SubscribeReasonCode::Success(match filter.qos {
                            QoS::ExactlyOnce => QoS::AtLeastOnce,
                            lower => lower,
                        })
                    }
                    None => {
                        unknown = Some(&filter.path);
                        SubscribeReasonCode::Failure
                    }
                });
            }
        });
        // 11.6: no SDK looks at this code, so the log must tell.
        if let Some(filter) = unknown
            && let Some(times) = self.unknown_filter.due(now)
        {
            tracing::warn!(device = id, filter = excerpt(filter), times, "refused to subscribe to an unknown filter");
        }
        self.send(connection, Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
        self.deliver_waiting(now, slot);
    }

    pub(super) fn published(&mut self, now: Nanos, connection: ConnectionId, slot: Slot, id: &str, publish: &Publish) {
        let topic = FromDevice::parse(&publish.topic);
        let legal = match topic {
            Some(FromDevice::Telemetry { device, module, properties }) => {
                (device, module) == split_id(id) && !message(publish, properties).is_too_large()
            }
            Some(
                FromDevice::TwinGet { rid }
                | FromDevice::ReportedPatch { rid }
                | FromDevice::MethodResponse { rid, .. },
            ) => rid.len() <= MAX_RID,
            None => false,
        };
        // 1.7: QoS 2 closes the connection, and so do errors that have no answer.
        if publish.qos == QoS::ExactlyOnce || !legal {
            tracing::debug!(device = id, topic = publish.topic, qos = ?publish.qos, "closed: not to be published here");
            return self.close(now, connection);
        }
        let acknowledgement = (publish.qos == QoS::AtLeastOnce).then(|| Packet::PubAck(PubAck::new(publish.pkid)));
        if let Some(FromDevice::ReportedPatch { rid }) = topic {
            let answer = self.report(now, slot, rid, &publish.payload);
            let delay = self.delays.twin_ack;
            for packet in acknowledgement.into_iter().chain(answer) {
                self.emit_after(now, delay, Effect::Send { to: connection, packet });
            }
            return;
        }
        if let Some(acknowledgement) = acknowledgement {
            self.send(connection, acknowledgement);
        }
        match topic {
            Some(FromDevice::TwinGet { rid }) => {
                self.counters.twin_reads += 1;
                if let Some(answer) = self.twin_for_device(now, slot, rid) {
                    self.emit_after(now, self.delays.twin_read, Effect::Send { to: connection, packet: answer });
                }
            }
            Some(FromDevice::MethodResponse { status, rid }) => self.answered(now, slot, rid, status, &publish.payload),
            Some(FromDevice::Telemetry { properties, .. }) => self.sent(now, slot, message(publish, properties)),
            Some(FromDevice::ReportedPatch { .. }) | None => {}
        }
    }

    /// Merges a patch of the reported properties; the answer goes to those only who subscribed to answers (3.1).
    fn report(&mut self, now: Nanos, slot: Slot, rid: &str, payload: &Bytes) -> Option<Packet> {
        let at = self.wall.at(now);
        let merged = patch(payload).and_then(|patch| {
            let report = |device: &mut Device| -> Result<u64, TwinError> {
                device.twin.reported = device.twin.reported.merged(&patch, at)?;
                Ok(device.twin.reported.version())
            };
            Ok(self.devices.report(slot, report).transpose()?)
        });
        self.counters.twin_update(merged.is_ok());
        self.devices.get(slot)?.subscribed(Subscriptions::TWIN_ANSWERS)?;
        Some(match merged {
            Ok(version) => twin_answer(204, rid, version, Bytes::new()),
            Err(refusal) => refused(&refusal, rid, &self.tracking.issue(), at),
        })
    }

    fn twin_for_device(&self, now: Nanos, slot: Slot, rid: &str) -> Option<Packet> {
        let device = self.devices.get(slot)?;
        device.subscribed(Subscriptions::TWIN_ANSWERS)?;
        let mut body = String::with_capacity(1024);
        device.twin.write_for_device(&mut body);
        self.bill(now, body.len());
        Some(twin_answer(200, rid, None, body.into()))
    }
}

fn message<'a>(publish: &'a Publish, properties: &'a str) -> Sent<'a> {
    Sent { properties, retain: publish.retain, is_will: false, body: &publish.payload }
}

fn patch(payload: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(payload) {
        Ok(Value::Object(patch)) => {
            check_digits(payload)?;
            Ok(patch)
        }
        Ok(_) => Err(TwinError::NotAnObject("properties.reported").into()),
        Err(error) => Err(Refusal::new(ErrorCode::IotHubFormatError, TwinError::Json(error.to_string()).to_string())),
    }
}

/// 3.1: sent at QoS 0, which is safe whatever the device asked for.
pub(in crate::hub) fn twin_answer(status: u16, rid: &str, version: Option<u64>, body: Bytes) -> Packet {
    publish(FromHub::TwinResponse { status, rid, version }.to_string(), QoS::AtMostOnce, 0, body)
}

/// 3.1: always with a body, because the Node SDK takes an error without one for success.
pub(in crate::hub) fn refused(refusal: &Refusal, rid: &str, tracking_id: &str, at: Timestamp) -> Packet {
    let body = refusal.code.flat(&refusal.message, tracking_id, at).to_string();
    twin_answer(refusal.code.status(), rid, None, body.into())
}
