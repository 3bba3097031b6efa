//! What is written down of an update by the phase of a drill in which it was due.

use std::time::Duration;

use crate::measure::{PhaseData, Recorder};
use crate::policy::{DrillPhases, Outcome, Series};
use crate::time::Nanos;

/// Which phases there are, and what is wanted of each.
#[derive(Debug, Clone)]
pub struct PhasePlan {
    /// When they begin.
    pub phases: DrillPhases,
    /// The series that are recorded by phase.
    pub series: Vec<Series>,
}

/// The phases of a load.
#[derive(Debug)]
pub(super) struct PhaseBook {
    plan: PhasePlan,
    /// When the load started; nothing is due before.
    start: Nanos,
}

impl PhaseBook {
    /// The book of a load that has not started yet.
    pub(super) const fn new(plan: PhasePlan) -> Self {
        Self { plan, start: Nanos::ZERO }
    }

    /// The load starts at `start`.
    pub(super) fn begin(&mut self, start: Nanos) {
        self.start = start;
    }

    /// An update is due at `due`.
    pub(super) fn due(&self, recorder: &mut Recorder, due: Nanos) {
        self.of(recorder, due).census.planned += 1;
    }

    /// A duration was measured of an update that was due at `due`.
    pub(super) fn record(&self, recorder: &mut Recorder, due: Nanos, series: Series, duration: Duration) {
        if self.plan.series.contains(&series) {
            self.of(recorder, due).series.entry(series).or_default().record(duration);
        }
    }

    /// An update that was due at `due` ended.
    pub(super) fn ended(&self, recorder: &mut Recorder, due: Nanos, outcome: Outcome, detail: &str) {
        self.of(recorder, due).census.record(outcome, detail);
    }

    fn of<'a>(&self, recorder: &'a mut Recorder, due: Nanos) -> &'a mut PhaseData {
        recorder.phase(self.plan.phases.at(due.since(self.start)))
    }
}
