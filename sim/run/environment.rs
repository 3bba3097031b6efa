//! Where a hub that is not started here is, and the keys to it: from the environment, never from flags.

use std::net::{SocketAddr, ToSocketAddrs};

use super::address::Address;
use crate::device::{Auth, FleetConfig, Transport};
use crate::dialect::azure::{ConnectionString, Key, WEBSOCKET_PATH};
use crate::shard::{BrokerSecrets, Credentials, Endpoints, HubProof, Roles};

/// The service's connection string.
pub const CONNECTION_STRING: &str = "IOTHUB_CONNECTION_STRING";
/// What that holds. The policy `service` alone is not enough: runs read twins by queries, others write the registry.
pub(super) const OWNER: &str = "the connection string of the hub's policy iothubowner, or of another with the rights \
                                RegistryRead and ServiceConnect (and RegistryWrite to provision)";
/// The master key of the fleet, base64.
pub const FLEET_KEY: &str = "TWINSTORM_FLEET_KEY";
/// Where the hub listens for MQTT: `mqtts://host:port` for TLS, `wss://host:port` for WebSocket over TLS,
/// `mqtt://host:port` for plain TCP; without a scheme, the profile decides (`fleet.transport`). Without it: the
/// connection string's host, TLS.
pub const HUB_MQTT: &str = "TWINSTORM_HUB_MQTT";
/// The certificates of the CAs that may have signed the hub's, in PEM: a file, or the text itself. Without it, those are
/// trusted that this system trusts.
pub const HUB_CA: &str = "TWINSTORM_HUB_CA";
/// Base URL of the hub's REST interface. Without it: the connection string's host, HTTPS.
pub const HUB_REST: &str = "TWINSTORM_HUB_REST";

/// The standard ports (1.1).
const HTTP: u16 = 80;
const HTTPS: u16 = 443;
const MQTT: u16 = 1883;
const MQTTS: u16 = 8883;

/// What is wrong with the environment. Never quotes a secret.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A variable is not set.
    #[error("{variable} is not set: {meaning}; `twinstorm hub --env-file FILE` writes a file to source")]
    Missing {
        /// The variable.
        variable: &'static str,
        /// What it holds.
        meaning: &'static str,
    },
    /// A variable makes no sense.
    #[error("{variable} is unusable: {why}")]
    Unusable {
        /// The variable.
        variable: &'static str,
        /// Why, without its value where that is secret.
        why: String,
    },
}

/// A hub that is not started here.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// Where it is.
    pub endpoints: Endpoints,
    /// Every address behind the name of its MQTT endpoint; none without a fleet.
    pub mqtt: Vec<SocketAddr>,
    /// Every address behind the name of its REST endpoint.
    pub rest: Vec<SocketAddr>,
    /// What opens it; nothing of the devices' where a file has that.
    pub credentials: Credentials,
}

