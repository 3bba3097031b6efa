//! Profiles: TOML in, a validated plan out. Nothing outside this room knows TOML.
//!
//! A profile is a document laid over quickstart's, whose values are the defaults; overrides are laid over both. The
//! sections are then read key by key, each in its own file, from values that know where they come from.

mod broker;
mod capacity;
mod compare;
mod document;
mod drill;
mod error;
mod fault;
mod firmware;
mod fleet;
mod hub;
mod hub_words;
mod image;
mod library;
mod limit;
mod load;
mod metric;
mod observe;
mod overrides;
mod plan;
mod reader;
mod report;
mod retry;
mod rollout;
mod service;
mod settle;
mod telemetry;
#[cfg(test)]
mod tests;
mod threshold;

pub use broker::{BrokerPlan, BrokerTls, BrokerUrl};
pub use compare::ComparePlan;
pub use error::{Invalid, Place, ProfileError};
pub use hub::HubPlan;
pub use library::{list, load, parse, source};
pub use overrides::Override;
pub use plan::Plan;
pub use report::ReportPlan;
