//! What a worker has done, counted by plain additions and read only when somebody asks.

use std::collections::BTreeMap;

use super::methods::MethodOutcome;
use crate::dialect::azure::ErrorCode;
use crate::hub::throttle::Operation;
use crate::mqtt::ConnectReturnCode;

/// Counts since the hub was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::hub) struct Counters {
    /// Messages that devices have sent to the cloud.
    pub(in crate::hub) telemetry: u64,
    /// Twins that devices have read.
    pub(in crate::hub) twin_reads: u64,
    /// Patches of devices: merged, and refused.
    pub(in crate::hub) twin_updates: [u64; 2],
    /// Connections accepted.
    pub(in crate::hub) connects: u64,
    /// Connections refused, by reason.
    pub(in crate::hub) refused_connects: BTreeMap<&'static str, u64>,
    /// Method calls, by how they ended.
    pub(in crate::hub) methods: BTreeMap<&'static str, u64>,
    /// Requests of services, by kind, where it has one, and by status.
    pub(in crate::hub) requests: BTreeMap<(Option<Operation>, u16), u64>,
}

impl Counters {
    /// A patch of a device was merged, or refused.
    pub(super) const fn twin_update(&mut self, merged: bool) {
        self.twin_updates[if merged { 0 } else { 1 }] += 1;
    }

    /// A connection was refused.
    pub(super) fn refused_connect(&mut self, code: ConnectReturnCode) {
        let reason = match code {
            ConnectReturnCode::BadClientId => "identifier",
            ConnectReturnCode::BadUserNamePassword => "username",
            ConnectReturnCode::NotAuthorized => "not_authorized",
            _ => "unavailable",
        };
        *self.refused_connects.entry(reason).or_default() += 1;
    }

    /// A method call has ended.
    pub(in crate::hub) fn method(&mut self, outcome: &MethodOutcome) {
        let end = match outcome.as_ref().map_err(|refused| refused.refusal.code) {
            Ok(_) => "answered",
            Err(ErrorCode::DeviceNotOnline) => "not_online",
            Err(ErrorCode::GatewayTimeout) => "no_answer",
            Err(_) => "refused",
        };
        *self.methods.entry(end).or_default() += 1;
    }

    /// A request was answered.
    pub(in crate::hub) fn request(&mut self, operation: Option<Operation>, status: u16) {
        *self.requests.entry((operation, status)).or_default() += 1;
    }

    /// Adds what another worker has done.
    pub(in crate::hub) fn add(&mut self, other: Self) {
        fn add<K: Ord>(sums: &mut BTreeMap<K, u64>, parts: BTreeMap<K, u64>) {
            for (key, count) in parts {
                *sums.entry(key).or_default() += count;
            }
        }
        self.telemetry += other.telemetry;
        self.twin_reads += other.twin_reads;
        self.connects += other.connects;
        for (sum, part) in self.twin_updates.iter_mut().zip(other.twin_updates) {
            *sum += part;
        }
        add(&mut self.refused_connects, other.refused_connects);
        add(&mut self.methods, other.methods);
        add(&mut self.requests, other.requests);
    }
}
