//! `[hub]`: the hub under test.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::reader::{Field, Section};
use super::{BrokerPlan, broker, limit, service};
use crate::device::{Auth, FleetConfig, Transport};
use crate::driver::Via;
use crate::hub::{HubConfig, HubDelays, HubLimits, Tier};
use crate::policy::{FaultKind, Limit, ServiceModel, ThrottledOperation};

/// The hub under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        /// Limits one by one, each in the place of the tier's where there is one; each process has them for itself.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        throttle: BTreeMap<ThrottledOperation, Limit>,
        /// How long each process takes for what it is asked; `None` for as long as it really does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<Box<ServiceModel>>,
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
    /// A plain MQTT broker that is already there.
    Mqtt(Box<BrokerPlan>),
}

impl HubPlan {
    /// Whether it does all that it is asked to: our own, without limits and without a service-time model.
    #[must_use]
    pub fn is_ideal(&self) -> bool {
        match self {
            Self::Embedded { tier, throttle, service, .. } => {
                tier.is_none() && throttle.is_empty() && service.is_none()
            }
            Self::Null { .. } => true,
            Self::Azure | Self::Mqtt(_) => false,
        }
    }

    /// What each process of the embedded hub really allows: its tier's limits, and those given one by one, which take the
    /// place of the tier's. `None` if nothing is limited, and for a hub elsewhere, whose limits nobody knows.
    #[must_use]
    pub fn limits(&self) -> Option<HubLimits> {
        match self {
            Self::Embedded { tier, units, throttle, .. } => {
                HubLimits::effective(tier.map(|tier| (tier, *units)), throttle)
            }
            Self::Null { .. } | Self::Azure | Self::Mqtt(_) => None,
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
            Self::Azure | Self::Mqtt(_) => None,
        }
    }

    /// Whether a fault of the hub can be done to it: to our own, and an outage to any whose operator has said how.
    #[must_use]
    pub fn can_be_struck(&self, kind: &FaultKind) -> bool {
        match self {
            Self::Embedded { .. } => true,
            Self::Mqtt(broker) => broker.outage.is_some() && *kind == FaultKind::HubDown,
            Self::Null { .. } | Self::Azure => false,
        }
    }

    /// The broker, if it is one.
    #[must_use]
    pub fn broker(&self) -> Option<&BrokerPlan> {
        match self {
            Self::Mqtt(broker) => Some(broker),
            _ => None,
        }
    }

    /// Whether anybody can tell a device that is not connected from one that does not answer: an IoT hub says so itself,
    /// with a plain broker the devices' presence topics do.
    #[must_use]
    pub fn tells_presence(&self) -> bool {
        self.broker().is_none_or(|broker| broker.dialect.topics.presence.is_some())
    }

    /// Threads of each process of one of ours.
    #[must_use]
    pub const fn workers(&self) -> usize {
        match self {
            Self::Embedded { workers, .. } | Self::Null { workers, .. } => *workers,
            Self::Azure | Self::Mqtt(_) => 0,
        }
    }

