//! What a fleet is started with.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DownloadConfig, Image};
use crate::mqtt::SourceAddresses;
use crate::policy::{Churn, ConnectPolicies, Delay, RetryPolicy, Settle, Telemetry, units};
use crate::time::TimestampFormat;

/// The settings of a fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetConfig {
    /// Devices in the whole fleet.
    pub devices: u32,
    /// What every device's id begins with; the index follows, zero-padded, so that ranges of ids compare.
    pub id_prefix: String,
    /// A file that names the devices and their keys or certificates; `None` where ids follow from the prefix and keys
    /// from a master key.
    #[serde(default)]
    pub devices_file: Option<PathBuf>,
    /// How devices prove themselves.
    #[serde(default)]
    pub auth: Auth,
    /// Connections started per second, by the whole fleet.
    pub connect_rate: f64,
    /// Connections under way at once, in the whole fleet.
    pub connect_in_flight: u32,
    /// Connecting slows down while CONNACKs take longer; `None`: never.
    #[serde(default, with = "units::optional_duration")]
    pub connect_slow_down: Option<Duration>,
    /// The first connections, which a hub settles under and which are in no figure; `None`: all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_settle: Option<Settle>,
    /// Addresses of this machine that devices come from.
    pub source_addresses: SourceAddresses,
    /// What MQTT goes over.
    pub transport: Transport,
    /// With TLS: whether a device that was connected before resumes its session rather than shaking hands in full.
    pub tls_resumption: bool,
    /// MQTT keep-alive; whole seconds.
    #[serde(with = "units::duration")]
    pub keep_alive: Duration,
    /// Life of a device's token; it reconnects with a new one before the end.
    #[serde(with = "units::duration")]
    pub token_life: Duration,
    /// Threads.
    pub workers: usize,
    /// How timestamps stand in reported properties.
    pub timestamps: TimestampFormat,
    /// Retries of a connection: one policy for all, or several that devices take in turn.
    pub retry_connect: ConnectPolicies,
    /// What devices publish of their own while the load goes on; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Telemetry>,
    /// How connections come and go while the load goes on; `None`: they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub churn: Option<Churn>,
    /// How long devices do these two, from the start of the load; zero: to its end.
    #[serde(default, with = "units::duration", skip_serializing_if = "Duration::is_zero")]
    pub spontaneous_for: Duration,
    /// Retries of a report that the hub answered with 429 or 5xx.
    pub retry_twin: RetryPolicy,
}

/// How devices prove themselves to a hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// By a token that is signed with a key.
    #[default]
    Sas,
    /// By a certificate, as TLS begins.
    X509,
}

/// What MQTT goes over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Plain TCP.
    #[default]
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over plain TCP.
    Ws,
    /// WebSocket over TLS over TCP.
    Wss,
}

impl Transport {
    /// Whether TLS is spoken.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether it goes over WebSocket.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// The workflow of a firmware update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirmwareConfig {
    /// From the method's answer to `downloading`.
    pub wait: Delay,
    /// From `downloading` to `applying`.
    pub download: Delay,
    /// From `applying` to `completed`.
    pub apply: Delay,
    /// The image, where there is more to the download than a delay.
    #[serde(default)]
    pub image: Option<Image>,
    /// The version that devices run before their first update.
    pub version: String,
}

impl FirmwareConfig {
    /// How devices download, if they really do.
    #[must_use]
    pub fn downloads(&self) -> Option<&DownloadConfig> {
        self.image.as_ref().and_then(Image::download)
    }

    /// What hardly any download exceeds, as far as that is known before.
    #[must_use]
    pub fn longest_download(&self) -> Duration {
        self.image.as_ref().map_or_else(|| self.download.upper(), Image::duration)
    }
}
