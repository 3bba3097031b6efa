//! The updates that came before those that are measured.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Census;
use crate::policy::Outcome;

/// What is counted of them in some stretch of time and some part of a run; it adds up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// How they ended.
    pub census: Census,
    /// Calls whose due time came.
    pub calls_due: u64,
    /// Calls really sent, retries not counted.
    pub calls_sent: u64,
}

impl Settled {
    /// Adds another part's.
    pub fn merge(&mut self, other: &Self) {
        self.census.merge(&other.census);
        self.calls_due += other.calls_due;
        self.calls_sent += other.calls_sent;
    }
}

/// The updates that brought the hub into the state in which it was measured: they are in no other figure than the seconds'
/// calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SettledResult {
    /// From the start of the load to the start of what was measured, in seconds.
    pub lead_s: f64,
    /// How many were planned.
    pub planned: u64,
    /// How they ended.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// How many have no outcome; negative if one has several. Must be 0.
    pub unaccounted: i64,
}
