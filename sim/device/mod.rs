//! One device's session and firmware workflow, and the fleet that runs many.

mod config;

pub use config::{FirmwareConfig, FleetConfig};
