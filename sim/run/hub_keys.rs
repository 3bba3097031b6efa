//! The keys of a hub that is started here, from the environment: a hub that starts again is known by those it had.

use super::environment::{CONNECTION_STRING, EnvironmentError, FLEET_KEY};
use crate::dialect::azure::{ConnectionString, Key};
use crate::hub::HubIdentity;

/// The variable that holds the connection string of the policy `policy`; that of the owner has no suffix.
#[must_use]
pub fn policy_variable(identity: &HubIdentity, policy: &str) -> String {
    if policy == identity.owner().name {
        return CONNECTION_STRING.to_owned();
    }
    format!("{CONNECTION_STRING}_{}", policy.to_ascii_uppercase())
}

/// Gives `identity` the keys that the environment holds for its host: those of policies, from their connection strings,
/// and the master key of the fleet. With the owner's among them it is the identity of a hub that has restarted. A connection string of another host is none of this hub's: nothing is taken then, lest the
/// secrets of a hub elsewhere open this one. `variable` is `std::env::var` outside tests.
///
/// # Errors
/// The fleet's key is none.
pub fn keep_keys(
    identity: &mut HubIdentity,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), EnvironmentError> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let mut kept = identity.clone();
    for policy in &mut kept.policies {
        let Some(text) = set(&policy_variable(identity, &policy.name)) else { continue };
        match ConnectionString::parse(&text) {
            Ok(found) if found.host.eq_ignore_ascii_case(&identity.host) && found.policy == policy.name => {
                policy.primary = found.key;
                kept.restarted |= *policy.name == identity.owner().name;
            }
            _ => return Ok(()),
        }
    }
    if let Some(text) = set(FLEET_KEY) {
        kept.fleet_key = Key::from_base64(&text)
            .map_err(|why| EnvironmentError::Unusable { variable: FLEET_KEY, why: why.to_owned() })?;
    }
    *identity = kept;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(host: &str, pairs: &[(&str, &str)]) -> Result<(HubIdentity, HubIdentity), String> {
        let before = HubIdentity::generate(host).unwrap();
        let mut after = before.clone();
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        keep_keys(&mut after, find).map_err(|error| error.to_string())?;
        Ok((before, after))
    }

    const OWNER: &str = "HostName=hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==";
    const SERVICE: &str = "HostName=hub.example;SharedAccessKeyName=service;SharedAccessKey=ZmVkY2JhOTg3NjU0MzIxMA==";
    const FLEET: &str = "MDAwMTExMjIyMzMzNDQ0NTU1NjY2Nzc3ODg4OTk5MDA=";

    #[test]
    fn a_hub_that_starts_again_keeps_its_keys() {
        let environment =
            [(CONNECTION_STRING, OWNER), ("IOTHUB_CONNECTION_STRING_SERVICE", SERVICE), (FLEET_KEY, FLEET)];
        let (before, after) = kept("Hub.Example", &environment).unwrap();
        assert!(after.restarted && !before.restarted);
        assert_eq!(after.owner().primary.to_base64(), "MDEyMzQ1Njc4OWFiY2RlZg==");
        assert_eq!(after.policy("service").unwrap().primary.to_base64(), "ZmVkY2JhOTg3NjU0MzIxMA==");
        assert_eq!(after.policy("device"), before.policy("device"));
        assert_eq!(after.fleet_key.to_base64(), FLEET);
    }

    #[test]
    fn the_fleet_key_alone_will_do() {
        let (before, after) = kept("hub.example", &[(FLEET_KEY, FLEET)]).unwrap();
        assert!(!after.restarted, "a key that is the same for each hub says nothing of an earlier one");
        assert_eq!(after.fleet_key.to_base64(), FLEET);
        assert_eq!(after.policies, before.policies);
    }

    #[test]
    fn keys_of_another_hub_are_left_alone() {
        let (before, after) = kept("other.example", &[(CONNECTION_STRING, OWNER), (FLEET_KEY, FLEET)]).unwrap();
        assert_eq!(after.policies, before.policies);
        assert_eq!(after.fleet_key, before.fleet_key);
    }

    #[test]
    fn what_makes_no_sense_is_told_without_its_secret() {
        let error = kept("hub.example", &[(FLEET_KEY, "c2VjcmV0")]).unwrap_err();
        assert!(error.contains("TWINSTORM_FLEET_KEY") && !error.contains("c2VjcmV0"), "{error}");
    }
}
