//! What a plan needs of this machine, by what was measured on one (benches/). Estimates, meant to warn in time.

use std::net::IpAddr;

use super::placement::Placement;
use crate::policy::Load;
use crate::profile::{HubPlan, Plan};
use crate::shard::Roles;

/// Memory of a process before any device, in bytes: the program, threads, runtimes, histograms.
const PROCESS: u64 = 12 << 20;
/// Memory of a device in its shard's process, driver included, in bytes.
const FLEET_DEVICE: u64 = 1_800;
/// Memory of a device in a hub's process, in bytes.
const HUB_DEVICE: u64 = 1_700;
/// Memory of a download while it lasts, at both ends, in bytes: what is being read, and what is being sent.
const DOWNLOAD: u64 = 90_000;
/// What TLS adds to either, in bytes.
const TLS: u64 = 4_000;
/// What the kernel takes for one end of a connection, in bytes.
const SOCKET: u64 = 5_000;
/// CPU of a whole update in all processes of ours, in seconds: hub, fleet and driver.
const UPDATE_CPU: f64 = 300e-6;
/// The part of it that fleet and driver have.
const GENERATOR_SHARE: f64 = 0.5;
/// CPU of bringing a device online, in seconds: both ends, and one.
const CONNECT_CPU: (f64, f64) = (180e-6, 90e-6);
/// The same over TLS.
const TLS_CONNECT_CPU: (f64, f64) = (660e-6, 380e-6);
/// Threads of a process beside its workers.
const THREADS: u64 = 6;

/// What a plan needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Needs {
    pub(super) shards: usize,
    pub(super) hubs: usize,
    /// What they are called.
    pub(super) hub_name: &'static str,
    /// Descriptors of the process that needs most.
    pub(super) descriptors: u64,
    /// Descriptors of all processes.
    pub(super) files: u64,
    /// Ends of connections on this machine.
    pub(super) sockets: u64,
    pub(super) connections: u64,
    /// Source addresses; 0 where the kernel picks one.
    pub(super) addresses: u64,
    /// Connections of one source address to one hub, where that is known.
    pub(super) connections_per_address: Option<u64>,
    /// Connections under way at once to listeners of ours.
    pub(super) connecting: u64,
    /// In bytes.
    pub(super) process_memory: u64,
    /// In bytes.
    pub(super) kernel_memory: u64,
    pub(super) threads: u64,
    /// Cores that are busy when most is going on.
    pub(super) cores: f64,
}

impl Needs {
    /// What `plan`, cut as `placement` says, needs towards a `hub` at this address, if that is known.
    pub(super) fn of(plan: &Plan, roles: Roles, placement: &Placement, hub: Option<IpAddr>) -> Self {
        let (shards, hubs) = (placement.shards.len(), placement.hubs);
        let shard_needs = (0..shards).map(|shard| placement.shard_needs(plan, roles, shard));
        let hub_needs = (0..hubs).map(|hub| placement.hub_needs(plan, roles, hub));
        let each: Vec<u64> = shard_needs.chain(hub_needs).collect();
        let devices = if roles.fleet { u64::from(plan.fleet.devices) } else { 0 };
        let calls: u64 =
            if roles.driver { placement.shards.iter().map(|range| placement.calls(plan, *range)).sum() } else { 0 };
        let downloads: u64 = (0..shards).map(|shard| placement.downloads(plan, roles, shard)).sum();
        let connections = devices + calls + downloads;
        let ends = if hubs > 0 { 2 } else { 1 };
        let sources = hub.and_then(|hub| plan.fleet.source_addresses.towards(hub, plan.fleet.devices).ok());
        let addresses = sources.as_ref().map_or(0, |sources| sources.count() as u64);
        let per_hub = devices.div_ceil(hubs.max(1) as u64);
        let (both, one) = if plan.fleet.transport.is_secure() { TLS_CONNECT_CPU } else { CONNECT_CPU };
        let (connect, update) = if hubs > 0 { (both, UPDATE_CPU) } else { (one, UPDATE_CPU * GENERATOR_SHARE) };
        let rate = match plan.driver.load {
            Load::Open { rate, .. } if roles.driver => rate,
            _ => 0.0,
        };
        let tls = if plan.fleet.transport.is_secure() { TLS } else { 0 };
        let workers = (shards * plan.fleet.workers + hubs * plan.hub.workers()) as u64;
        Self {
            shards,
            hubs,
            hub_name: if matches!(plan.hub, HubPlan::Null { .. }) { "null hub" } else { "embedded hub" },
            descriptors: each.iter().copied().max().unwrap_or_default(),
            files: each.iter().sum(),
            sockets: connections * ends,
            connections,
            addresses,
            connections_per_address: sources.map(|_| per_hub.div_ceil(addresses.max(1))),
            connecting: if hubs > 0 { u64::from(plan.fleet.connect_in_flight).min(devices) } else { 0 },
            process_memory: each.len() as u64 * PROCESS
                + devices * (FLEET_DEVICE + tls)
                + downloads * DOWNLOAD
                + if hubs > 0 { devices * (HUB_DEVICE + tls) } else { 0 },
            kernel_memory: connections * ends * SOCKET,
            threads: each.len() as u64 * THREADS + workers,
            cores: (rate * update).max(if roles.fleet { plan.fleet.connect_rate * connect } else { 0.0 }),
        }
    }

    /// The processes in words.
    pub(super) fn processes(&self) -> String {
        let plural = |count: usize, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
        match self.hubs {
            0 => plural(self.shards, "shard"),
            hubs => format!("{} and {}", plural(self.shards, "shard"), plural(hubs, self.hub_name)),
        }
    }

    /// All memory, in bytes.
    pub(super) const fn memory(&self) -> u64 {
        self.process_memory + self.kernel_memory
    }
}