/// Reads what `roles` need through `variable`, which is `std::env::var` outside tests. Where the hub's address does not
/// say whether TLS is spoken, `fleet` does. With nothing but a connection string, the endpoints are those that every
/// IoT hub has (1.1): HTTPS at the port that the host name carries, or else 443, and MQTT over TLS on 8883.
///
/// # Errors
/// Names the variable that is missing or makes no sense.
pub fn read(
    roles: Roles,
    fleet: &FleetConfig,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Elsewhere, EnvironmentError> {
    let given = |name: &'static str| variable(name).filter(|value| !value.trim().is_empty());
    let need = |name: &'static str, meaning: &'static str| {
        given(name).ok_or(EnvironmentError::Missing { variable: name, meaning })
    };
    let service = ConnectionString::parse(&need(CONNECTION_STRING, OWNER)?)
        .map_err(|why| EnvironmentError::Unusable { variable: CONNECTION_STRING, why: why.to_string() })?;
    let authority = given(HUB_CA).map(|text| authority(HUB_CA, &text)).transpose()?;
    let (rest, said_by) = match given(HUB_REST) {
        Some(url) => (rest_url(&url)?, HUB_REST),
        None => (format!("https://{}", service.host), CONNECTION_STRING),
    };
    let rest_addresses = resolve(&rest_address(&rest), said_by)?;
    let mut endpoints = Endpoints {
        mqtt: None,
        tls: None,
        websocket: None,
        rest_authority: authority.clone().filter(|_| rest.starts_with("https://")),
        images: Some(rest.clone()),
        rest: Some(rest),
        host: service.host.clone(),
    };
    let (mut mqtt, mut devices) = (Vec::new(), None);
    if roles.fleet {
        let (address, transport, said_by) = match given(HUB_MQTT) {
            Some(hub) => {
                let (address, transport) = mqtt_address(&hub, fleet.transport)?;
                (address, transport, HUB_MQTT)
            }
            // WebSockets are where HTTPS is.
            None if fleet.transport == Transport::Wss => {
                (Address::parse(&service.host, HTTPS), Transport::Wss, CONNECTION_STRING)
            }
            None => (Address::parse(&service.host, 0).at(MQTTS), Transport::Tls, CONNECTION_STRING),
        };
        if fleet.auth == Auth::X509 && !transport.is_secure() {
            let why = "fleet.auth = \"x509\" needs TLS: name a port for that, mqtts://host:port".to_owned();
            return Err(EnvironmentError::Unusable { variable: said_by, why });
        }
        mqtt = resolve(&address, said_by)?;
        endpoints.mqtt = mqtt.first().copied();
        endpoints.websocket = (transport == Transport::Wss).then(|| WEBSOCKET_PATH.to_owned());
        endpoints.tls = transport.is_secure().then_some(HubProof { host: address.host, authority });
        if fleet.devices_file.is_none() {
            devices = Some(fleet_key(&variable)?.into());
        }
    }
    let credentials = Credentials { service: Some(service), devices, broker: BrokerSecrets::default() };
    Ok(Elsewhere { endpoints, mqtt, rest: rest_addresses, credentials })
}

/// Reads the master key of the fleet through `variable`, which is `std::env::var` outside tests.
///
/// # Errors
/// There is none, or it makes no sense.
pub fn fleet_key(variable: impl Fn(&str) -> Option<String>) -> Result<Key, EnvironmentError> {
    const MEANING: &str = "the master key from which device keys derive, 16 to 64 bytes in base64 (to make one: openssl rand \
                           -base64 32), unless fleet.devices_file names devices with keys of their own";
    let key = variable(FLEET_KEY).filter(|value| !value.trim().is_empty());
    let key = key.ok_or(EnvironmentError::Missing { variable: FLEET_KEY, meaning: MEANING })?;
    Key::from_base64(&key).map_err(|why| EnvironmentError::Unusable { variable: FLEET_KEY, why: why.to_owned() })
}

fn rest_url(text: &str) -> Result<String, EnvironmentError> {
    let text = text.trim().trim_end_matches('/');
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match authority {
        Some(authority) if !authority.is_empty() && !authority.contains('/') => Ok(text.to_owned()),
        _ => Err(EnvironmentError::Unusable {
            variable: HUB_REST,
            why: "write it like https://myhub.example or http://127.0.0.1:8080, without a path".to_owned(),
        }),
    }
}

/// The address within a URL that [`rest_url`] accepted.
fn rest_address(url: &str) -> Address {
    match url.strip_prefix("https://") {
        Some(authority) => Address::parse(authority, HTTPS),
        None => Address::parse(url.trim_start_matches("http://"), HTTP),
    }
}

/// The standard port for MQTT over `transport` (1.1).
const fn port(transport: Transport) -> u16 {
    match transport {
        Transport::Tcp => MQTT,
        Transport::Tls => MQTTS,
        Transport::Ws => HTTP,
        Transport::Wss => HTTPS,
    }
}

/// The address, and what MQTT goes over there.
fn mqtt_address(text: &str, transport: Transport) -> Result<(Address, Transport), EnvironmentError> {
    let unusable = |why: String| EnvironmentError::Unusable { variable: HUB_MQTT, why };
    let (transport, text) = match text.trim().split_once("://") {
        None => (transport, text.trim()),
        Some(("mqtts", rest)) => (Transport::Tls, rest),
        Some(("wss", rest)) => (Transport::Wss, rest),
        Some(("mqtt", rest)) if transport == Transport::Tcp => (Transport::Tcp, rest),
        Some(("mqtt", _)) => {
            return Err(unusable(
                "fleet.transport asks for TLS: name a port for that, mqtts://host:port or wss://host:port".to_owned(),
            ));
        }
        Some((scheme, _)) => {
            return Err(unusable(format!("{scheme}:// is not in this version: mqtts://, wss:// and mqtt:// are")));
        }
    };
    Ok((Address::parse(text.trim_end_matches('/'), port(transport)), transport))
}

/// Every address behind a name.
pub(super) fn resolve(address: &Address, variable: &'static str) -> Result<Vec<SocketAddr>, EnvironmentError> {
    let unusable = |why: &dyn std::fmt::Display| EnvironmentError::Unusable {
        variable,
        why: format!("`{}` cannot be resolved ({why}); name a host that this machine knows", address.host),
    };
    let found = (address.host.as_str(), address.port).to_socket_addrs().map_err(|error| unusable(&error))?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() { Err(unusable(&"it has no address")) } else { Ok(found) }
}

/// The certificates that `variable` says: the text itself, or a file with it.
pub(super) fn authority(variable: &'static str, text: &str) -> Result<String, EnvironmentError> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(text.to_owned());
    }
    std::fs::read_to_string(text)
        .map_err(|error| EnvironmentError::Unusable { variable, why: format!("cannot read {text}: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    const SERVICE: &str =
        "HostName=127.0.0.1:8080;SharedAccessKeyName=service;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==";
    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";

    fn with(pairs: &[(&str, &str)], roles: Roles) -> Result<Elsewhere, String> {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let fleet = profile::load("quickstart", &[]).unwrap().fleet;
        read(roles, &fleet, find).map_err(|error| error.to_string())
    }

    #[test]
    fn a_connection_string_alone_means_the_standard_endpoints() {
        let host = |host: &str| format!("HostName={host};SharedAccessKeyName=service;SharedAccessKey={KEY}");
        for (name, url, rest) in [
            ("localhost", "https://localhost", "127.0.0.1:443"),
            ("localhost:8443", "https://localhost:8443", "127.0.0.1:8443"),
        ] {
            let service = host(name);
            let hub = with(&[(CONNECTION_STRING, &service), (FLEET_KEY, KEY)], Roles::BOTH).unwrap();
            assert_eq!(hub.endpoints.rest.as_deref(), Some(url));
            assert!(hub.rest.contains(&rest.parse().unwrap()), "{:?}", hub.rest);
            assert!(hub.mqtt.contains(&"127.0.0.1:8883".parse().unwrap()), "{:?}", hub.mqtt);
            assert_eq!(hub.endpoints.mqtt.as_ref(), hub.mqtt.first());
            // Trusted is whom the system trusts.
            assert_eq!(hub.endpoints.tls, Some(HubProof { host: "localhost".to_owned(), authority: None }));
            assert_eq!((hub.endpoints.rest_authority, hub.endpoints.host.as_str()), (None, name));
        }
    }

    #[test]
    fn each_endpoint_can_be_named_and_each_role_needs_its_own() {
        let driver = [(CONNECTION_STRING, SERVICE), (HUB_REST, "http://127.0.0.1/")];
        let hub = with(&driver, Roles::DRIVER).unwrap();
        assert_eq!(hub.endpoints.rest.as_deref(), Some("http://127.0.0.1"));
        assert_eq!((hub.rest, hub.mqtt), (vec!["127.0.0.1:80".parse().unwrap()], Vec::new()));
        assert!(with(&driver, Roles::FLEET).unwrap_err().starts_with("TWINSTORM_FLEET_KEY is not set"));
        let fleet = [driver[0], driver[1], (HUB_MQTT, "mqtt://127.0.0.1:1884"), (FLEET_KEY, KEY)];
        let hub = with(&fleet, Roles::BOTH).unwrap();
        assert_eq!((hub.endpoints.mqtt, hub.endpoints.tls), (Some("127.0.0.1:1884".parse().unwrap()), None));
        assert!(hub.credentials.devices.is_some());
    }

    #[test]
    fn the_scheme_or_else_the_profile_decides_about_tls() {
        let at = |text: &str, transport| mqtt_address(text, transport).map_err(|error| error.to_string());
        let address = |host: &str, port| Address { host: host.to_owned(), port };
        for (text, asked, port, transport) in [
            ("127.0.0.1:1", Transport::Tcp, 1, Transport::Tcp),
            ("127.0.0.1", Transport::Tls, 8883, Transport::Tls),
            ("127.0.0.1", Transport::Wss, 443, Transport::Wss),
            ("mqtts://127.0.0.1:1", Transport::Tcp, 1, Transport::Tls),
            ("wss://127.0.0.1:1/", Transport::Tls, 1, Transport::Wss),
        ] {
            assert_eq!(at(text, asked), Ok((address("127.0.0.1", port), transport)), "{text}");
        }
        assert_eq!(at("mqtts://[::1]:1/", Transport::Tls), Ok((address("::1", 1), Transport::Tls)));
        assert!(at("mqtt://127.0.0.1:1", Transport::Tls).unwrap_err().contains("fleet.transport"));
        assert!(at("amqps://127.0.0.1:1", Transport::Tls).unwrap_err().contains("amqps:// is not in this version"));
    }

    #[test]
    fn a_ca_is_a_file_or_text_and_holds_for_both_endpoints() {
        let hub = [(CONNECTION_STRING, SERVICE), (FLEET_KEY, KEY)];
        let ca = |text| with(&[&hub[..], &[(HUB_CA, text)]].concat(), Roles::BOTH);
        let endpoints = ca("-----BEGIN CERTIFICATE-----").unwrap().endpoints;
        assert_eq!(endpoints.transport(), Transport::Tls);
        assert_eq!(endpoints.rest_authority.as_deref(), Some("-----BEGIN CERTIFICATE-----"));
        assert_eq!(endpoints.tls.unwrap().authority.as_deref(), Some("-----BEGIN CERTIFICATE-----"));
        assert!(ca("/nowhere/ca.pem").unwrap_err().contains("cannot read /nowhere/ca.pem"));
    }

    #[test]
    fn errors_name_the_variable_and_no_secret() {
        assert!(with(&[], Roles::BOTH).unwrap_err().starts_with("IOTHUB_CONNECTION_STRING is not set"));
        for url in ["https://", "ftp://hub.example", "127.0.0.1:8080", "http://h/path"] {
            let error = with(&[(CONNECTION_STRING, SERVICE), (HUB_REST, url)], Roles::DRIVER).unwrap_err();
            assert!(error.starts_with("TWINSTORM_HUB_REST is unusable"), "{error}");
        }
        let nowhere = with(&[(CONNECTION_STRING, SERVICE), (HUB_REST, "https://nowhere.invalid")], Roles::DRIVER);
        let error = nowhere.unwrap_err();
        assert!(error.contains("TWINSTORM_HUB_REST") && error.contains("`nowhere.invalid` cannot be"), "{error}");
        let error = with(&[(CONNECTION_STRING, SERVICE), (FLEET_KEY, "c2VjcmV0")], Roles::FLEET).unwrap_err();
        assert!(error.contains("TWINSTORM_FLEET_KEY") && !error.contains("c2VjcmV0"), "{error}");
    }
}
