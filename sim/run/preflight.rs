//! What is checked before anything starts.

use std::net::SocketAddr;

use super::environment::rest_addresses;
use super::placement::{Impossible, Placement};
use crate::measure::{ProcessError, raise_descriptor_limit};
use crate::profile::Plan;
use crate::shard::{Endpoints, Roles};

/// Why a plan cannot run here.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The limit cannot be read or raised.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It cannot be cut into processes.
    #[error(transparent)]
    Placement(#[from] Impossible),
    /// Something else is short.
    #[error("this machine cannot carry the plan: {0}; see `twinstorm doctor`")]
    Machine(String),
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

/// Raises the limit of descriptors, and cuts the plan into processes that stay below it, or below what the plan allows
/// them.
pub(super) fn placement(plan: &Plan, roles: Roles) -> Result<Placement, PreflightError> {
    let limit = raise_descriptor_limit()?;
    let limit = plan.max_descriptors.map_or(limit, |most| limit.min(u64::from(most)));
    Ok(Placement::of(plan, roles, limit)?)
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
