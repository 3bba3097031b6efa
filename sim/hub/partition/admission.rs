//! Who may connect (1.2, 1.3, 1.6).

use super::credentials::Credentials;
use super::device::Device;
use super::devices::Slot;
use super::registry::Registration;
use super::state::Partition;
use super::telemetry::{IllegalWill, Will};
use crate::dialect::azure::{SasToken, Username};
use crate::hub::access::Rights;
use crate::hub::certificate::DeviceCertificate;
use crate::hub::telemetry::AuthMethod;
use crate::mqtt::{Connect, ConnectReturnCode, Login};
use crate::time::Nanos;

/// A device that may connect.
pub(super) struct Admitted {
    pub(super) device: Slot,
    /// Whether it has enrolled itself just now.
    pub(super) is_new: bool,
    /// When what it proved itself by is void.
    pub(super) expires: Nanos,
    pub(super) method: AuthMethod,
    /// The model that it names.
    pub(super) model_id: Option<String>,
    pub(super) will: Option<Box<Will>>,
}

/// A device, when what it proved itself by is void, and what that was.
type Proven = (Slot, Nanos, AuthMethod);

impl Partition {
    /// Who asks to be connected, if he may. All that has to do with proofs is refused by the same code, which tells a
    /// stranger nothing.
    pub(super) fn admit(
        &mut self,
        now: Nanos,
        connect: &Connect,
        certificate: Option<&DeviceCertificate>,
    ) -> Result<Admitted, ConnectReturnCode> {
        let Some(Login { username, password }) = &connect.login else {
            return Err(ConnectReturnCode::BadUserNamePassword);
        };
        let username = Username::parse(username).map_err(|_| ConnectReturnCode::BadUserNamePassword)?;
        let id = username.identity();
        if connect.client_id != id {
            return Err(ConnectReturnCode::BadClientId);
        }
        let will = Will::of(connect, &id).map_err(|IllegalWill| ConnectReturnCode::NotAuthorized)?;
        let is_new = self.devices.slot(&id).is_none();
        let (device, expires, method) = self.prove(now, &username, password, certificate)?;
        Ok(Admitted { device, is_new, expires, method, model_id: username.model_id, will })
    }

    /// Whether a client that asks to be connected would be.
    pub(in crate::hub) fn is_proven(
        &mut self,
        now: Nanos,
        connect: &Connect,
        certificate: Option<&DeviceCertificate>,
    ) -> bool {
        self.admit(now, connect, certificate).is_ok()
    }

    /// Who proves to be `username`.
    fn prove(
        &mut self,
        now: Nanos,
        username: &Username,
        password: &str,
        certificate: Option<&DeviceCertificate>,
    ) -> Result<Proven, ConnectReturnCode> {
        let id = username.identity();
        // A module connects for as long as its device may.
        if username.module.is_some() && !self.is_enabled(&username.device) {
            return Err(ConnectReturnCode::NotAuthorized);
        }
        if password.is_empty() {
            return self.admit_certificate(&id, certificate);
        }
        let token = SasToken::parse(password).map_err(|_| ConnectReturnCode::NotAuthorized)?;
        let is_covered =
            self.identity.is_named(&username.host) && self.identity.is_covered(&token, &username.resource());
        if token.is_expired(self.wall.at(now)) || !is_covered {
            return Err(ConnectReturnCode::NotAuthorized);
        }
        let device = match self.devices.slot(&id) {
            None if username.module.is_none() => self.enrol(now, &id, &token)?,
            None => return Err(ConnectReturnCode::NotAuthorized),
            Some(slot) => {
                let device = self.devices.get(slot).filter(|device| self.is_proof(&token, device));
                device.map(|_| slot).ok_or(ConnectReturnCode::NotAuthorized)?
            }
        };
        let expires = jiff::Timestamp::from_second(token.expiry).map_or(Nanos::MAX, |at| self.wall.moment(at));
        let method = if token.policy.is_some() { AuthMethod::Policy } else { AuthMethod::Key };
        Ok((device, expires, method))
    }

    /// 1.2: with X.509 there is no password.
    fn admit_certificate(
        &self,
        id: &str,
        certificate: Option<&DeviceCertificate>,
    ) -> Result<Proven, ConnectReturnCode> {
        let certificate = certificate.ok_or(ConnectReturnCode::NotAuthorized)?;
        let accepts = |device: &Device| device.identity.enabled && device.identity.credentials.accept(certificate, id);
        let slot = self.devices.slot(id).filter(|slot| self.devices.get(*slot).is_some_and(accepts));
        let device = slot.ok_or(ConnectReturnCode::NotAuthorized)?;
        // TLS has looked at the certificate's dates, and the connection is not asked to show it again.
        Ok((device, Nanos::MAX, AuthMethod::Certificate))
    }

    /// 1.3: a token is signed with a key of the device, or with one of a policy that may connect as any device. Neither
    /// opens a device that is to show a certificate.
    fn is_proof(&self, token: &SasToken, device: &Device) -> bool {
        let credentials = &device.identity.credentials;
        let is_signed = match &token.policy {
            None => credentials.signed(token, &device.id, &self.identity.fleet_key),
            Some(name) => self
                .identity
                .policy(name)
                .is_some_and(|policy| policy.rights.contains(Rights::DEVICE_CONNECT) && policy.signed(token)),
        };
        device.identity.enabled && credentials.are_keys() && is_signed
    }

    /// Group enrolment: who proves the key that derives from the master key is one of the fleet.
    fn enrol(&mut self, now: Nanos, id: &str, token: &SasToken) -> Result<Slot, ConnectReturnCode> {
        let is_one = token.policy.is_none() && token.is_signed_by(&self.identity.fleet_key.derive(id));
        if !is_one || self.deleted.contains(id) {
            return Err(ConnectReturnCode::NotAuthorized);
        }
        let enrolled = Registration { credentials: Credentials::Derived, ..Registration::default() };
        self.create(now, id, enrolled).map_err(|_| ConnectReturnCode::ServiceUnavailable)?;
        self.devices.slot(id).ok_or(ConnectReturnCode::ServiceUnavailable)
    }

    fn is_enabled(&self, id: &str) -> bool {
        self.devices.named(id).is_some_and(|device| device.identity.enabled)
    }
}
