//! The embedded hub: compatible with Azure IoT Hub as far as a fleet's firmware updates need it. MQTT and REST come
//! in; twins, methods, queries and the registry are kept in memory.

mod access;
mod authority;
mod config;
mod configurations;
mod endpoint;
mod error;
mod identity;
mod json;
mod listener;
mod partition;
mod ports;
mod query;
mod rest;
mod server;
mod tracking;
mod twin;
mod workers;

pub use access::{Policy, Rights};
pub use authority::CA_FILE;
pub use config::{HubConfig, HubDelays};
pub use error::HubError;
pub use identity::HubIdentity;
pub use server::{BoundHub, Hub};
