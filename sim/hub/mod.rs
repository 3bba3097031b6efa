//! The embedded hub: compatible with Azure IoT Hub as far as a fleet's firmware updates need it. MQTT and REST come
//! in; twins, methods, queries and the registry are kept in memory.

mod authority;
mod config;
mod endpoint;
mod error;
mod jobs;
mod json;
mod partition;
mod query;
mod rest;
mod scan;
mod server;
mod tracking;
mod twin;
mod workers;

pub use authority::CA_FILE;
pub use config::{HubConfig, HubDelays, HubIdentity, SERVICE_POLICY};
pub use error::HubError;
pub use server::{BoundHub, Hub};
