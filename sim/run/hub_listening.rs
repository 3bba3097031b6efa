//! What is to be known of a hub that listens, in order to reach it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::dialect::azure::{ConnectionString, Key, WEBSOCKET_PATH};
use crate::hub::{Hub, HubConfig, HubError, HubIdentity};
use crate::shard::{BrokerSecrets, Credentials, Endpoints, HubProof};

/// Where a hub listens, and what opens it. It travels through pipes that only parent and child hold.
#[derive(Serialize, Deserialize)]
pub(super) struct Listening {
    mqtt: Option<SocketAddr>,
    mqtts: Option<SocketAddr>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    /// The certificate of the hub's CA in PEM, if TLS is spoken anywhere.
    authority: Option<String>,
    connection_string: String,
    fleet_key: String,
}

/// Starts a hub with new keys on threads of this process.
///
/// # Errors
/// Those of [`Hub::bind`] and of [`crate::hub::BoundHub::start`].
pub(super) fn start_hub(config: HubConfig) -> Result<(Hub, Listening), HubError> {
    let bound = Hub::bind(config)?;
    let identity = bound.generate_identity()?;
    let hub = bound.start(identity.clone())?;
    let listening = Listening::of(&hub, &identity);
    Ok((hub, listening))
}

impl Listening {
    fn of(hub: &Hub, identity: &HubIdentity) -> Self {
        Self {
            mqtt: hub.mqtt_addr(),
            mqtts: hub.mqtts_addr(),
            http: hub.http_addr(),
            https: hub.https_addr(),
            authority: hub.authority().map(str::to_owned),
            connection_string: identity.connection_string().reveal(),
            fleet_key: identity.fleet_key.to_base64(),
        }
    }

    /// The way to it.
    ///
    /// # Errors
    /// What is unusable, in words.
    pub(super) fn way(self) -> Result<(Endpoints, Credentials), &'static str> {
        let service =
            ConnectionString::parse(&self.connection_string).map_err(|_| "its connection string is unusable")?;
        let fleet_key = Key::from_base64(&self.fleet_key).map_err(|_| "its fleet key is unusable")?;
        // It listens where its devices connect, and nowhere else for MQTT.
        let secure = self.mqtts.or(self.https);
        let proof = |(address, authority): (SocketAddr, _)| HubProof {
            host: address.ip().to_string(),
            authority: Some(authority),
        };
        let endpoints = Endpoints {
            mqtt: secure.or(self.mqtt),
            tls: secure.zip(self.authority).map(proof),
            websocket: (self.mqtts.is_none() && self.https.is_some()).then(|| WEBSOCKET_PATH.to_owned()),
            rest: self.http.map(|address| format!("http://{address}")),
            rest_authority: None,
            images: match (self.https, self.http) {
                (Some(address), _) => Some(format!("https://{address}")),
                (None, address) => address.map(|address| format!("http://{address}")),
            },
            host: service.host.clone(),
        };
        let credentials =
            Credentials { service: Some(service), devices: Some(fleet_key.into()), broker: BrokerSecrets::default() };
        Ok((endpoints, credentials))
    }
}
