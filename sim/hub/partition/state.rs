//! The state of a partition, its effects and its deadlines.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::connections::Connections;
use super::counters::Counters;
use super::deleted::Deleted;
use super::devices::Devices;
use super::held::Held;
use super::methods::{Calls, MethodOutcome};
use crate::hub::config::HubDelays;
use crate::hub::configurations::ConfigurationBook;
use crate::hub::identity::HubIdentity;
use crate::hub::service::Servers;
use crate::hub::telemetry::Message;
use crate::hub::throttle::Throttles;
use crate::hub::tracking::TrackingIds;
use crate::hub::warning::Warning;
use crate::mqtt::Packet;
use crate::time::{Nanos, WallClock};

/// How many effects may wait for a planted delay; what comes on top is not delayed.
const MAX_LATER: usize = 65_536;

/// Names a connection within its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::hub) struct ConnectionId(pub(in crate::hub) u64);

/// Names a method call within its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::hub) struct CallId(pub(in crate::hub) u64);

/// What is to happen outside.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Effect {
    /// A packet goes out.
    Send { to: ConnectionId, packet: Packet },
    /// A connection is closed, after what was sent to it before.
    Close { connection: ConnectionId },
    /// A device has sent a message to the cloud.
    Message(Box<Message>),
    /// A method call is over.
    Answer { call: CallId, outcome: MethodOutcome },
}

/// The devices of one worker.
#[derive(Debug)]
pub(in crate::hub) struct Partition {
    pub(super) identity: Arc<HubIdentity>,
    pub(super) delays: HubDelays,
    pub(super) wall: WallClock,
    pub(super) devices: Devices,
    pub(super) connections: Connections,
    pub(super) calls: Calls,
    /// Identities created so far: tells a device from an earlier one of the same id.
    pub(super) generation: u64,
    pub(super) disabled: usize,
    /// Ids that a service has deleted and not created again: these cannot enrol themselves.
    pub(super) deleted: Deleted,
    /// The configurations of the whole hub; those of the first partition only are in use.
    pub(in crate::hub) configurations: ConfigurationBook,
    /// Names its error answers.
    pub(super) tracking: TrackingIds,
    /// Whether the messages that devices send to the cloud are handed out.
    pub(super) keeps_telemetry: bool,
    pub(super) counters: Counters,
    /// Shared with the other partitions.
    pub(super) throttles: Arc<Throttles>,
    /// Shared with the other partitions; `None` without a service-time model.
    pub(super) servers: Option<Arc<Servers>>,
    pub(super) held: Held,
    /// A device has subscribed to a filter that is not documented.
    pub(super) unknown_filter: Warning,
    /// A connection was refused.
    pub(super) refused: Warning,
    effects: VecDeque<Effect>,
    /// Effects that wait for a planted delay, in order of time and then of arrival.
    later: BTreeMap<(Nanos, u64), Effect>,
    deferred: u64,
}

impl Partition {
    /// An empty partition of the hub `identity`; its error answers go by `tracking`.
    pub(in crate::hub) fn new(
        identity: Arc<HubIdentity>,
        delays: HubDelays,
        wall: WallClock,
        tracking: TrackingIds,
    ) -> Self {
        Self {
            identity,
            delays,
            wall,
            devices: Devices::default(),
            connections: Connections::default(),
            calls: Calls::default(),
            generation: 0,
            disabled: 0,
            deleted: Deleted::default(),
            configurations: ConfigurationBook::default(),
            tracking,
            keeps_telemetry: false,
            counters: Counters::default(),
            throttles: Arc::new(Throttles::new(None, wall)),
            servers: None,
            held: Held::default(),
            unknown_filter: Warning::default(),
            refused: Warning::default(),
            effects: VecDeque::new(),
            later: BTreeMap::new(),
            deferred: 0,
        }
    }

    /// From now on `throttles` decide what is let through.
    pub(in crate::hub) fn throttled_by(&mut self, throttles: Arc<Throttles>) {
        self.throttles = throttles;
    }

    /// From now on `servers` serve what devices ask for.
    pub(in crate::hub) fn served_by(&mut self, servers: Arc<Servers>) {
        self.servers = Some(servers);
    }

    /// The next thing that is to happen; drain it after each call of another function.
    pub(in crate::hub) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Partition::tick`] is due next.
    pub(in crate::hub) fn next_deadline(&self) -> Nanos {
        let later = self.later.first_key_value().map_or(Nanos::MAX, |((at, _), _)| *at);
        later.min(self.calls.next_deadline()).min(self.connections.next_check()).min(self.held.next_due())
    }

    /// Does what is due at `now`.
    pub(in crate::hub) fn tick(&mut self, now: Nanos) {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            self.effects.push_back(entry.remove());
        }
        self.release_held(now);
        self.expire_calls(now);
        self.check_connections(now);
    }

    /// What was done so far.
    pub(in crate::hub) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The same, to count what is done elsewhere on this worker.
    pub(in crate::hub) const fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// When the first packet goes on that waits for a throttle or a server.
    pub(in crate::hub) fn next_held(&self) -> Nanos {
        self.held.next_due()
    }

    /// Packets that wait for a throttle or a server.
    pub(in crate::hub) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// Lets `effect` happen `delay` from now.
    pub(super) fn emit_after(&mut self, now: Nanos, delay: Duration, effect: Effect) {
        if delay.is_zero() || self.later.len() >= MAX_LATER {
            return self.emit(effect);
        }
        self.deferred += 1;
        self.later.insert((now + delay, self.deferred), effect);
    }

    /// The hub goes down, and forgets what was under way: calls, and what waited for a throttle, a server or a planted delay.
    /// Nobody hears of it; devices and twins stay. Connections end one by one as they are cut.
    pub(in crate::hub) fn go_down(&mut self) {
        self.later.clear();
        self.held.clear();
        self.abandon_calls();
    }

    /// From now on answers are delayed by this. What waits for an earlier delay goes on at once, so that nothing
    /// overtakes it.
    pub(in crate::hub) fn delayed_by(&mut self, delays: HubDelays) {
        self.delays = delays;
        self.effects.extend(std::mem::take(&mut self.later).into_values());
    }

    /// The delays planted at present.
    pub(in crate::hub) const fn delays(&self) -> HubDelays {
        self.delays
    }

    pub(super) fn close(&mut self, now: Nanos, connection: ConnectionId) {
        self.emit(Effect::Close { connection });
        self.disconnected(now, connection);
    }
}
