//! The embedded hub.

mod config;

pub use config::{HubConfig, HubDelays, HubIdentity};
