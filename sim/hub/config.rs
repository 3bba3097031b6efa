//! What an embedded hub is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::units;

/// The settings of an embedded hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubConfig {
    /// Where it listens for MQTT over plain TCP; port 0 for a free one, `None` for not at all, as with those below.
    pub mqtt: Option<SocketAddr>,
    /// Where it listens for MQTT over TLS.
    pub mqtts: Option<SocketAddr>,
    /// Where it listens for plain HTTP: REST.
    pub http: Option<SocketAddr>,
    /// Where it listens for HTTPS: the same over TLS.
    pub https: Option<SocketAddr>,
    /// The folder that keeps the CA which signs its certificate; `None` for a CA that lives as long as the hub.
    pub tls_dir: Option<PathBuf>,
    /// Names that its certificate is for, beside the one in tokens and those by which a machine calls itself.
    pub names: Vec<String>,
    /// Threads; a twin belongs to one of them.
    pub workers: usize,
    /// Delays planted on purpose.
    pub slow: HubDelays,
}

impl Default for HubConfig {
    /// One worker, for MQTT and HTTP on free ports of the loopback interface, without TLS.
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            mqtt: Some(loopback),
            mqtts: None,
            http: Some(loopback),
            https: None,
            tls_dir: None,
            names: Vec::new(),
            workers: 1,
            slow: HubDelays::default(),
        }
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
