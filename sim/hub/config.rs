//! What an embedded hub is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Add;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::throttle::HubLimits;
use crate::policy::{ServiceModel, units};
use crate::random::Seed;

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
    /// The certificates of the CAs, in PEM, that vouch for devices with `certificateAuthority`; `None` for no such CA.
    pub client_ca: Option<PathBuf>,
    /// The file that messages of devices to the cloud are written to, a line of JSON for each; `None` for none. When
    /// the disk is slower than the devices, messages are left out of it, counted and complained about.
    pub telemetry: Option<PathBuf>,
    /// Threads; a twin belongs to one of them.
    pub workers: usize,
    /// Delays planted on purpose.
    pub slow: HubDelays,
    /// What it allows; `None` for as much as it can do.
    pub limits: Option<HubLimits>,
    /// How long it takes for what it is asked; `None` for as long as it really does.
    #[serde(default)]
    pub service: Option<ServiceModel>,
    /// What the times of its service derive from.
    #[serde(default)]
    pub seed: Seed,
    /// Which of the hubs of a run it is: each has service times of its own.
    #[serde(default)]
    pub instance: u32,
    /// What it grants to whoever connects.
    pub door: DoorLimits,
    /// Whether it only acknowledges: no tokens, no merging of nested properties, no limits. What is measured against such a
    /// hub is what the generator can do.
    #[serde(default)]
    pub acknowledge_only: bool,
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
            client_ca: None,
            telemetry: None,
            workers: 1,
            slow: HubDelays::default(),
            limits: None,
            service: None,
            seed: Seed::default(),
            instance: 0,
            door: DoorLimits::default(),
            acknowledge_only: false,
        }
    }
}

/// What a hub grants to whoever connects, known or not. The defaults are for any fleet; tests ask for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DoorLimits {
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

impl Default for DoorLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { greeting: seconds(10), strangers: 1000, head: seconds(300), body: seconds(30) }
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
    /// Added to the answer to a twin's patch, after the merge has become visible.
    #[serde(with = "units::duration")]
    pub twin_ack: Duration,
    /// Added to the answer to who reads a twin; queries are not delayed.
    #[serde(with = "units::duration")]
    pub twin_read: Duration,
}

impl Add for HubDelays {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            method_request: self.method_request.saturating_add(other.method_request),
            method_answer: self.method_answer.saturating_add(other.method_answer),
            twin_ack: self.twin_ack.saturating_add(other.twin_ack),
            twin_read: self.twin_read.saturating_add(other.twin_read),
        }
    }
}
