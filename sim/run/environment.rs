//! Where a hub that is not started here is, and the keys to it: from the environment, never from flags.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::device::Transport;
use crate::dialect::azure::{ConnectionString, Key};
use crate::shard::{Credentials, Endpoints, HubProof, Roles};

/// The service's connection string.
pub const CONNECTION_STRING: &str = "IOTHUB_CONNECTION_STRING";
/// The master key of the fleet, base64.
pub const FLEET_KEY: &str = "TWINSTORM_FLEET_KEY";
/// Where the hub listens for MQTT: `mqtts://host:port` for TLS, `wss://host:port` for WebSocket over TLS,
/// `mqtt://host:port` for plain TCP; without a scheme, the profile decides (`fleet.transport`).
pub const HUB_MQTT: &str = "TWINSTORM_HUB_MQTT";
/// The certificates of the CAs that may have signed the hub's, in PEM: a file, or the text itself.
pub const HUB_CA: &str = "TWINSTORM_HUB_CA";
/// Base URL of the hub's REST interface.
pub const HUB_REST: &str = "TWINSTORM_HUB_REST";

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

/// Reads what `roles` need through `variable`, which is `std::env::var` outside tests. Where the hub's address does not
/// say whether TLS is spoken, `transport` does.
///
/// # Errors
/// Names the variable that is missing or makes no sense.
pub fn read(
    roles: Roles,
    transport: Transport,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Endpoints, Credentials), EnvironmentError> {
    let need = |name: &'static str, meaning: &'static str| {
        variable(name)
            .filter(|value| !value.trim().is_empty())
            .ok_or(EnvironmentError::Missing { variable: name, meaning })
    };
    let service =
        ConnectionString::parse(&need(CONNECTION_STRING, "the connection string of the hub's service policy")?)
            .map_err(|why| EnvironmentError::Unusable { variable: CONNECTION_STRING, why: why.to_string() })?;
    // Without these two, the hub is one whose endpoints are the standard ones: MQTT over TLS on 8883 and HTTPS on 443.
    let rest = rest_url(&need(
        HUB_REST,
        "the base URL of the hub's REST interface, http://host:port (https://, and with it the standard endpoints of a cloud hub, is not in this version)",
    )?)?;
    let mut endpoints =
        Endpoints { mqtt: None, tls: None, websocket: false, rest: Some(rest), host: service.host.clone() };
    let mut fleet_key = None;
    if roles.fleet {
        let hub = need(HUB_MQTT, "where the hub listens for MQTT, mqtts://host:port for TLS or mqtt://host:port")?;
        let (address, host, transport) = mqtt_address(&hub, transport)?;
        endpoints.mqtt = Some(address);
        endpoints.websocket = transport == Transport::Wss;
        if transport.is_secure() {
            let authority = authority(&need(
                HUB_CA,
                "the certificate of the CA that signed the hub's, a PEM file (of public CAs, most systems keep those that \
                 they trust in /etc/ssl/certs/ca-certificates.crt)",
            )?)?;
            endpoints.tls = Some(HubProof { host, authority });
        }
        let key = need(FLEET_KEY, "the master key from which device keys derive, in base64")?;
        fleet_key = Some(
            Key::from_base64(&key)
                .map_err(|why| EnvironmentError::Unusable { variable: FLEET_KEY, why: why.to_owned() })?,
        );
    }
    Ok((endpoints, Credentials { service: Some(service), fleet_key }))
}

fn rest_url(text: &str) -> Result<String, EnvironmentError> {
    let text = text.trim().trim_end_matches('/');
    let unusable = |why: &str| EnvironmentError::Unusable { variable: HUB_REST, why: why.to_owned() };
    if text.starts_with("https://") {
        return Err(unusable("this version speaks http:// only, not https://"));
    }
    let authority = text.strip_prefix("http://").ok_or_else(|| unusable("write it like http://127.0.0.1:8080"))?;
    if authority.is_empty() || authority.contains('/') {
        return Err(unusable("write it like http://127.0.0.1:8080, without a path"));
    }
    Ok(text.to_owned())
}

/// The address, the name that a certificate has to be for, and what MQTT goes over.
fn mqtt_address(text: &str, transport: Transport) -> Result<(SocketAddr, String, Transport), EnvironmentError> {
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
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|error| unusable(format!("`{text}` cannot be resolved ({error}); write it like 127.0.0.1:1883")))?;
    let address = addresses.next().ok_or_else(|| unusable(format!("`{text}` has no address")))?;
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host).trim_matches(['[', ']']);
    Ok((address, host.to_owned(), transport))
}

/// Certificates in PEM, from the text itself or from the file that it names.
fn authority(text: &str) -> Result<String, EnvironmentError> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(text.to_owned());
    }
    std::fs::read_to_string(text)
        .map_err(|error| EnvironmentError::Unusable { variable: HUB_CA, why: format!("cannot read {text}: {error}") })
}

