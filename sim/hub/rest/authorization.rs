//! Who may use the service side (1.3, 10): whoever shows a token of a policy that permits what is asked for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use hyper::Method;
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::rights;
use crate::dialect::azure::{ErrorCode, SasToken};
use crate::hub::access::Policy;
use crate::hub::identity::HubIdentity;
use crate::hub::partition::Refusal;

/// How many verified tokens are remembered.
const REMEMBERED: usize = 8;

/// Lets services in.
pub(super) struct Door {
    identity: Arc<HubIdentity>,
    /// Headers that were verified, the latest used first, with their tokens: services show the same ones again and
    /// again, and each signature costs as much as the rest of a small request.
    verified: RefCell<VecDeque<(String, SasToken)>>,
}

impl Door {
    /// The door of the hub `identity`.
    pub(super) const fn new(identity: Arc<HubIdentity>) -> Self {
        Self { identity, verified: RefCell::new(VecDeque::new()) }
    }

    /// Checks the header `Authorization` of a request for the path of these `segments`.
    pub(super) fn admit(
        &self,
        header: Option<&str>,
        method: &Method,
        segments: &[&str],
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(header) = header else { return Err(unauthorized("the header Authorization is missing")) };
        let mut verified = self.verified.borrow_mut();
        let known = verified.iter().position(|(known, _)| bool::from(known.as_bytes().ct_eq(header.as_bytes())));
        match known {
            Some(place) => verified.swap(0, place),
            None => {
                let token = SasToken::parse(header).map_err(|error| unauthorized(&error.to_string()))?;
                if !self.policy(&token)?.signed(&token) {
                    return Err(unauthorized("the token's signature is wrong"));
                }
                verified.truncate(REMEMBERED - 1);
                verified.push_front((header.to_owned(), token));
            }
        }
        match verified.front() {
            Some((_, token)) => self.permit(token, method, segments, at),
            None => Err(unauthorized("the token is not verified")),
        }
    }

    fn policy(&self, token: &SasToken) -> Result<&Policy, Refusal> {
        let name = token.policy.as_deref().ok_or_else(|| unauthorized("the token names no policy (`skn`)"))?;
        self.identity.policy(name).ok_or_else(|| unauthorized("the token names a policy that this hub does not have"))
    }

    /// Whether a verified `token` is for the path of these `segments`, still valid, and of a policy with the right.
    fn permit(&self, token: &SasToken, method: &Method, segments: &[&str], at: Timestamp) -> Result<(), Refusal> {
        let policy = self.policy(token)?;
        let path = segments.join("/");
        if !self.identity.is_covered(token, &path) {
            return Err(unauthorized("the token is for another resource (`sr`)"));
        }
        if token.is_expired(at) {
            return Err(unauthorized("the token has expired (`se`)"));
        }
        let needed = rights::needed(method, segments);
        if !policy.rights.contains(needed) {
            let name = &policy.name;
            let message = format!(
                "Principal {name} is not authorized for {method} on /{path}: it needs {needed} and has {}",
                policy.rights
            );
            return Err(Refusal::new(ErrorCode::IotHubUnauthorized, message));
        }
        Ok(())
    }
}

/// 2.3: who does not prove who he is is told so by another code than who may not do what he asks for.
fn unauthorized(why: &str) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorizedAccess, format!("Unauthorized: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::azure::Key;

    const TWIN: [&str; 2] = ["twins", "d"];

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn door(host: &str) -> Door {
        Door::new(Arc::new(HubIdentity::generate(host).unwrap()))
    }

    fn sign(door: &Door, resource: &str, expiry: i64, policy: &str) -> String {
        SasToken::sign(resource, time(expiry), Some(policy), &door.identity.policy(policy).unwrap().primary)
    }

    #[test]
    fn only_tokens_of_a_policy_open_the_door() {
        let door = door("h:1");
        let check = |header: Option<&str>| door.admit(header, &Method::GET, &TWIN, time(100));
        let good = |resource| sign(&door, resource, 101, "service");
        assert_eq!(check(Some(&good("H:1"))), Ok(()));
        let service = door.identity.policy("service").unwrap();
        let secondary = SasToken::sign("h:1", time(101), Some("service"), &service.secondary);
        assert_eq!(check(Some(&secondary)), Ok(()));
        let forged = |policy| SasToken::sign("h:1", time(101), policy, &Key::from_bytes([9; 32]));
        for (header, word) in [
            (None, "missing"),
            (Some("Bearer x".to_owned()), "SharedAccessSignature"),
            (Some("SharedAccessSignature sr=h&sig=AAAA&skn=service".to_owned()), "`se`"),
            (Some(forged(None)), "skn"),
            (Some(forged(Some("nobody"))), "policy"),
            (Some(forged(Some("service"))), "signature"),
            (Some(SasToken::sign("h:1", time(101), Some("iothubowner"), &service.primary)), "signature"),
            (Some(good("h:2")), "resource"),
            (Some(good("h:1/twins/e")), "resource"),
            (Some(sign(&door, "h:1", 100, "service")), "expired"),
        ] {
            let refusal = check(header.as_deref()).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::IotHubUnauthorizedAccess);
            assert!(refusal.message.contains(word), "{refusal}");
        }
    }

    #[test]
    fn a_policy_permits_what_it_has_a_right_to() {
        let door = door("h");
        for (policy, [twin, read, write]) in [
            ("iothubowner", [true, true, true]),
            ("service", [true, false, false]),
            ("registryRead", [false, true, false]),
            ("registryReadWrite", [false, true, true]),
            ("device", [false, false, false]),
        ] {
            let token = sign(&door, "h", 200, policy);
            for (method, segments, may) in [
                (Method::GET, TWIN, twin),
                (Method::GET, ["devices", "d"], read),
                (Method::PUT, ["devices", "d"], write),
            ] {
                let admitted = door.admit(Some(&token), &method, &segments, time(100));
                assert_eq!(admitted.is_ok(), may, "{policy}: {method} {segments:?}");
                if let Err(refusal) = admitted {
                    assert_eq!(refusal.code, ErrorCode::IotHubUnauthorized);
                    assert!(refusal.message.contains(policy) && refusal.message.contains("needs"), "{refusal}");
                }
            }
        }
    }

    #[test]
    fn a_token_that_was_verified_is_still_held_to_its_resource_and_its_expiry() {
        let door = door("h");
        let admits =
            |token: &str, id, second| door.admit(Some(token), &Method::GET, &["twins", id], time(second)).is_ok();
        let token = sign(&door, "h/twins/d", 100, "service");
        for _ in 0..2 {
            assert!(admits(&token, "d", 99));
            assert!(!admits(&token, "e", 99));
            assert!(!admits(&token, "d", 100));
            let forged = SasToken::sign("h/twins/d", time(200), Some("service"), &Key::from_bytes([2; 32]));
            assert!(!admits(&forged, "d", 99));
        }
    }

    #[test]
    fn a_few_tokens_are_remembered_and_no_more() {
        let door = door("h");
        for _ in 0..2 {
            for expiry in 200..220 {
                let token = sign(&door, "h", expiry, "service");
                assert_eq!(door.admit(Some(&token), &Method::GET, &TWIN, time(100)), Ok(()));
                assert!(door.verified.borrow().len() <= REMEMBERED);
            }
        }
        let forged = SasToken::sign("h", time(200), Some("service"), &Key::from_bytes([2; 32]));
        assert!(door.admit(Some(&forged), &Method::GET, &TWIN, time(100)).is_err());
        assert!(door.verified.borrow().iter().all(|(header, _)| *header != forged), "a forged one is not");
    }
}
