//! The fleet operator's service: arrivals, method calls, observation of twins.

mod answer;
mod board;
mod broker;
mod cleanup;
mod client;
mod config;
mod connector;
mod decision;
#[expect(clippy::module_inception, reason = "the driver itself, in the room of its parts")]
mod driver;
mod event;
mod job;
mod ledger;
mod marks;
mod online;
mod part;
mod phases;
mod poll;
mod provision;
mod query;
mod registry;
mod schedule;
mod scribe;
mod service;
mod shared;
mod sighting;
mod update;
mod workers;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use broker::{BrokerSettings, LineError};
pub use cleanup::{Cleaned, cleanup};
pub use client::{Client, ClientError, RestSettings};
pub use config::{DriverConfig, LineConfig, LineShare, ObserveConfig, ObserveKind, Via};
pub use driver::{Driver, DriverError, DriverPlan, Sample};
pub use online::{GreetError, OnlineError, greet, wait_online};
pub use phases::PhasePlan;
pub use provision::{Provisioned, provision};
pub use registry::{Enrol, RegistryError, RegistryProgress, Roll};
pub use service::ServiceSettings;
pub use shared::OBSERVER_THROTTLED;
