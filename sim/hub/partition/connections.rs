//! Open connections: whose each is, and when it must be looked at.

use std::collections::{BTreeSet, HashMap};

use super::devices::Slot;
use super::state::ConnectionId;
use crate::time::Nanos;

/// The open connections of a partition. Each has one moment at which it is checked for silence and an expired token;
/// a packet does not move it, the check does. So a packet costs no timer, and a connection one look per keep-alive.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: HashMap<ConnectionId, (Slot, Nanos)>,
    checks: BTreeSet<(Nanos, ConnectionId)>,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whose they are.
    pub(super) fn devices(&self) -> impl Iterator<Item = Slot> {
        self.open.values().map(|(device, _)| *device)
    }

    /// The device that `connection` belongs to.
    pub(super) fn device(&self, connection: ConnectionId) -> Option<Slot> {
        self.open.get(&connection).map(|(device, _)| *device)
    }

    /// `connection` belongs to `device` and is checked at `at`, whatever was before.
    pub(super) fn insert(&mut self, connection: ConnectionId, device: Slot, at: Nanos) {
        self.remove(connection);
        self.open.insert(connection, (device, at));
        self.checks.insert((at, connection));
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) -> Option<Slot> {
        let (device, at) = self.open.remove(&connection)?;
        self.checks.remove(&(at, connection));
        Some(device)
    }

    /// When the next check is due.
    pub(super) fn next_check(&self) -> Nanos {
        self.checks.first().map_or(Nanos::MAX, |(at, _)| *at)
    }

    /// A connection whose check is due at `now`; it must be inserted again or closed.
    pub(super) fn due(&self, now: Nanos) -> Option<(ConnectionId, Slot)> {
        let (_, connection) = self.checks.first().filter(|(at, _)| *at <= now)?;
        Some((*connection, self.device(*connection)?))
    }
}
