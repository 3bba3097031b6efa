//! Who may use the service side (1.3, 10): the policy `service`.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use crate::dialect::azure::{ErrorCode, SasToken};
use crate::hub::config::{HubIdentity, SERVICE_POLICY};
use crate::hub::partition::Refusal;

/// Lets services in.
pub(super) struct Door {
    identity: Arc<HubIdentity>,
    /// The header that was verified last, and its token: a service shows the same one again and again, and each
    /// signature costs as much as the rest of a small request.
    verified: RefCell<Option<(String, SasToken)>>,
}

impl Door {
    /// The door of the hub `identity`.
    pub(super) const fn new(identity: Arc<HubIdentity>) -> Self {
        Self { identity, verified: RefCell::new(None) }
    }

    /// Checks the header `Authorization` of a request for `path` (without its first slash).
    pub(super) fn admit(&self, header: Option<&str>, path: &str, at: Timestamp) -> Result<(), Refusal> {
        let Some(header) = header else { return refuse("the header Authorization is missing") };
        let mut verified = self.verified.borrow_mut();
        if let Some((known, token)) = &*verified
            && bool::from(known.as_bytes().ct_eq(header.as_bytes()))
        {
            return self.opens(token, path, at);
        }
        let Ok(token) = SasToken::parse(header) else { return refuse("the token is unreadable") };
        if token.policy.as_deref() != Some(SERVICE_POLICY) {
            return refuse("the token is not one of the policy `service`");
        }
        self.opens(&token, path, at)?;
        if !token.is_signed_by(&self.identity.service_key) {
            return refuse("the token's signature is wrong");
        }
        *verified = Some((header.to_owned(), token));
        Ok(())
    }

    /// Whether `token`, whoever signed it, is for `path` and still valid.
    fn opens(&self, token: &SasToken, path: &str, at: Timestamp) -> Result<(), Refusal> {
        if !token.covers(&self.identity.host, path) {
            return refuse("the token is for another resource");
        }
        if token.is_expired(at) {
            return refuse("the token has expired");
        }
        Ok(())
    }
}

fn refuse(why: &str) -> Result<(), Refusal> {
    Err(Refusal::new(ErrorCode::IotHubUnauthorizedAccess, format!("unauthorized: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::azure::Key;

    #[test]
    fn only_tokens_of_the_service_policy_open_the_door() {
        let key = |byte| Key::from_bytes([byte; 32]);
        let identity = HubIdentity { host: "h:1".into(), service_key: key(1), fleet_key: key(2) };
        let time = |second| Timestamp::from_second(second).unwrap();
        let sign = |resource, expiry, policy, byte| SasToken::sign(resource, time(expiry), policy, &key(byte));
        let door = Door::new(Arc::new(identity));
        let check = |header: Option<&str>| door.admit(header, "twins/d", time(100));
        assert_eq!(check(Some(&sign("H:1", 101, Some("service"), 1))), Ok(()));
        for (header, word) in [
            (None, "missing"),
            (Some("Bearer x".to_owned()), "unreadable"),
            (Some(sign("h:1", 101, None, 1)), "policy"),
            (Some(sign("h:1", 101, Some("device"), 1)), "policy"),
            (Some(sign("h:2", 101, Some("service"), 1)), "resource"),
            (Some(sign("h:1/twins/e", 101, Some("service"), 1)), "resource"),
            (Some(sign("h:1", 100, Some("service"), 1)), "expired"),
            (Some(sign("h:1", 101, Some("service"), 2)), "signature"),
        ] {
            let refusal = check(header.as_deref()).unwrap_err();
            assert!(refusal.message.contains(word) && refusal.code.status() == 401, "{refusal}");
        }
    }

    #[test]
    fn a_token_that_was_verified_is_still_held_to_its_resource_and_its_expiry() {
        let key = Key::from_bytes([1; 32]);
        let identity = HubIdentity { host: "h".into(), service_key: key.clone(), fleet_key: key.clone() };
        let door = Door::new(Arc::new(identity));
        let time = |second| Timestamp::from_second(second).unwrap();
        let token = SasToken::sign("h/twins/d", time(100), Some("service"), &key);
        let admits = |token: &str, path, second| door.admit(Some(token), path, time(second)).is_ok();
        for _ in 0..2 {
            assert!(admits(&token, "twins/d", 99));
            assert!(!admits(&token, "twins/e", 99));
            assert!(!admits(&token, "twins/d", 100));
            let forged = SasToken::sign("h/twins/d", time(200), Some("service"), &Key::from_bytes([2; 32]));
            assert!(!admits(&forged, "twins/d", 99));
        }
    }
}