    /// What a hub of ours is started with, on free loopback ports, for devices that come over `transport`; `None` for
    /// any other hub.
    #[must_use]
    pub fn embedded(&self, transport: Transport) -> Option<HubConfig> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        match self {
            Self::Embedded { workers, slow, service, .. } => Some(HubConfig {
                mqtt: (transport == Transport::Tcp).then_some(free),
                mqtts: (transport == Transport::Tls).then_some(free),
                http: Some(free),
                https: (transport == Transport::Wss).then_some(free),
                workers: *workers,
                slow: *slow,
                limits: self.limits(),
                service: service.as_deref().cloned(),
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
            Self::Azure | Self::Mqtt(_) => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Embedded,
    Null,
    Azure,
    Mqtt,
}

/// The keys of `[hub]` that say something of a hub of ours.
const OURS: [&str; 7] = ["instances", "workers", "tier", "units", "throttle", "service", "slow"];

pub(super) fn read(field: &Field<'_>) -> Result<HubPlan, Problem> {
    let section = field.section(&[&["kind"], &OURS[..], &broker::KEYS].concat())?;
    let kind = section.required("kind")?;
    if kind.text()?.contains("://") {
        return Err(kind.problem("cannot be an address: take `kind = \"mqtt\"`, and `url` for the address"));
    }
    let kinds = [("embedded", Kind::Embedded), ("azure", Kind::Azure), ("null", Kind::Null), ("mqtt", Kind::Mqtt)];
    if kind.text()?.contains([':', '.']) {
        return Err(kind.problem(format_args!(
            "cannot be `{}`: the address of a plain broker begins with mqtt://, mqtts://, ws:// or wss://",
            kind.text()?
        )));
    }
    let choice = kind.choice(&kinds)?;
    if !matches!(choice, Kind::Mqtt) {
        for key in broker::KEYS {
            section.meaningless(key, &kind, "for a hub that is no plain broker (`kind = \"mqtt\"`)")?;
        }
    }
    let plan = match choice {
        Kind::Embedded => {
            let instances = section.required("instances")?.automatic(1..=10_000_u32)?;
            let workers = section.required("workers")?.integer(1..=256_u32)? as usize;
            let slow = slow(&section.required("slow")?)?;
            let (tier, units) = tier(&section)?;
            let throttle =
                section.optional("throttle").as_ref().map(limit::by_operation).transpose()?.unwrap_or_default();
            let service = section.optional("service").as_ref().map(service::read).transpose()?.map(Box::new);
            HubPlan::Embedded { instances, workers, slow, tier, units, throttle, service }
        }
        Kind::Null => {
            let instances = section.required("instances")?.automatic(1..=10_000_u32)?;
            let workers = section.required("workers")?.integer(1..=256_u32)? as usize;
            for key in ["slow", "tier", "units", "throttle", "service"] {
                section.meaningless(key, &kind, "for a hub that only acknowledges")?;
            }
            HubPlan::Null { instances, workers }
        }
        Kind::Azure => {
            not_ours(&section, &kind)?;
            HubPlan::Azure
        }
        Kind::Mqtt => {
            not_ours(&section, &kind)?;
            if section.optional("url").is_none() {
                let why = "is `mqtt` and needs `hub.url`, the broker's address, like `mqtt://broker.example:1883`";
                return Err(kind.problem(why));
            }
            HubPlan::Mqtt(Box::new(broker::read(&section)?))
        }
    };
    Ok(plan)
}

/// Refuses what only a hub of ours can be told.
fn not_ours(section: &Section<'_>, kind: &Field<'_>) -> Result<(), Problem> {
    OURS.iter().try_for_each(|key| section.meaningless(key, kind, "for a hub that is not embedded"))
}

/// Refuses what a plain broker cannot be asked for.
pub(super) fn suits_broker(root: &Section<'_>, fleet: &FleetConfig, via: Via) -> Result<(), Problem> {
    if fleet.devices_file.is_some() && fleet.auth == Auth::Sas {
        let section = root.required("fleet")?;
        return Err(section.table_entry("devices_file").unwrap_or(section).problem(
            "holds keys, which an IoT hub knows and a plain broker does not (`hub.kind = \"mqtt\"`): take a file of \
             certificates with `fleet.auth = \"x509\"`, or leave it out, name `hub.username`, and set \
             TWINSTORM_HUB_PASSWORD",
        ));
    }
    if matches!(via, Via::Job { .. }) {
        let load = root.required("load")?;
        return Err(load.table_entry("via").unwrap_or(load).problem(
            "cannot be `job` with `hub.kind = \"mqtt\"`: a plain broker has no jobs. Take `via = \"calls\"`",
        ));
    }
    Ok(())
}

/// Refuses a transport that was asked for together with the address of a broker that is reached by another.
pub(super) fn agrees_on_transport(root: &Section<'_>, asked: Transport, address: Transport) -> Result<(), Problem> {
    let (Some(kind), Some(field)) =
        (root.required("hub")?.table_entry("kind"), root.required("fleet")?.table_entry("transport"))
    else {
        return Ok(());
    };
    if asked == address || !field.is_as_decisive_as(&kind) {
        return Ok(());
    }
    Err(field.problem(
        "is not what the address of the plain broker says, which decides: mqtt:// is TCP, mqtts:// TLS, ws:// and wss:// are \
         WebSockets. Write the address accordingly, or leave it out",
    ))
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
