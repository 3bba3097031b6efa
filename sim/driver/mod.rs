//! The fleet operator's service: arrivals, method calls, observation of twins.

mod config;

pub use config::{DriverConfig, ObserveConfig, ObserveKind};
