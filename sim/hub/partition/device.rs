//! What the hub keeps of one device.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::credentials::Credentials;
use super::state::ConnectionId;
use super::telemetry::Will;
use crate::dialect::azure::FromHub;
use crate::hub::telemetry::AuthMethod;
use crate::hub::twin::Twin;
use crate::time::Nanos;

/// The longest silence that any keep-alive allows (1.5).
const MAX_SILENCE: Duration = Duration::from_secs(1767);

/// A registered device, or a module of one: a module is kept as a device whose id is `device/module`, since `/` is
/// legal in neither.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: Arc<str>,
    pub(super) identity: Identity,
    pub(super) twin: Twin,
    pub(super) session: Option<Session>,
    /// When it was last heard of.
    pub(super) heard: Option<Nanos>,
    /// Method calls that wait for it or its answer.
    pub(super) calls: u32,
    /// Messages that it has sent to the cloud.
    pub(super) telemetry: u32,
}

/// What the registry knows of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Tells this device from an earlier one of the same id.
    pub(super) generation: u64,
    /// Moves with each write of the identity.
    pub(super) etag: u64,
    pub(super) enabled: bool,
    /// What few identities have, so that the others pay one word for it.
    pub(super) details: Option<Box<Details>>,
    pub(super) credentials: Credentials,
    pub(super) status_updated: Option<Timestamp>,
    pub(super) connection_updated: Option<Timestamp>,
}

/// What few identities have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::hub) struct Details {
    /// Why it is enabled or disabled.
    pub(in crate::hub) status_reason: Option<String>,
    /// Who manages a module.
    pub(in crate::hub) managed_by: Option<String>,
    /// Whether it is an edge device, to which others may belong.
    pub(in crate::hub) is_edge: bool,
    /// The scope of an edge device, or the one that a device belongs to.
    pub(in crate::hub) scope: Option<String>,
    /// The scopes above it.
    pub(in crate::hub) parent_scopes: Vec<String>,
    /// The model that it named when it connected.
    pub(in crate::hub) model_id: Option<String>,
}

impl Identity {
    /// The model that the device named when it connected.
    pub(super) fn model_id(&self) -> Option<&str> {
        self.details.as_ref()?.model_id.as_deref()
    }
}

impl Details {
    /// What they are for the device `id` whose details were `before`: an edge device has the scope that the hub gave it
    /// when it became one at `at`, a device below one has that one's for a parent, and a model stays.
    pub(super) fn settled(mut self, id: &str, before: Option<&Self>, at: Timestamp) -> Self {
        if self.is_edge {
            let kept = before.filter(|before| before.is_edge).and_then(|before| before.scope.clone());
            self.scope = Some(kept.unwrap_or_else(|| format!("ms-azure-iot-edge://{id}-{}", at.as_microsecond())));
        } else {
            self.parent_scopes = self.scope.iter().cloned().collect();
        }
        self.model_id = before.and_then(|before| before.model_id.clone());
        self
    }

    /// As an identity keeps them: nothing, if there are none.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// The ids of device and module in the id of an identity.
pub(in crate::hub) fn split_id(id: &str) -> (&str, Option<&str>) {
    match id.split_once('/') {
        Some((device, module)) => (device, Some(module)),
        None => (id, None),
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
    /// In seconds; 0 for none.
    pub(super) keep_alive: u16,
    /// What is sent when the connection is lost. In a box, because hardly a device has one.
    pub(super) will: Option<Box<Will>>,
    /// When its token expires.
    pub(super) expires: Nanos,
    /// What it proved itself by.
    pub(super) method: AuthMethod,
}

impl Session {
    /// Silence after which the connection is dropped (1.5): one and a half times the keep-alive, capped. Zero turns it
    /// off, as MQTT has it.
    fn patience(&self) -> Option<Duration> {
        let keep_alive = Duration::from_secs(self.keep_alive.into());
        (!keep_alive.is_zero()).then(|| (keep_alive * 3 / 2).min(MAX_SILENCE))
    }
}

impl Device {
    /// Whether this is a module of a device: it lies under the id `device/module`, and a `/` is legal in neither.
    pub(super) fn is_module(&self) -> bool {
        self.id.contains('/')
    }

    /// Whether it is connected, in the hub's words.
    pub(super) fn connection_state(&self) -> &'static str {
        if self.connection().is_some() { "Connected" } else { "Disconnected" }
    }

    /// Its connection, while there is one.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.session.as_ref().and_then(|session| session.connection)
    }

    /// When its connection must be closed unless it is heard of before; not later than `now` if that is already so.
    pub(super) fn next_check(&self, now: Nanos) -> Nanos {
        let Some(session) = &self.session else { return now };
        let heard = self.heard.unwrap_or(now);
        session.patience().map_or(session.expires, |patience| session.expires.min(heard + patience))
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
    /// Messages to a module's inputs.
    pub(super) const INPUTS: Self = Self(16);

    /// What devices of the SDKs subscribe to, sooner or later.
    pub(super) const USUAL: Self = Self(Self::METHODS.0 | Self::TWIN_ANSWERS.0 | Self::DESIRED.0);

    /// What a filter of the device or module `id` stands for; `None` if no such filter is documented (1.7, 7). There
    /// are no more documented filters than a device may subscribe to (5), so that limit needs no counting.
    pub(super) fn of_filter(filter: &str, id: &str) -> Option<Self> {
        match filter {
            FromHub::METHOD_FILTER => Some(Self::METHODS),
            FromHub::TWIN_RESPONSE_FILTER => Some(Self::TWIN_ANSWERS),
            FromHub::DESIRED_FILTER => Some(Self::DESIRED),
            other => {
                let (device, module) = split_id(id);
                let rest = other.strip_prefix("devices/")?.strip_prefix(device)?;
                let Some(module) = module else {
                    return (rest == "/messages/devicebound/#").then_some(Self::MESSAGES);
                };
                // 7: Python and Node ask for the inputs, C and .NET for all that concerns the module.
                let rest = rest.strip_prefix("/modules/")?.strip_prefix(module)?;
                matches!(rest, "/inputs/#" | "/#").then_some(Self::INPUTS)
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
        for (filter, known) in [
            ("$iothub/methods/POST/#", Some(Subscriptions::METHODS)),
            ("devices/d/modules/m/inputs/#", Some(Subscriptions::INPUTS)),
            ("devices/d/modules/m/#", Some(Subscriptions::INPUTS)),
            ("devices/d/modules/n/#", None),
            ("devices/d/modules/m/inputs/a", None),
            ("devices/d/messages/devicebound/#", None),
        ] {
            assert_eq!(Subscriptions::of_filter(filter, "d/m"), known, "{filter}");
        }
    }
}
