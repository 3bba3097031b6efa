//! What a driver is started with.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::{Load, RetryPolicy, Rollout, Settle, units};

/// The settings of a driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriverConfig {
    /// When updates start.
    pub load: Load,
    /// In which waves devices are called; `None`: all in one.
    pub rollout: Option<Rollout>,
    /// Updates that are planned over the whole fleet; `None`: one for each device. A roll-out has as many as its waves.
    pub updates: Option<u64>,
    /// What comes before these, to settle; `None`: nothing. Only in an open load that is no roll-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<Settle>,
    /// How long the load goes on at least, from its start: what devices do of their own goes on for so long.
    #[serde(default, with = "units::duration", skip_serializing_if = "Duration::is_zero")]
    pub lasts: Duration,
    /// How devices are called.
    pub via: Via,
    /// Method calls in flight at once, per shard; by jobs: devices of jobs that have not ended.
    pub max_in_flight: u32,
    /// How long the hub waits for a device's answer; whole seconds, 5 to 300.
    #[serde(with = "units::duration")]
    pub response_timeout: Duration,
    /// How long the hub waits for a device to connect; whole seconds, 0 to 300.
    #[serde(with = "units::duration")]
    pub connect_timeout: Duration,
    /// What devices are told to download.
    pub package_uri: String,
    /// The SHA-256 of that in hexadecimal; `None` says nothing of it.
    #[serde(default)]
    pub package_check: Option<String>,
    /// The version that devices are told to update to; `None` says nothing of it (the tutorial's payload).
    pub version: Option<String>,
    /// Whether calls carry an `updateId`.
    pub update_id: bool,
    /// How transitions are observed.
    pub observe: ObserveConfig,
    /// Retries of a method call.
    pub retry_method: RetryPolicy,
}

impl DriverConfig {
    /// Updates that are planned over a fleet of `devices` devices.
    #[must_use]
    pub fn updates(&self, devices: u32) -> u64 {
        let updates = || self.updates.unwrap_or(u64::from(devices));
        self.rollout.as_ref().map_or_else(updates, Rollout::updates)
    }

    /// Updates that come before those, to settle.
    #[must_use]
    pub fn settling(&self) -> u64 {
        self.settle.zip(self.load.rate()).map_or(0, |(settle, rate)| settle.calls(rate))
    }

    /// From the start of the load to the start of what is measured.
    #[must_use]
    pub fn lead(&self) -> Duration {
        self.settle.map(|settle| settle.lead()).unwrap_or_default()
    }

    /// The most calls per second that are going to be due; `None` in a closed load.
    #[must_use]
    pub fn peak_rate(&self) -> Option<f64> {
        let load = &self.load;
        let settling = self.settle.map_or(1.0, |settle| settle.factor.max(1.0));
        let Some(rollout) = &self.rollout else { return load.rate().map(|rate| rate * settling) };
        (0..rollout.len()).filter_map(|wave| rollout.load(load, wave).rate()).max_by(f64::total_cmp)
    }
}

/// How devices are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Via {
    /// One by one.
    Calls,
    /// By jobs of the hub.
    Job {
        /// Devices of each job, at most.
        devices: u32,
    },
}

impl Via {
    /// Devices of each job, at most; `None` if the driver calls one by one.
    #[must_use]
    pub const fn job_devices(self) -> Option<u32> {
        match self {
            Self::Calls => None,
            Self::Job { devices } => Some(devices),
        }
    }
}

/// How transitions are observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObserveConfig {
    /// By which means.
    pub kind: ObserveKind,
    /// Time between two looks.
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// How far a delta query reaches back behind the latest change it saw, for changes that became visible late; `None`
    /// for as far as is safe with any hub.
    #[serde(with = "units::optional_duration")]
    pub overlap: Option<Duration>,
    /// How long after the previous stage was seen the next one may take.
    #[serde(with = "units::duration")]
    pub stage_deadline: Duration,
}

/// The connections of a driver that is an MQTT client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineConfig {
    /// How many, in each shard.
    pub connections: u32,
    /// How they share what devices say.
    pub share: LineShare,
    /// Whether the broker keeps for them what it could not deliver, as long as a connection is lost.
    pub keep_session: bool,
}

impl Default for LineConfig {
    fn default() -> Self {
        Self { connections: 1, share: LineShare::Auto, keep_session: false }
    }
}

/// How several connections of a driver, and the drivers of several shards, share what devices say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineShare {
    /// As suits: all messages where there is one connection in one shard; as a group where a single shard has several and
    /// the broker has groups; else each connection subscribes to devices of its own.
    #[default]
    Auto,
    /// Each connection gets everything.
    All,
    /// A shared subscription: each message goes to one of the connections.
    Group,
    /// Each connection subscribes to the topics of some devices, one by one.
    Devices,
}

/// The means of observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObserveKind {
    /// A delta query over all devices: its cost follows the changes.
    Query,
    /// Every device that is updating, each in its turn.
    Poll,
    /// Every report as the broker delivers it.
    Subscribe,
}

impl std::fmt::Display for ObserveKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Query => "query",
            Self::Poll => "poll",
            Self::Subscribe => "subscribe",
        })
    }
}
