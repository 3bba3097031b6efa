//! Who may use the service side (1.3, 10): the policy `service`.

use jiff::Timestamp;

use crate::dialect::azure::{ErrorCode, SasToken};
use crate::hub::config::{HubIdentity, SERVICE_POLICY};
use crate::hub::partition::Refusal;

/// Checks the header `Authorization` of a request for `path` (without its first slash).
pub(super) fn authorize(
    identity: &HubIdentity,
    header: Option<&str>,
    path: &str,
    at: Timestamp,
) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::new(ErrorCode::IotHubUnauthorizedAccess, format!("unauthorized: {why}")));
    let Some(header) = header else { return refuse("the header Authorization is missing") };
    let Ok(token) = SasToken::parse(header) else { return refuse("the token is unreadable") };
    if token.policy.as_deref() != Some(SERVICE_POLICY) {
        return refuse("the token is not one of the policy `service`");
    }
    if !token.covers(&identity.host, path) {
        return refuse("the token is for another resource");
    }
    if token.is_expired(at) {
        return refuse("the token has expired");
    }
    if !token.is_signed_by(&identity.service_key) {
        return refuse("the token's signature is wrong");
    }
    Ok(())
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
        let check = |header: Option<&str>| authorize(&identity, header, "twins/d", time(100));
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
}
