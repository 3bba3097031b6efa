//! What is written down of an update by the phase of a drill in which it was due.

use std::time::Duration;

use crate::measure::{PhaseData, Recorder};
use crate::policy::{DrillPhases, Outcome, Series};

/// Which phases there are, and what is wanted of each. Due times count from the start of the load.
#[derive(Debug, Clone)]
pub struct PhasePlan {
    /// When they begin.
    pub phases: DrillPhases,
    /// The series that are recorded by phase.
    pub series: Vec<Series>,
}

impl PhasePlan {
    /// An update is due at `due`.
    pub(super) fn due(&self, recorder: &mut Recorder, due: Duration) {
        self.of(recorder, due).census.planned += 1;
    }

    /// A duration was measured of an update that was due at `due`.
    pub(super) fn record(&self, recorder: &mut Recorder, due: Duration, series: Series, duration: Duration) {
        if self.series.contains(&series) {
            self.of(recorder, due).series.entry(series).or_default().record(duration);
        }
    }

    /// An update that was due at `due` ended.
    pub(super) fn ended(&self, recorder: &mut Recorder, due: Duration, outcome: Outcome, detail: &str) {
        self.of(recorder, due).census.record(outcome, detail);
    }

    fn of<'a>(&self, recorder: &'a mut Recorder, due: Duration) -> &'a mut PhaseData {
        recorder.phase(self.phases.at(due))
    }
}
