//! Who may connect (1.2, 1.3, 1.6), and one connection for each device (1.7).

use std::time::Duration;

use super::device::{Device, Keys, Session, Subscriptions};
use super::devices::Slot;
use super::registry::Registration;
use super::state::{ConnectionId, Effect, Partition};
use crate::dialect::azure::{SasToken, Username};
use crate::hub::access::Rights;
use crate::hub::identity::HubIdentity;
use crate::hub::warning::excerpt;
use crate::mqtt::{ConnAck, Connect, ConnectReturnCode, Login, Packet};
use crate::time::Nanos;

/// The longest silence that any keep-alive allows (1.5).
const MAX_SILENCE: Duration = Duration::from_secs(1767);

impl Partition {
    /// A device asks to be connected. The answer is sent; on a refusal the connection is closed.
    pub(in crate::hub) fn connect(&mut self, now: Nanos, connection: ConnectionId, connect: &Connect) {
        match self.admit(now, connect) {
            Ok((device, expires)) => self.open(now, connection, connect, device, expires),
            Err(code) => {
                if let Some(times) = self.refused.due(now) {
                    let client = excerpt(&connect.client_id);
                    tracing::warn!(client, ?code, times, "refused an MQTT connection");
                }
                self.emit(Effect::Send { to: connection, packet: Packet::ConnAck(ConnAck::new(code, false)) });
                self.emit(Effect::Close { connection });
            }
        }
    }

    /// The device that may connect, and when its token expires.
    fn admit(&mut self, now: Nanos, connect: &Connect) -> Result<(Slot, Nanos), ConnectReturnCode> {
        let Some(Login { username, password }) = &connect.login else {
            return Err(ConnectReturnCode::BadUserNamePassword);
        };
        let username = Username::parse(username).map_err(|_| ConnectReturnCode::BadUserNamePassword)?;
        let id = username.identity();
        if connect.client_id != id {
            return Err(ConnectReturnCode::BadClientId);
        }
        let token = SasToken::parse(password).map_err(|_| ConnectReturnCode::NotAuthorized)?;
        if token.is_expired(self.wall.at(now)) || !self.identity.is_covered(&token, &username.resource()) {
            return Err(ConnectReturnCode::NotAuthorized);
        }
        let expires = jiff::Timestamp::from_second(token.expiry).map_or(Nanos::MAX, |at| self.wall.moment(at));
        match self.devices.slot(&id) {
            // A module connects for as long as its device may.
            Some(_) if username.module.is_some() && !self.is_enabled(&username.device) => {
                Err(ConnectReturnCode::NotAuthorized)
            }
            Some(slot) => {
                let proves = |device: &Device| proves(&token, device, &self.identity);
                match self.devices.get(slot).filter(|device| device.identity.enabled) {
                    Some(device) if proves(device) => Ok((slot, expires)),
                    _ => Err(ConnectReturnCode::NotAuthorized),
                }
            }
            // Group enrolment: who proves the key that derives from the master key is one of the fleet.
            None if token.policy.is_none()
                && username.module.is_none()
                && !self.deleted.contains(id.as_str())
                && token.is_signed_by(&self.identity.fleet_key.derive(&id)) =>
            {
                let enrolled = Registration { keys: Keys::Derived, ..Registration::default() };
                self.create(now, &id, enrolled).map_err(|_| ConnectReturnCode::ServiceUnavailable)?;
                self.devices.slot(&id).map(|slot| (slot, expires)).ok_or(ConnectReturnCode::ServiceUnavailable)
            }
            None => Err(ConnectReturnCode::NotAuthorized),
        }
    }

    fn is_enabled(&self, id: &str) -> bool {
        self.devices.named(id).is_some_and(|device| device.identity.enabled)
    }

    fn open(&mut self, now: Nanos, connection: ConnectionId, connect: &Connect, slot: Slot, expires: Nanos) {
        let at = self.wall.at(now);
        let Some(device) = self.devices.get_mut(slot) else { return };
        let previous = device.session.take();
        let older = previous.as_ref().and_then(|session| session.connection);
        // 1.5, 1.6: clean session 0 goes on with the subscriptions of the session before.
        let kept = previous.filter(|session| session.persistent && !connect.clean_session);
        // Official SDKs subscribe once and never again: to those of a hub that forgot them by restarting, nothing would
        // come any more.
        let forgotten = (self.identity.restarted && !connect.clean_session).then_some(Subscriptions::USUAL);
        let subscriptions = kept.map(|session| session.subscriptions).or(forgotten);
        let present = subscriptions.is_some();
        device.session = Some(Session {
            connection: Some(connection),
            persistent: !connect.clean_session,
            subscriptions: subscriptions.unwrap_or_default(),
            patience: patience(connect.keep_alive),
            expires,
        });
        device.heard = Some(now);
        device.identity.connection_updated = Some(at);
        if let Some(model) = model_of(connect) {
            device.identity.details.get_or_insert_default().model_id = Some(model);
        }
        // 1.7: the newest connection wins.
        let check = device.next_check(now);
        if let Some(older) = older {
            self.connections.remove(older);
            self.emit(Effect::Close { connection: older });
        }
        self.connections.insert(connection, slot, check);
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

/// 1.3: a token is signed with a key of the device, or with one of a policy that may connect as any device.
fn proves(token: &SasToken, device: &Device, identity: &HubIdentity) -> bool {
    if let Some(policy) = &token.policy {
        let policy = identity.policy(policy).filter(|policy| policy.rights.contains(Rights::DEVICE_CONNECT));
        return policy.is_some_and(|policy| policy.signed(token));
    }
    let (primary, secondary) = device.identity.keys.of(&device.id, &identity.fleet_key);
    token.is_signed_by(&primary) || token.is_signed_by(&secondary)
}

/// The model that the user name of `connect` names; hardly any does, so most are not read again for it.
fn model_of(connect: &Connect) -> Option<String> {
    let login = connect.login.as_ref().filter(|login| login.username.contains("model-id="))?;
    Username::parse(&login.username).ok()?.model_id
}

/// 1.5: one and a half times the keep-alive, capped. Zero turns it off, as MQTT has it.
fn patience(keep_alive: u16) -> Option<Duration> {
    (keep_alive > 0).then(|| (Duration::from_secs(u64::from(keep_alive)) * 3 / 2).min(MAX_SILENCE))
}
