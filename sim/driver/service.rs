//! What a driver reaches its devices by.

use super::broker::{Broker, BrokerSettings};
use super::client::{Client, ClientError, RestSettings};
use crate::policy::DeviceRange;
use crate::time::Clock;

/// Where the driver's hub is, and by what it is spoken with.
#[derive(Debug, Clone)]
pub enum ServiceSettings {
    /// Over REST: the hub calls devices, and keeps their twins.
    Rest(RestSettings),
    /// As a client of a broker, which delivers calls, answers and reports.
    Broker(BrokerSettings),
}

/// The same in use.
#[derive(Debug)]
pub(super) enum Service {
    Rest(Client),
    Broker(Box<Broker>),
}

impl Service {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// The address is unusable.
    pub(super) fn new(
        settings: &ServiceSettings,
        range: DeviceRange,
        run_id: &str,
        clock: Clock,
    ) -> Result<Self, ClientError> {
        Ok(match settings {
            ServiceSettings::Rest(rest) => Self::Rest(Client::new(rest, clock)?),
            ServiceSettings::Broker(broker) => Self::Broker(Box::new(Broker::new(broker.clone(), range, run_id))),
        })
    }
}
