//! The part of `results.json` that a drill adds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ReportError;
use super::results_json::{CensusJson, SeriesJson, SeriesName, from_series, into_series};
use crate::measure::{DrillResult, FaultSpan, HealResult, PhaseData, PhaseResult, SteadyResult, ThresholdResult};
use crate::policy::{DrillPhase, Outcome};

/// The keys in their order.
#[derive(Serialize, Deserialize)]
pub(super) struct DrillJson {
    claim: String,
    phases: Vec<PhaseJson>,
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
    series: BTreeMap<SeriesName, SeriesJson>,
}

impl DrillJson {
    pub(super) fn from_drill(drill: &DrillResult) -> Result<Self, ReportError> {
        Ok(Self {
            claim: drill.claim.clone(),
            phases: drill.phases.iter().map(PhaseJson::from_phase).collect::<Result<_, ReportError>>()?,
            timeline: drill.timeline.clone(),
            steady: drill.steady.clone(),
            assertions: drill.assertions.clone(),
            heal: drill.heal.clone(),
            overran: drill.overran,
            replay: drill.replay.clone(),
        })
    }

    pub(super) fn into_drill(self) -> Result<DrillResult, ReportError> {
        Ok(DrillResult {
            claim: self.claim,
            phases: self.phases.into_iter().map(PhaseJson::into_phase).collect::<Result<_, ReportError>>()?,
            timeline: self.timeline,
            steady: self.steady,
            assertions: self.assertions,
            heal: self.heal,
            overran: self.overran,
            replay: self.replay,
        })
    }
}

impl PhaseJson {
    fn from_phase(phase: &PhaseResult) -> Result<Self, ReportError> {
        let PhaseData { census, series } = &phase.data;
        Ok(Self {
            name: phase.name,
            from_s: phase.from_s,
            to_s: phase.to_s,
            census: CensusJson::from_census(census),
            census_by: census.details.clone(),
            series: from_series(series)?,
        })
    }

    fn into_phase(self) -> Result<PhaseResult, ReportError> {
        let data = PhaseData { census: self.census.into_census(self.census_by), series: into_series(self.series)? };
        Ok(PhaseResult { name: self.name, from_s: self.from_s, to_s: self.to_s, data })
    }
}
