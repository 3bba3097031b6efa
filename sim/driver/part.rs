//! What a [`Ledger`](super::ledger::Ledger) is given, and what it asks for.

use std::time::Duration;

use crate::policy::{DeviceIds, DeviceRange, Load, Rollout, Settle};

/// What the edge is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Send the call of this device, and say so with `Ledger::sent` and `Ledger::answered`.
    Call(u32),
    /// Have these devices called by a job that is named after the update of this number, and say so of each.
    Job(u64, Vec<u32>),
    /// Read the twin of this device for its update of this number, and answer with `Ledger::read`.
    Read(u32, u64),
}

/// The part of a fleet's load that a ledger takes.
#[derive(Debug)]
pub(super) struct Part {
    /// The devices' ids.
    pub(super) ids: DeviceIds,
    /// Its devices.
    pub(super) range: DeviceRange,
    /// Devices in the whole fleet.
    pub(super) devices: u32,
    /// Updates planned over the whole fleet, those to settle among them.
    pub(super) updates: u64,
    /// What the first of these are there for, if they are not measured.
    pub(super) settle: Option<Settle>,
    /// How long the load goes on at least.
    pub(super) lasts: Duration,
    /// The whole fleet's load.
    pub(super) load: Load,
    /// In which waves devices are called; `None`: all in one.
    pub(super) rollout: Option<Rollout>,
    /// Calls in flight at once.
    pub(super) max_in_flight: u32,
    /// Devices of each job, at most; `None` if they are called one by one.
    pub(super) job_devices: Option<u32>,
    /// Whether twins are polled, so that `Ledger::next_observed` is wanted.
    pub(super) polls: bool,
}
