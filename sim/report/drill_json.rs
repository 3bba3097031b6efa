//! The part of `results.json` that a drill adds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::results_json::{CensusJson, SeriesName, from_series, into_series};
use crate::measure::{
    DrillResult, FaultSpan, HealResult, PhaseData, PhaseResult, SeriesData, SteadyResult, ThresholdResult,
};
use crate::policy::{DrillPhase, Outcome};

/// What a drill showed. Times are in seconds since the run started, as those of the intervals are.
// The keys in their order.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Drill")]
pub(super) struct DrillJson {
    /// What it was to prove.
    claim: String,
    /// The phases that began, in order.
    phases: Vec<PhaseJson>,
    /// Planned updates that are in none of them: they would have been due later, or nobody knows when.
    #[serde(default)]
    never_came: u64,
    /// Each fault of the plan, in its order.
    timeline: Vec<FaultSpan>,
    /// The steady state, before the faults and after them.
    steady: Vec<SteadyResult>,
    /// The assertions.
    assertions: Vec<ThresholdResult>,
    /// How the fleet was healed; `None` if nobody was left to heal.
    heal: Option<HealResult>,
    /// Whether it was stopped because it had not ended in time.
    overran: bool,
    /// The command that runs it again.
    replay: String,
}

/// A phase, and what was measured of the updates that were due in it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Phase")]
struct PhaseJson {
    /// Which.
    name: DrillPhase,
    /// When it began.
    from_s: f64,
    /// When it ended, at the latest with the last update.
    to_s: f64,
    /// How its updates ended.
    census: CensusJson,
    /// Its updates by outcome and by what is known of them beyond its name.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Outcome" }))]
    census_by: BTreeMap<Outcome, BTreeMap<String, u64>>,
    /// Distributions, of those series that the drill wants by phase.
    series: BTreeMap<SeriesName, SeriesData>,
}

impl DrillJson {
    pub(super) fn from_drill(drill: &DrillResult) -> Self {
        Self {
            claim: drill.claim.clone(),
            phases: drill.phases.iter().map(PhaseJson::from_phase).collect(),
            never_came: drill.never_came,
            timeline: drill.timeline.clone(),
            steady: drill.steady.clone(),
            assertions: drill.assertions.clone(),
            heal: drill.heal.clone(),
            overran: drill.overran,
            replay: drill.replay.clone(),
        }
    }

    pub(super) fn into_drill(self) -> DrillResult {
        DrillResult {
            claim: self.claim,
            phases: self.phases.into_iter().map(PhaseJson::into_phase).collect(),
            never_came: self.never_came,
            timeline: self.timeline,
            steady: self.steady,
            assertions: self.assertions,
            heal: self.heal,
            overran: self.overran,
            replay: self.replay,
        }
    }
}

impl PhaseJson {
    fn from_phase(phase: &PhaseResult) -> Self {
        let PhaseData { census, series } = &phase.data;
        Self {
            name: phase.name,
            from_s: phase.from_s,
            to_s: phase.to_s,
            census: CensusJson::from_census(census),
            census_by: census.details.clone(),
            series: from_series(series),
        }
    }

    fn into_phase(self) -> PhaseResult {
        let data = PhaseData { census: self.census.into_census(self.census_by), series: into_series(self.series) };
        PhaseResult { name: self.name, from_s: self.from_s, to_s: self.to_s, data }
    }
}
