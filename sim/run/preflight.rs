//! What is checked before anything starts.

use std::net::SocketAddr;

use super::environment::rest_addresses;
use crate::measure::{ProcessError, raise_descriptor_limit};
use crate::profile::Plan;
use crate::shard::{Endpoints, Roles};

/// Descriptors of a process beside devices and method calls: runtimes, pipes, files, listeners, and the connections by
/// which twins are read and devices registered.
const BASE: u64 = 192;

/// Why a plan cannot run here.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The limit cannot be read or raised.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Too few descriptors.
    #[error(
        "the plan needs {needed} open files in {whose}, and a process may have {limit} here: raise the hard limit \
         (ulimit -Hn), or run fewer devices (about {fits} fit) or calls at once (load.max_in_flight)"
    )]
    Descriptors {
        /// What the plan needs.
        needed: u64,
        /// What there is.
        limit: u64,
        /// Which process.
        whose: &'static str,
        /// The largest fleet that would fit.
        fits: u64,
    },
    /// The hub's host has no address.
    #[error("the host of {url} cannot be resolved: {source}")]
    Unresolved {
        /// The REST base URL.
        url: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// Load on a hub elsewhere.
    #[error(
        "{address} is not on this machine: this plan connects {devices} devices at {connect_rate}/s and calls {calls}. \
         If you may put that load on it, say so with --i-own-this-hub"
    )]
    Foreign {
        /// The hub.
        address: SocketAddr,
        /// Devices of the plan.
        devices: u32,
        /// Their connect rate.
        connect_rate: f64,
        /// The load, in words.
        calls: String,
    },
}

/// Raises the limit of descriptors and checks that the plan fits: one per device, one per method call in flight, at
/// both ends.
pub(super) fn descriptors(plan: &Plan, roles: Roles, hub_is_ours: bool) -> Result<u64, PreflightError> {
    let limit = raise_descriptor_limit()?;
    let devices = u64::from(plan.fleet.devices);
    // A device has one call at a time, so there are never more calls than devices.
    let calls = u64::from(plan.driver.max_in_flight).min(devices).min(plan.updates());
    let own = BASE + if roles.fleet { devices } else { 0 } + if roles.driver { calls } else { 0 };
    let hub = if hub_is_ours { BASE + devices + calls } else { 0 };
    let (needed, whose) = if hub > own { (hub, "the hub's process") } else { (own, "this process") };
    if needed > limit {
        let room = limit.saturating_sub(BASE);
        let fits = room.saturating_sub(u64::from(plan.driver.max_in_flight)).max(room / 2);
        return Err(PreflightError::Descriptors { needed, limit, whose, fits });
    }
    Ok(limit)
}

/// Refuses to put load on a hub elsewhere unless the user owns it; returns whether the hub is on this machine.
pub(super) fn target(plan: &Plan, endpoints: &Endpoints, owns_hub: bool) -> Result<bool, PreflightError> {
    let rest = match &endpoints.rest {
        Some(url) => rest_addresses(url).map_err(|source| PreflightError::Unresolved { url: url.clone(), source })?,
        None => Vec::new(),
    };
    let foreign = endpoints.mqtt.into_iter().chain(rest).find(|address| !address.ip().is_loopback());
    match foreign {
        None => Ok(true),
        Some(_) if owns_hub => Ok(false),
        Some(address) => Err(PreflightError::Foreign {
            address,
            devices: plan.fleet.devices,
            connect_rate: plan.fleet.connect_rate,
            calls: plan.load_in_words(),
        }),
    }
}
