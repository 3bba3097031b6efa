//! What keeps a roll-out from being quicker.

use serde::{Serialize, Serializer};

use crate::hub::Operation;

/// What keeps something from being quicker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The tier's limit of an operation.
    Limit(Operation),
    /// The devices that a hub may have.
    Devices,
    /// The messages of a day.
    Quota,
    /// The plan's own rate of connections.
    ConnectRate,
    /// The plan's own schedule of calls.
    Schedule,
    /// How many updates the plan has in progress at once.
    InFlight,
    /// What the plan's fleet downloads per second.
    FleetBandwidth,
    /// What a device takes for its update.
    Device,
    /// How rarely the observer looks.
    Looks,
    /// How long the plan's load goes on in any case.
    Lasts,
}

impl Bound {
    /// The name: an operation's, or that of the key of the profile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limit(operation) => operation.name(),
            Self::Devices => "devices",
            Self::Quota => "daily_messages",
            Self::ConnectRate => "fleet.connect_rate",
            Self::Schedule => "load.rate",
            Self::InFlight => "load.in_flight",
            Self::FleetBandwidth => "fleet_bandwidth",
            Self::Device => "firmware",
            Self::Looks => "observe.interval",
            Self::Lasts => "load.lasts",
        }
    }

    /// Whether it is the hub's, rather than the plan's own.
    #[must_use]
    pub const fn is_of_hub(self) -> bool {
        matches!(self, Self::Limit(_) | Self::Devices | Self::Quota)
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
