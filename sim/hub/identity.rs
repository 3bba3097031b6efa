//! Who a hub is: its name and its secrets.

use super::access::{Policy, Rights};
use super::error::HubError;
use crate::dialect::azure::{ConnectionString, Key, SasToken};

/// The secrets of a hub, and the name it goes by in tokens. None of the keys shows itself in a debug print.
#[derive(Debug, Clone)]
pub struct HubIdentity {
    /// Host name in tokens, with the REST port where that is not 443.
    pub host: String,
    /// The shared access policies that every hub has (1.3): `iothubowner` with all rights, `service`, `device`,
    /// `registryRead` and `registryReadWrite`.
    pub policies: [Policy; 5],
    /// Master key from which device keys derive.
    pub fleet_key: Key,
    /// Whether these are the keys of a hub that ran before, under the same name. It had sessions of which this one knows
    /// nothing, and devices that come back take for granted what they had subscribed to (1.7): for its first ten minutes
    /// it assumes that of those that enrol themselves.
    pub restarted: bool,
}

impl HubIdentity {
    /// An identity with new keys for the hub `host`.
    ///
    /// # Errors
    /// [`HubError::Random`].
    pub fn generate(host: impl Into<String>) -> Result<Self, HubError> {
        Self::with_keys(host, random_key)
    }

    /// An identity whose keys are what `key` makes: first the fleet's, then two for each policy.
    pub(super) fn with_keys<E>(host: impl Into<String>, mut key: impl FnMut() -> Result<Key, E>) -> Result<Self, E> {
        let fleet_key = key()?;
        let mut policy =
            |name: &str, rights| Ok(Policy { name: name.to_owned(), primary: key()?, secondary: key()?, rights });
        let registry = Rights::REGISTRY_READ | Rights::REGISTRY_WRITE;
        let policies = [
            policy("iothubowner", registry | Rights::SERVICE_CONNECT | Rights::DEVICE_CONNECT)?,
            policy("service", Rights::SERVICE_CONNECT)?,
            policy("device", Rights::DEVICE_CONNECT)?,
            policy("registryRead", Rights::REGISTRY_READ)?,
            policy("registryReadWrite", registry)?,
        ];
        Ok(Self { host: host.into(), policies, fleet_key, restarted: false })
    }

    /// The policy `name`.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// The policy with all rights.
    #[must_use]
    pub const fn owner(&self) -> &Policy {
        &self.policies[0]
    }

    /// What a program needs to do anything with this hub.
    #[must_use]
    pub fn connection_string(&self) -> ConnectionString {
        self.connection_string_of(self.owner())
    }

    /// What a program needs to use this hub under `policy`.
    #[must_use]
    pub fn connection_string_of(&self, policy: &Policy) -> ConnectionString {
        ConnectionString { host: self.host.clone(), policy: policy.name.clone(), key: policy.primary.clone() }
    }

    /// Whether `token`, whoever signed it, is for `path` (without its first slash) of this hub. A device names the host
    /// without the REST port: it does not know that port.
    pub(super) fn is_covered(&self, token: &SasToken, path: &str) -> bool {
        token.covers(&self.host, path) || token.covers(without_port(&self.host), path)
    }

    /// Whether `host` is this hub, whatever the port: devices take the one name for user name and token.
    pub(super) fn is_named(&self, host: &str) -> bool {
        without_port(host).eq_ignore_ascii_case(without_port(&self.host))
    }
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// A key from the operating system's random numbers.
pub(super) fn random_key() -> Result<Key, HubError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(HubError::Random)?;
    Ok(Key::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn each_policy_has_two_keys_of_its_own_and_shows_neither() {
        let identity = HubIdentity::generate("h").unwrap();
        let keys: Vec<String> = identity
            .policies
            .iter()
            .flat_map(|policy| [policy.primary.to_base64(), policy.secondary.to_base64()])
            .collect();
        let shown = format!("{identity:?}");
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[..n].contains(key) && !shown.contains(key));
        }
        assert_eq!(identity.policy("iothubowner"), Some(identity.owner()));
        assert_eq!(identity.connection_string().policy, "iothubowner");
        assert_eq!(identity.policy("nobody"), None);
    }

    #[test]
    fn a_token_may_leave_the_rest_port_out_but_not_name_another() {
        let identity = HubIdentity::generate("hub.example:8443").unwrap();
        let token = |host: &str| {
            let text = SasToken::sign(&format!("{host}/devices/d"), Timestamp::MAX, None, &identity.fleet_key);
            SasToken::parse(&text).unwrap()
        };
        assert!(identity.is_covered(&token("hub.example:8443"), "devices/d"));
        assert!(identity.is_covered(&token("Hub.Example"), "devices/d"));
        assert!(!identity.is_covered(&token("hub.example:8444"), "devices/d"));
        assert!(!identity.is_covered(&token("hub"), "devices/d"));
        for host in ["hub.example", "HUB.Example:8883", "hub.example:8443"] {
            assert!(identity.is_named(host), "{host}");
        }
        assert!(!["hub", "evil", "hub.example.org", ""].iter().any(|host| identity.is_named(host)));
    }
}
