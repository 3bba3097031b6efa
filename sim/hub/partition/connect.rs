//! Sessions (1.5, 1.6), and one connection for each device (1.7).

use std::time::Duration;

use super::admission::Admitted;
use super::device::{Session, Subscriptions};
use super::state::{ConnectionId, Effect, Partition};
use crate::hub::certificate::DeviceCertificate;
use crate::hub::warning::excerpt;
use crate::mqtt::{ConnAck, Connect, ConnectReturnCode, Packet};
use crate::time::Nanos;

/// How long after its start a hub that restarted takes a device for one that it knew before. SDKs come back within
/// minutes; who comes later is more likely to be new.
const COME_BACK: Duration = Duration::from_secs(600);

impl Partition {
    /// A device asks to be connected, over TLS perhaps with a certificate. The answer is sent; on a refusal the
    /// connection is closed.
    pub(in crate::hub) fn connect(
        &mut self,
        now: Nanos,
        connection: ConnectionId,
        connect: &Connect,
        certificate: Option<&DeviceCertificate>,
    ) {
        match self.admit(now, connect, certificate) {
            Ok(admitted) => self.open(now, connection, connect, admitted),
            Err(code) => {
                self.counters.refused_connect(code);
                if let Some(times) = self.refused.due(now) {
                    let client = excerpt(&connect.client_id);
                    tracing::warn!(client, ?code, times, "refused an MQTT connection");
                }
                self.emit(Effect::Send { to: connection, packet: Packet::ConnAck(ConnAck::new(code, false)) });
                self.emit(Effect::Close { connection });
            }
        }
    }

    fn open(&mut self, now: Nanos, connection: ConnectionId, connect: &Connect, admitted: Admitted) {
        let Admitted { device: slot, is_new, expires, method, model_id, will } = admitted;
        let at = self.wall.at(now);
        let Some(device) = self.devices.get_mut(slot) else { return };
        let mut previous = device.session.take();
        let last_will = previous.as_mut().and_then(|session| session.will.take());
        let older = previous.as_ref().and_then(|session| session.connection);
        // 1.5, 1.6: clean session 0 goes on with the subscriptions of the session before.
        let kept = previous.filter(|session| session.persistent && !connect.clean_session);
        // Official SDKs subscribe once and never again: to those of a hub that forgot them by restarting, nothing would
        // come any more. Whoever enrols himself now may be one of them, and at most once.
        let is_back = self.identity.restarted && is_new && now.since(Nanos::ZERO) < COME_BACK;
        let forgotten = (is_back && !connect.clean_session).then_some(Subscriptions::USUAL);
        let subscriptions = kept.map(|session| session.subscriptions).or(forgotten);
        let present = subscriptions.is_some();
        device.session = Some(Session {
            connection: Some(connection),
            persistent: !connect.clean_session,
            subscriptions: subscriptions.unwrap_or_default(),
            keep_alive: connect.keep_alive,
            will,
            expires,
            method,
        });
        device.heard = Some(now);
        device.identity.connection_updated = Some(at);
        if model_id.is_some() {
            device.identity.details.get_or_insert_default().model_id = model_id;
        }
        // 1.7: the newest connection wins.
        let check = device.next_check(now);
        if let Some(older) = older {
            self.connections.remove(older);
            self.emit(Effect::Close { connection: older });
            self.execute(now, slot, last_will);
        }
        self.connections.insert(connection, slot, check);
        self.counters.connects += 1;
        let accepted = ConnAck::new(ConnectReturnCode::Success, present);
        self.emit(Effect::Send { to: connection, packet: Packet::ConnAck(accepted) });
        self.deliver_waiting(now, slot);
    }

    /// A connection is over. Calls that wait for an answer of its device run to their timeout.
    pub(in crate::hub) fn disconnected(&mut self, now: Nanos, connection: ConnectionId) {
        let Some(slot) = self.connections.remove(connection) else { return };
        let at = self.wall.at(now);
        let Some(device) = self.devices.get_mut(slot) else { return };
        if device.connection() != Some(connection) {
            return;
        }
        device.identity.connection_updated = Some(at);
        let will = device.session.as_mut().and_then(|session| session.will.take());
        self.execute(now, slot, will);
        let Some(device) = self.devices.get_mut(slot) else { return };
        match &mut device.session {
            Some(session) if session.persistent => session.connection = None,
            session => *session = None,
        }
    }

    /// Closes connections that were silent for too long, or whose token has expired (1.4, 1.5).
    pub(super) fn check_connections(&mut self, now: Nanos) {
        while let Some((connection, slot)) = self.connections.due(now) {
            let device = self.devices.get(slot);
            match device.map(|device| device.next_check(now)) {
                Some(later) if later > now => self.connections.insert(connection, slot, later),
                _ => {
                    tracing::debug!(
                        device = device.map(|device| &*device.id),
                        "closed: token expired or silent beyond its keep-alive"
                    );
                    self.close(now, connection);
                }
            }
        }
    }

    /// Devices connected at present, modules left out.
    pub(in crate::hub) fn connected(&self) -> usize {
        if self.devices.modules() == 0 {
            return self.connections.len();
        }
        let devices = self.connections.devices().filter_map(|slot| self.devices.get(slot));
        devices.filter(|device| !device.is_module()).count()
    }
}
