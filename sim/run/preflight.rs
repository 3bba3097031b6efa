//! What is checked before anything starts.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::environment::Elsewhere;
use super::placement::{Impossible, Placement};
use crate::measure::{ProcessError, raise_descriptor_limit};
use crate::profile::Plan;
use crate::shard::Roles;

/// How long one of several addresses may take to take a connection.
const PROBE: Duration = Duration::from_secs(3);

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
    /// Devices of a file on a hub that knows none of them.
    #[error("fleet.devices_file names devices of a hub elsewhere, not of an embedded one: take --hub azure")]
    DevicesFile,
    /// Load on a hub elsewhere.
    #[error(
        "{address} is not on this machine: this puts up to {load} on it. If you may put that load on it, say so with \
         --i-own-this-hub"
    )]
    Foreign {
        /// The hub.
        address: SocketAddr,
        /// The planned peak rates, in words.
        load: String,
    },
}

/// Raises the limit of descriptors, and cuts the plan into processes that stay below it, or below what the plan allows
/// them.
pub(super) fn placement(plan: &Plan, roles: Roles) -> Result<Placement, PreflightError> {
    let limit = raise_descriptor_limit()?;
    let limit = plan.max_descriptors.map_or(limit, |most| limit.min(u64::from(most)));
    Ok(Placement::of(plan, roles, limit)?)
}

/// Refuses to put `load` on a hub elsewhere unless the user owns it; returns whether the hub is on this machine.
pub(super) fn target(hub: &Elsewhere, load: String, owns_hub: bool) -> Result<bool, PreflightError> {
    let mut addresses = hub.mqtt.iter().chain(&hub.rest);
    match addresses.find(|address| !address.ip().is_loopback()) {
        None => Ok(true),
        Some(_) if owns_hub => Ok(false),
        Some(&address) => Err(PreflightError::Foreign { address, load }),
    }
}

/// The first of `addresses` that takes a connection; a name may stand for some that lead nowhere from here. If none
/// does, the first: its devices will say why.
pub(super) async fn first_that_answers(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    if addresses.len() > 1 {
        for address in addresses {
            if let Ok(Ok(_)) = timeout(PROBE, TcpStream::connect(address)).await {
                return Some(*address);
            }
        }
    }
    addresses.first().copied()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn of_several_addresses_the_first_that_answers_is_taken() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = listening.local_addr().unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(first_that_answers(&[gone, answers, gone]).await, Some(answers));
        assert_eq!(first_that_answers(&[gone, gone]).await, Some(gone));
        assert_eq!(first_that_answers(&[gone]).await, Some(gone));
        assert_eq!(first_that_answers(&[]).await, None);
    }
}
