//! The embedded hub: compatible with Azure IoT Hub as far as a fleet's firmware updates need it. MQTT and REST come
//! in; twins, methods, queries and the registry are kept in memory.

mod access;
mod authority;
mod breaker;
mod certificate;
mod config;
mod configurations;
mod endpoint;
mod entrance;
mod error;
mod faults;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod identity;
mod jobs;
mod json;
mod listener;
mod lobby;
mod null;
mod partition;
mod peers;
mod ports;
mod query;
mod rest;
mod room;
mod scan;
mod server;
mod service;
mod telemetry;
mod throttle;
mod tracking;
mod twin;
mod warning;
mod workers;

pub use access::{Policy, Rights};
pub use authority::CA_FILE;
pub use config::{DoorLimits, HubConfig, HubDelays};
pub use error::HubError;
pub use faults::{HubFaultChange, HubFaultNews};
pub use identity::HubIdentity;
pub use server::{BoundHub, Hub};
pub use throttle::{HubLimits, Operation, Tier};
