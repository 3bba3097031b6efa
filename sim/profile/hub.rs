//! `[hub]`: the hub under test.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::reader::{Field, Section};
use crate::device::Transport;
use crate::driver::Via;
use crate::hub::{HubConfig, HubDelays, HubLimits, Tier};

/// The hub under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum HubPlan {
    /// Our own, started for the run.
    Embedded {
        /// Processes that serve a range of the devices each; `None` for one for each shard.
        instances: Option<u32>,
        /// Threads of each.
        workers: usize,
        /// Delays planted on purpose.
        slow: HubDelays,
        /// The tier whose throttles and quotas each process has; `None` for none.
        tier: Option<Tier>,
        /// Units of that tier.
        units: u32,
    },
    /// One that only acknowledges, started for the run as the embedded one is: what is measured against it is what the
    /// generator can do.
    Null {
        /// Processes that serve a range of the devices each; `None` for one for each shard.
        instances: Option<u32>,
        /// Threads of each.
        workers: usize,
    },
    /// An IoT hub that is already there. Its endpoints and keys come from the environment: they are no part of a
    /// plan.
    Azure,
}

impl HubPlan {
    /// Whether it does all that it is asked to: our own, without limits.
    #[must_use]
    pub const fn is_ideal(&self) -> bool {
        matches!(self, Self::Embedded { tier: None, .. } | Self::Null { .. })
    }

    /// What each process of the embedded hub really allows. `None` if nothing is limited, and for a hub elsewhere, whose
    /// limits nobody knows.
    #[must_use]
    pub fn limits(&self) -> Option<HubLimits> {
        match self {
            Self::Embedded { tier, units, .. } => tier.map(|tier| HubLimits::of(tier, *units)),
            Self::Null { .. } | Self::Azure => None,
        }
    }

    /// Whether it is one of ours, started for the run.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Embedded { .. } | Self::Null { .. })
    }

    /// Processes of one of ours, as far as the plan says; `None` for as many as there are shards.
    #[must_use]
    pub const fn instances(&self) -> Option<u32> {
        match self {
            Self::Embedded { instances, .. } | Self::Null { instances, .. } => *instances,
            Self::Azure => None,
        }
    }

    /// Threads of each process of one of ours.
    #[must_use]
    pub const fn workers(&self) -> usize {
        match self {
            Self::Embedded { workers, .. } | Self::Null { workers, .. } => *workers,
            Self::Azure => 0,
        }
    }

    /// What a hub of ours is started with, on free loopback ports, for devices that come over `transport`; `None` for
    /// any other hub.
    #[must_use]
    pub fn embedded(&self, transport: Transport) -> Option<HubConfig> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        match self {
            Self::Embedded { workers, slow, tier, units, .. } => Some(HubConfig {
                mqtt: (transport == Transport::Tcp).then_some(free),
                mqtts: (transport == Transport::Tls).then_some(free),
                http: Some(free),
                https: (transport == Transport::Wss).then_some(free),
                workers: *workers,
                slow: *slow,
                limits: tier.map(|tier| HubLimits::of(tier, *units)),
                ..HubConfig::default()
            }),
            Self::Null { workers, .. } => Some(HubConfig {
                mqtt: (transport == Transport::Tcp).then_some(free),
                mqtts: (transport == Transport::Tls).then_some(free),
                http: Some(free),
                workers: *workers,
                acknowledge_only: true,
                ..HubConfig::default()
            }),
            Self::Azure => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Embedded,
    Null,
    Azure,
}

pub(super) fn read(field: &Field<'_>) -> Result<HubPlan, Problem> {
    let section = field.section(&["kind", "instances", "workers", "tier", "units", "slow"])?;
    let kind = section.required("kind")?;
    let text = kind.text()?;
    if text == "mqtt" || text.contains("://") {
        return Err(
            kind.problem(format_args!("`{text}` is not supported yet: allowed are `embedded`, `azure` and `null`"))
        );
    }
    let plan = match kind.choice(&[("embedded", Kind::Embedded), ("azure", Kind::Azure), ("null", Kind::Null)])? {
        Kind::Embedded => {
            let instances = section.required("instances")?.automatic(1..=10_000_u32)?;
            let workers = section.required("workers")?.integer(1..=256_u32)? as usize;
            let slow = slow(&section.required("slow")?)?;
            let (tier, units) = tier(&section)?;
            HubPlan::Embedded { instances, workers, slow, tier, units }
        }
        Kind::Null => {
            let instances = section.required("instances")?.automatic(1..=10_000_u32)?;
            let workers = section.required("workers")?.integer(1..=256_u32)? as usize;
            for key in ["slow", "tier", "units"] {
                section.meaningless(key, &kind, "for a hub that only acknowledges")?;
            }
            HubPlan::Null { instances, workers }
        }
        Kind::Azure => {
            section.meaningless("instances", &kind, "for a hub that is not embedded")?;
            section.meaningless("workers", &kind, "for a hub that is not embedded")?;
            section.meaningless("slow", &kind, "for a hub that is not embedded")?;
            section.meaningless("tier", &kind, "for a hub that is not embedded")?;
            section.meaningless("units", &kind, "for a hub that is not embedded")?;
            HubPlan::Azure
        }
    };
    Ok(plan)
}

/// Refuses what a hub that only acknowledges cannot be asked for.
pub(super) fn suits_null(root: &Section<'_>, transport: Transport, via: Via) -> Result<(), Problem> {
    let key = |section: &str, key: &str| root.required(section)?.table_entry(key).map_or(root.required(section), Ok);
    if transport == Transport::Wss {
        return Err(key("fleet", "transport")?.problem(
            "cannot be `wss` with `hub.kind = \"null\"`: a hub that only acknowledges has no WebSockets. Take `tls` or `tcp`",
        ));
    }
    if matches!(via, Via::Job { .. }) {
        return Err(key("load", "via")?.problem(
            "cannot be `job` with `hub.kind = \"null\"`: a hub that only acknowledges has no jobs. Take `via = \"calls\"`",
        ));
    }
    Ok(())
}

/// The tier and its units.
fn tier(section: &Section<'_>) -> Result<(Option<Tier>, u32), Problem> {
    let field = section.required("tier")?;
    let mut choices = vec![("none", None)];
    choices.extend(Tier::ALL.map(|tier| (tier.name(), Some(tier))));
    let Some(tier) = field.choice(&choices)? else {
        section.meaningless("units", &field, "without a tier")?;
        return Ok((None, 1));
    };
    let Some(units) = section.optional("units") else { return Ok((Some(tier), 1)) };
    let allowed = tier.units();
    let count = units.integer(0..=u32::MAX)?;
    if allowed.contains(&count) {
        return Ok((Some(tier), count));
    }
    let (name, most) = (tier.name(), allowed.end());
    Err(units.problem(format_args!("must be from 1 to {most}: a hub of the tier {name} has no more units")))
}

fn slow(field: &Field<'_>) -> Result<HubDelays, Problem> {
    const RANGE: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);
    let section = field.section(&["method_request", "method_answer", "twin_ack", "twin_read"])?;
    let delay = |key| section.optional(key).map_or(Ok(Duration::ZERO), |field| field.duration(RANGE));
    let delays = HubDelays {
        method_request: delay("method_request")?,
        method_answer: delay("method_answer")?,
        twin_ack: delay("twin_ack")?,
        twin_read: delay("twin_read")?,
    };
    Ok(delays)
}
