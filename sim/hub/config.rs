//! What an embedded hub is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::HubError;
use crate::dialect::azure::{ConnectionString, Key};
use crate::policy::units;

/// The settings of an embedded hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubConfig {
    /// Where it listens for MQTT; port 0 for a free one.
    pub mqtt: SocketAddr,
    /// Where it listens for MQTT over TLS; port 0 for a free one, `None` for no TLS.
    pub mqtts: Option<SocketAddr>,
    /// The folder that keeps the CA which signs its certificate; `None` for a CA that lives as long as the hub.
    pub tls_dir: Option<PathBuf>,
    /// Where it listens for HTTP; port 0 for a free one.
    pub http: SocketAddr,
    /// Threads; a twin belongs to one of them.
    pub workers: usize,
    /// Delays planted on purpose.
    pub slow: HubDelays,
    /// What it grants to whoever connects.
    pub limits: HubLimits,
}

impl Default for HubConfig {
    /// One worker, on free ports of the loopback interface.
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            mqtt: loopback,
            mqtts: None,
            tls_dir: None,
            http: loopback,
            workers: 1,
            slow: HubDelays::default(),
            limits: HubLimits::default(),
        }
    }
}

/// What a hub grants to whoever connects, known or not. The defaults are for any fleet; tests ask for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubLimits {
    /// How long an MQTT client may take to shake hands, where this is TLS, and to send CONNECT.
    #[serde(with = "units::duration")]
    pub greeting: Duration,
    /// Connections of each listener on each worker that have not said CONNECT or sent an authorized request; while
    /// there are as many, accepting waits, and the oldest of them is closed once it is a second old.
    pub strangers: usize,
    /// How long an HTTP connection may be idle or take to send a request's head. Longer than clients keep unused
    /// connections, so that none is closed under a request.
    #[serde(with = "units::duration")]
    pub head: Duration,
    /// How long a request's body may take to arrive.
    #[serde(with = "units::duration")]
    pub body: Duration,
}

impl Default for HubLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { greeting: seconds(10), strangers: 2000, head: seconds(300), body: seconds(30) }
    }
}

/// Delays that a hub plants on purpose, to test what is measured through it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubDelays {
    /// Added before a method's request goes to the device.
    #[serde(with = "units::duration")]
    pub method_request: Duration,
    /// Added to a method's answer, after the device has answered.
    #[serde(with = "units::duration")]
    pub method_answer: Duration,
    /// Added to the answer to a twin patch, after the merge has become visible.
    #[serde(with = "units::duration")]
    pub twin_ack: Duration,
}

/// The secrets of a hub, and the name it goes by in tokens. None of the keys shows itself in a debug print.
#[derive(Debug, Clone)]
pub struct HubIdentity {
    /// Host name in tokens, with the REST port where that is not 443.
    pub host: String,
    /// Key of the policy `service`.
    pub service_key: Key,
    /// Master key from which device keys derive.
    pub fleet_key: Key,
}

/// The shared access policy that services use.
pub const SERVICE_POLICY: &str = "service";

impl HubIdentity {
    /// An identity with new keys for the hub `host`.
    ///
    /// # Errors
    /// [`HubError::Random`].
    pub fn generate(host: impl Into<String>) -> Result<Self, HubError> {
        Ok(Self { host: host.into(), service_key: random_key()?, fleet_key: random_key()? })
    }

    /// What a service needs to talk to this hub.
    #[must_use]
    pub fn connection_string(&self) -> ConnectionString {
        let (host, key) = (self.host.clone(), self.service_key.clone());
        ConnectionString { host, policy: SERVICE_POLICY.to_owned(), key }
    }
}

/// A key from the operating system's random numbers.
pub(super) fn random_key() -> Result<Key, HubError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(HubError::Random)?;
    Ok(Key::from_bytes(bytes))
}
