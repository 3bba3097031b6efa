//! The messages between a coordinator and its shards:
//! `Hello -> Assign -> Ready -> StartAt -> Progress* -> Stop -> Result`. They hold plain data only, so that the same
//! few serve a thread, a process and another machine.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::device::Transport;
use crate::dialect::azure::{ConnectionString, Key};
use crate::measure::{Gauges, Measurements};
use crate::policy::DeviceRange;
use crate::profile::Plan;
use crate::time::Nanos;

/// From the coordinator to a shard.
#[derive(Debug)]
pub enum ToShard {
    /// What to do; answered by `Ready`, or by `Failed`.
    Assign(Box<Assignment>),
    /// The load starts then, by wall time; every shard gets the same moment.
    StartAt(Timestamp),
    /// Stop calling, bring everything to an end, answer with `Result`.
    Stop(StopReason),
}

/// From a shard to its coordinator.
#[derive(Debug)]
pub enum FromShard {
    /// The first word: how many descriptors the shard may open.
    Hello {
        /// The limit.
        descriptors: u64,
    },
    /// Devices are registered and connected, the observer is primed.
    Ready,
    /// Once a second, and once more when every update has ended: what happened since the last time.
    Progress(Box<Progress>),
    /// The shard cannot do what was assigned; it has ended. Says why and the way out.
    Failed(String),
    /// The last word: what happened since the last progress.
    Result(Box<Progress>),
}

/// A shard's share of the run.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Number of the shard.
    pub shard: u32,
    /// The plan of the whole run.
    pub plan: Plan,
    /// The devices of this shard.
    pub range: DeviceRange,
    /// Which of the actors it runs.
    pub roles: Roles,
    /// Where the hub is.
    pub endpoints: Endpoints,
    /// How to prove oneself to the hub.
    pub credentials: Credentials,
    /// What every `updateId` of this run begins with.
    pub run_id: String,
    /// Forget so many outcomes: proves that the census notices.
    pub swallow_outcomes: u32,
}

/// Which actors a shard runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// The devices.
    pub fleet: bool,
    /// The operator's service.
    pub driver: bool,
}

impl Roles {
    /// Both ends in one run.
    pub const BOTH: Self = Self { fleet: true, driver: true };
    /// The devices alone.
    pub const FLEET: Self = Self { fleet: true, driver: false };
    /// The driver alone.
    pub const DRIVER: Self = Self { fleet: false, driver: true };
}

/// Where a hub listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// MQTT; `None` if there are no devices to connect.
    pub mqtt: Option<SocketAddr>,
    /// By what the hub proves itself, if devices speak TLS with it; `None` for plain TCP.
    pub tls: Option<HubProof>,
    /// Base URL of the REST interface; `None` if nothing is to be asked of it.
    pub rest: Option<String>,
    /// The hub's host name, as tokens carry it.
    pub host: String,
}

impl Endpoints {
    /// What MQTT goes over.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        if self.tls.is_some() { Transport::Tls } else { Transport::Tcp }
    }
}

/// By what a hub proves itself in TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubProof {
    /// The name or the address that its certificate is for.
    pub host: String,
    /// The certificates of those who may have signed it, in PEM.
    pub authority: String,
}

/// Secrets of a run. They never show themselves in a debug print.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The service's; needed to register devices and by a driver.
    pub service: Option<ConnectionString>,
    /// The master key from which device keys derive; needed by a fleet.
    pub fleet_key: Option<Key>,
}

/// Why a run stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Every update has ended.
    Finished,
    /// The user said so.
    Interrupted,
    /// The hub is gone: what is unfinished ends as `hub_error`.
    HubDied,
}

/// What happened in a shard since the last message.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// From when on, by the shard's clock.
    pub from: Nanos,
    /// Until when, by the shard's clock.
    pub until: Nanos,
    /// What was measured since.
    pub measurements: Measurements,
    /// What stands now.
    pub gauges: Gauges,
    /// Whether every planned update has ended.
    pub finished: bool,
    /// What the user should know, in words: the first few reasons why devices do not connect.
    pub warnings: Vec<String>,
    /// What makes the result invalid, in words: a worker that died, something that ran out on this machine.
    pub mishaps: Vec<String>,
}