/// Every address behind a REST base URL that [`read`] accepted.
///
/// # Errors
/// Its host cannot be resolved.
pub fn rest_addresses(url: &str) -> std::io::Result<Vec<SocketAddr>> {
    let authority = url.trim_start_matches("http://");
    let with_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = if with_port { authority.to_owned() } else { format!("{authority}:80") };
    Ok(authority.to_socket_addrs()?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str =
        "HostName=127.0.0.1:8080;SharedAccessKeyName=service;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==";

    fn with(pairs: &[(&str, &str)], roles: Roles) -> Result<(Endpoints, Credentials), String> {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        read(roles, Transport::Tcp, find).map_err(|error| error.to_string())
    }

    #[test]
    fn each_role_needs_its_own() {
        let driver = [(CONNECTION_STRING, SERVICE), (HUB_REST, "http://127.0.0.1:8080/")];
        let (endpoints, _) = with(&driver, Roles::DRIVER).unwrap();
        assert_eq!(endpoints.rest.as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(rest_addresses("http://127.0.0.1:8080").unwrap(), ["127.0.0.1:8080".parse().unwrap()]);
        assert_eq!(rest_addresses("http://127.0.0.1").unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        assert!(with(&driver, Roles::FLEET).unwrap_err().starts_with("TWINSTORM_HUB_MQTT is not set"));
        let fleet =
            [driver[0], driver[1], (HUB_MQTT, "mqtt://127.0.0.1:1883"), (FLEET_KEY, "MDEyMzQ1Njc4OWFiY2RlZg==")];
        let (endpoints, credentials) = with(&fleet, Roles::BOTH).unwrap();
        assert_eq!(endpoints.mqtt, Some("127.0.0.1:1883".parse().unwrap()));
        assert!(credentials.fleet_key.is_some());
    }

    #[test]
    fn the_scheme_or_else_the_profile_decides_about_tls() {
        let at = |text: &str, transport| mqtt_address(text, transport).map_err(|error| error.to_string());
        let address = "127.0.0.1:1".parse().unwrap();
        for (text, asked, transport) in [
            ("127.0.0.1:1", Transport::Tcp, Transport::Tcp),
            ("127.0.0.1:1", Transport::Tls, Transport::Tls),
            ("127.0.0.1:1", Transport::Wss, Transport::Wss),
            ("mqtts://127.0.0.1:1", Transport::Tcp, Transport::Tls),
            ("wss://127.0.0.1:1", Transport::Tls, Transport::Wss),
        ] {
            assert_eq!(at(text, asked), Ok((address, "127.0.0.1".to_owned(), transport)), "{text}");
        }
        assert_eq!(at("mqtts://[::1]:1", Transport::Tls).unwrap().1, "::1");
        assert!(at("mqtt://127.0.0.1:1", Transport::Tls).unwrap_err().contains("fleet.transport"));
        assert!(at("ws://127.0.0.1:1", Transport::Tls).unwrap_err().contains("ws:// is not in this version"));
    }

    #[test]
    fn tls_needs_a_ca_as_a_file_or_as_text() {
        let hub = [
            (CONNECTION_STRING, SERVICE),
            (HUB_REST, "http://127.0.0.1:8080"),
            (HUB_MQTT, "mqtts://127.0.0.1:1"),
            (FLEET_KEY, "MDEyMzQ1Njc4OWFiY2RlZg=="),
        ];
        assert!(with(&hub, Roles::FLEET).unwrap_err().starts_with("TWINSTORM_HUB_CA is not set"));
        let ca = |text| with(&[&hub[..], &[(HUB_CA, text)]].concat(), Roles::FLEET);
        let (endpoints, _) = ca("-----BEGIN CERTIFICATE-----").unwrap();
        assert_eq!(endpoints.transport(), Transport::Tls);
        assert!(ca("/nowhere/ca.pem").unwrap_err().contains("cannot read /nowhere/ca.pem"));
    }

    #[test]
    fn errors_name_the_variable_and_no_secret() {
        assert!(with(&[], Roles::BOTH).unwrap_err().starts_with("IOTHUB_CONNECTION_STRING is not set"));
        let tls = [(CONNECTION_STRING, SERVICE), (HUB_REST, "https://hub.example")];
        assert!(with(&tls, Roles::DRIVER).unwrap_err().contains("https"));
        let key = [
            (CONNECTION_STRING, SERVICE),
            (HUB_REST, "http://h:1"),
            (HUB_MQTT, "127.0.0.1:1"),
            (FLEET_KEY, "c2VjcmV0"),
        ];
        let error = with(&key, Roles::FLEET).unwrap_err();
        assert!(error.contains("TWINSTORM_FLEET_KEY") && !error.contains("c2VjcmV0"), "{error}");
    }
}
