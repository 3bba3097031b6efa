//! What a drill adds to a result: what each phase measured, what was judged, and how the fleet came back.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Census, SeriesData, ThresholdResult};
use crate::policy::{DrillPhase, Series};

/// What was measured of the updates that were due in a phase.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PhaseData {
    /// How they ended.
    pub census: Census,
    /// Distributions, of those series that the drill wants by phase.
    pub series: BTreeMap<Series, SeriesData>,
}

/// What a drill showed. Times are in seconds since the run started, as those of the intervals are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DrillResult {
    /// What it was to prove.
    pub claim: String,
    /// The phases that began, in order.
    pub phases: Vec<PhaseResult>,
    /// Planned updates that are in none of them: they would have been due later, or nobody knows when. With those of the
    /// phases they add up to the census.
    pub never_came: u64,
    /// Each fault of the plan, in its order.
    pub timeline: Vec<FaultSpan>,
    /// The steady state, before the faults and after them.
    pub steady: Vec<SteadyResult>,
    /// The assertions.
    pub assertions: Vec<ThresholdResult>,
    /// How the fleet was healed; `None` if nobody was left to heal.
    pub heal: Option<HealResult>,
    /// Whether it was stopped because it had not ended in time.
    pub overran: bool,
    /// The command that runs it again.
    pub replay: String,
}

/// A phase.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseResult {
    /// Which.
    pub name: DrillPhase,
    /// When it began.
    pub from_s: f64,
    /// When it ended, at the latest with the last update.
    pub to_s: f64,
    /// What was measured of its updates.
    pub data: PhaseData,
}

/// When a fault began and ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultSpan {
    /// Its name.
    pub name: String,
    /// When it began.
    pub from_s: f64,
    /// When it ended; `None` if only the healing ended it, or the death of every hub that it was done to.
    pub to_s: Option<f64>,
}

/// An expression of the steady state, judged of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SteadyResult {
    /// Of which.
    pub phase: DrillPhase,
    /// What was found.
    #[serde(flatten)]
    pub judged: ThresholdResult,
}

/// How the fleet was healed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealResult {
    /// When every fault was lifted.
    pub began_s: f64,
    /// How long it took until as many devices were connected as before the faults; `None` if they never were.
    pub took_s: Option<f64>,
    /// Whether they all came back, but for those that a fault took for good.
    pub whole: bool,
    /// Devices that did not.
    pub missing: u32,
    /// Those of them that had given up by their policy, and would never have come.
    #[serde(default)]
    pub gave_up: u32,
    /// Devices that a fault took for good.
    pub gone: u32,
}

impl PhaseData {
    /// Adds another part's.
    pub fn merge(&mut self, other: &Self) {
        self.census.merge(&other.census);
        for (series, data) in &other.series {
            self.series.entry(*series).or_default().merge(data);
        }
    }
}
