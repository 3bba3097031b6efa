//! What the hub keeps of one device.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::state::ConnectionId;
use crate::dialect::azure::{FromHub, Key};
use crate::hub::twin::Twin;
use crate::time::Nanos;

/// A registered device.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: Arc<str>,
    pub(super) identity: Identity,
    pub(super) twin: Twin,
    pub(super) session: Option<Session>,
    /// When it was last heard of.
    pub(super) heard: Option<Nanos>,
    /// Method calls that wait for it or its answer.
    pub(super) calls: usize,
}

/// What the registry knows of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Tells this device from an earlier one of the same id.
    pub(super) generation: u64,
    /// Moves with each write of the identity.
    pub(super) etag: u64,
    pub(super) enabled: bool,
    pub(super) reason: Option<Box<str>>,
    pub(super) keys: Keys,
    pub(super) status_updated: Option<Timestamp>,
    pub(super) connection_updated: Option<Timestamp>,
}

/// A device's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum Keys {
    /// Derived from the master key, as group enrolment does (10): nothing is kept.
    Derived,
    /// Its own: primary and secondary.
    Own(Box<(Key, Key)>),
}

impl Keys {
    /// Primary and secondary key of the device `id`. Derived ones need a second key too, because an identity has both
    /// or neither (1.3): the first one's derivative.
    pub(super) fn of(&self, id: &str, master: &Key) -> (Key, Key) {
        match self {
            Self::Derived => {
                let primary = master.derive(id);
                let secondary = primary.derive(id);
                (primary, secondary)
            }
            Self::Own(keys) => (**keys).clone(),
        }
    }
}

/// An MQTT session.
#[derive(Debug)]
pub(super) struct Session {
    /// The connection, while there is one.
    pub(super) connection: Option<ConnectionId>,
    /// Whether it outlives its connection (clean session 0).
    pub(super) persistent: bool,
    pub(super) subscriptions: Subscriptions,
    /// Silence after which the connection is dropped; `None` for never.
    pub(super) patience: Option<Duration>,
    /// When its token expires.
    pub(super) expires: Nanos,
}

impl Device {
    /// Whether this is a module of a device: it lies under the id `device/module`, and a `/` is legal in neither.
    pub(super) fn is_module(&self) -> bool {
        self.id.contains('/')
    }

    /// Its connection, while there is one.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.session.as_ref().and_then(|session| session.connection)
    }

    /// When its connection must be closed unless it is heard of before; not later than `now` if that is already so.
    pub(super) fn next_check(&self, now: Nanos) -> Nanos {
        let Some(session) = &self.session else { return now };
        let heard = self.heard.unwrap_or(now);
        session.patience.map_or(session.expires, |patience| session.expires.min(heard + patience))
    }

    /// Its connection, while there is one, if it subscribed to what `topics` stands for.
    pub(super) fn subscribed(&self, topics: Subscriptions) -> Option<ConnectionId> {
        let session = self.session.as_ref()?;
        session.connection.filter(|_| session.subscriptions.contains(topics))
    }
}

/// What a session subscribed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Subscriptions(u8);

impl Subscriptions {
    /// Direct methods.
    pub(super) const METHODS: Self = Self(1);
    /// Answers to twin requests.
    pub(super) const TWIN_ANSWERS: Self = Self(2);
    /// Changes of the desired properties.
    pub(super) const DESIRED: Self = Self(4);
    /// Messages from the cloud.
    pub(super) const MESSAGES: Self = Self(8);

    /// What a filter of the device `id` stands for; `None` if no such filter is documented (1.7). There are fewer
    /// documented filters than a device may subscribe to (5), so that limit needs no counting.
    pub(super) fn of_filter(filter: &str, id: &str) -> Option<Self> {
        match filter {
            FromHub::METHOD_FILTER => Some(Self::METHODS),
            FromHub::TWIN_RESPONSE_FILTER => Some(Self::TWIN_ANSWERS),
            FromHub::DESIRED_FILTER => Some(Self::DESIRED),
            other => {
                let rest = other.strip_prefix("devices/")?.strip_prefix(id)?;
                (rest == "/messages/devicebound/#").then_some(Self::MESSAGES)
            }
        }
    }

    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_filters_are_known() {
        for (filter, known) in [
            ("$iothub/methods/POST/#", Some(Subscriptions::METHODS)),
            ("$iothub/twin/res/#", Some(Subscriptions::TWIN_ANSWERS)),
            ("$iothub/twin/PATCH/properties/desired/#", Some(Subscriptions::DESIRED)),
            ("devices/d#1/messages/devicebound/#", Some(Subscriptions::MESSAGES)),
            ("devices/other/messages/devicebound/#", None),
            ("#", None),
            ("$iothub/#", None),
        ] {
            assert_eq!(Subscriptions::of_filter(filter, "d#1"), known, "{filter}");
        }
    }

    #[test]
    fn derived_keys_are_two_and_the_first_is_the_enrolment_s() {
        let master = Key::from_bytes([7; 32]);
        let (primary, secondary) = Keys::Derived.of("d", &master);
        assert!(primary == master.derive("d") && secondary != primary);
    }
}
