//! The embedded hub: compatible with Azure IoT Hub as far as a fleet's firmware updates need it. MQTT and REST come
//! in; twins, methods, queries and the registry are kept in memory.

mod authority;
mod config;
mod endpoint;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod json;
mod lobby;
mod partition;
mod query;
mod rest;
mod server;
mod tracking;
mod twin;
mod warning;
mod workers;

pub use authority::CA_FILE;
pub use config::{HubConfig, HubDelays, HubIdentity, HubLimits, SERVICE_POLICY};
pub use error::HubError;
pub use server::{BoundHub, Hub};
