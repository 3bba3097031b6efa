//! `twinstorm`: a load simulator for IoT hubs. It brings virtual devices online over MQTT, calls `firmwareUpdate` on
//! them as a fleet's operator would, and measures how long every device-twin transition takes to become visible.
//!
//! ARCHITECTURE.md has the map. Imports point down this list, never up.

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub mod cli;

pub mod run;

pub mod shard;

pub mod report;

pub mod verdict;

pub mod profile;

pub mod driver;

pub mod hub;

pub mod device;

pub mod dialect;
pub mod mqtt;

pub mod measure;
pub mod policy;
pub mod random;
pub mod time;
