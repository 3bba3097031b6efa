//! Where a plain broker is, and what opens it: the plan says where, the environment has the passwords.

use std::path::Path;

use super::address::Address;
use super::environment::{self, Elsewhere, EnvironmentError, HUB_CA};
use crate::device::Auth;
use crate::dialect::plain::Password;
use crate::profile::{BrokerPlan, Plan};
use crate::shard::{BrokerSecrets, Credentials, Endpoints, HubProof};

/// The password of the devices, where the plan names a user (`hub.username`).
pub(super) const HUB_PASSWORD: &str = "TWINSTORM_HUB_PASSWORD";
/// The password of the driver (`hub.driver.username`); without it, the devices'.
pub(super) const DRIVER_PASSWORD: &str = "TWINSTORM_DRIVER_PASSWORD";

/// Where messages about the address point.
const URL: &str = "hub.url";

/// Reads what there is to know of the plan's broker, the secrets through `variable`, which is `std::env::var` outside tests.
///
/// # Errors
/// Names what is missing, or makes no sense.
pub(super) fn read(
    plan: &Plan,
    broker: &BrokerPlan,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Elsewhere, EnvironmentError> {
    let given = |name: &'static str| variable(name).filter(|value| !value.is_empty());
    let BrokerPlan { url, dialect, tls, .. } = broker;
    if plan.fleet.auth == Auth::X509 && !url.transport.is_secure() {
        let why = "fleet.auth = \"x509\" needs TLS: take mqtts:// or wss://".to_owned();
        return Err(EnvironmentError::Unusable { variable: URL, why });
    }
    let address = Address { host: url.host.clone(), port: url.port() };
    let mqtt = environment::resolve(&address, URL)?;
    let authority = match (&tls.ca, url.transport.is_secure()) {
        (_, false) => None,
        (Some(path), true) => Some(file("hub.tls.ca", path)?),
        (None, true) => given(HUB_CA).map(|text| environment::authority(HUB_CA, &text)).transpose()?,
    };
    let client = match &tls.client {
        Some((certificate, key)) => {
            let key = Password::new(file("hub.tls.private_key", key)?);
            Some((file("hub.tls.certificate", certificate)?, key))
        }
        None => None,
    };
    let devices = dialect.username.as_ref().and_then(|_| given(HUB_PASSWORD)).map(Password::new);
    let driver = dialect.driver_username.as_ref().and_then(|_| given(DRIVER_PASSWORD).or_else(|| given(HUB_PASSWORD)));
    let endpoints = Endpoints {
        mqtt: mqtt.first().copied(),
        tls: url.transport.is_secure().then(|| HubProof { host: url.host.clone(), authority }),
        websocket: url.transport.is_websocket().then(|| url.path.clone()),
        rest: None,
        rest_authority: None,
        images: None,
        host: format!("{}:{}", url.host, url.port()),
    };
    let broker = BrokerSecrets { devices, driver: driver.map(Password::new), client };
    let credentials = Credentials { service: None, devices: None, broker };
    Ok(Elsewhere { endpoints, mqtt, rest: Vec::new(), credentials })
}

fn file(key: &'static str, path: &Path) -> Result<String, EnvironmentError> {
    std::fs::read_to_string(path).map_err(|error| EnvironmentError::Unusable {
        variable: key,
        why: format!("cannot read {}: {error}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Override};

    fn with(sets: &[&str], variables: &[(&str, &str)]) -> Result<Elsewhere, String> {
        let sets: Vec<_> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        let plan = profile::load("quickstart", &sets).unwrap();
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        read(&plan, plan.hub.broker().unwrap(), find).map_err(|error| error.to_string())
    }

    #[test]
    fn the_plan_says_where_and_the_environment_who() {
        let url = "hub.url=wss://127.0.0.1:9001";
        let passwords = [(HUB_PASSWORD, "d"), (DRIVER_PASSWORD, "o")];
        let hub = with(&["hub.kind=mqtt", url, "hub.username='{device}'"], &passwords).unwrap();
        assert_eq!(
            (hub.endpoints.mqtt, hub.endpoints.websocket.as_deref()),
            (hub.mqtt.first().copied(), Some("/mqtt"))
        );
        assert_eq!(hub.credentials.broker.devices.map(|password| password.reveal().to_owned()), Some("d".to_owned()));
        assert_eq!(hub.credentials.broker.driver, None, "nobody named its user");
        let named = with(&["hub.kind=mqtt", url, "hub.username=all"], &passwords[..1]).unwrap();
        assert_eq!(named.credentials.broker.driver.map(|password| password.reveal().to_owned()), Some("d".to_owned()));
        let wrong = with(&["hub.kind=mqtt", "hub.url=mqtt://nowhere.invalid"], &[]).unwrap_err();
        assert!(wrong.contains("hub.url is unusable") && wrong.contains("nowhere.invalid"), "{wrong}");
        let devices = ["fleet.auth=x509", "fleet.devices_file=devices.csv"];
        let x509 = [&["hub.kind=mqtt", "hub.url=mqtt://127.0.0.1"][..], &devices].concat();
        let x509 = with(&x509, &[]).unwrap_err();
        assert!(x509.contains("needs TLS"), "{x509}");
    }
}
