//! The part of `results.json` that a drill adds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::results_json::{CensusJson, SeriesName, from_series, into_series};
use crate::measure::{
    DrillResult, FaultSpan, HealResult, PhaseData, PhaseResult, SeriesData, SteadyResult, ThresholdResult,
};
use crate::policy::{DrillPhase, Outcome};

/// The keys in their order.
#[derive(Serialize, Deserialize)]
pub(super) struct DrillJson {
    claim: String,
    phases: Vec<PhaseJson>,
    #[serde(default)]
    never_came: u64,
    timeline: Vec<FaultSpan>,
    steady: Vec<SteadyResult>,
    assertions: Vec<ThresholdResult>,
    heal: Option<HealResult>,
    overran: bool,
    replay: String,
}

#[derive(Serialize, Deserialize)]
struct PhaseJson {
    name: DrillPhase,
    from_s: f64,
    to_s: f64,
    census: CensusJson,
    census_by: BTreeMap<Outcome, BTreeMap<String, u64>>,
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
