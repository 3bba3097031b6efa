//! What a search has come to so far.

use std::collections::BTreeSet;

use super::calibration::near;
use super::conduct::{Conduct, Ending};
use super::options::CapacityError;
use super::resolution::coarse;
use super::search::Trial;
use super::settling::saved_elsewhere;
use crate::measure::{CapacityCause, CapacityCeiling, CapacityResult, CapacityStep, RunResult, Verdict};
use crate::policy::{CapacityPlan, units};
use crate::report::{self, RESULTS};
use crate::run;
use crate::time::Nanos;
use crate::verdict::ExitCode;

impl Conduct {
    /// Keeps what there is, so that a search that dies can be gone on with.
    pub(super) fn keep_so_far(&self) -> Result<(), CapacityError> {
        let result = self.result(&Ending::default())?;
        let json = report::files(&BTreeSet::new());
        Ok(run::keep(&self.output, &json, &result)?)
    }

    /// What the search has come to.
    pub(super) fn result(&self, ending: &Ending) -> Result<RunResult, CapacityError> {
        let capacity = self.capacity(ending);
        let mut result = run::read_results(&self.step_folder(self.representative()?.number).join(RESULTS))?;
        result.command.clone_from(&self.options.command);
        // That of the search; the step's own is in its own result.
        result.seed = self.options.plan.seed.0;
        let exit = if self.options.stop.is_stopped() && !ending.found {
            (Verdict::Aborted, ExitCode::Aborted)
        } else {
            match (capacity.low, capacity.cause) {
                _ if ending.lost => (Verdict::Aborted, ExitCode::Aborted),
                (Some(_), _) => (Verdict::Pass, ExitCode::Success),
                // It might have kept less, for which there was no time.
                (None, _) if ending.cut_short => (Verdict::Aborted, ExitCode::Aborted),
                (None, Some(CapacityCause::Generator)) => (Verdict::Invalid, ExitCode::Invalid),
                (None, _) => (Verdict::Fail, ExitCode::ThresholdBroken),
            }
        };
        (result.verdict, result.exit_code) = (exit.0, exit.1.code());
        result.capacity = Some(capacity);
        Ok(result)
    }

    fn capacity(&self, ending: &Ending) -> CapacityResult {
        let CapacityPlan { of, precision, .. } = self.options.plan.capacity;
        let (low, high) = (self.search.low(), self.search.high());
        // Of the steps at the upper end the last one that broke knows best.
        let broken: Vec<&CapacityStep> = self.counted().filter(|step| !step.kept).collect();
        let broke = broken.iter().rev().find(|step| Some(step.load) == high).or_else(|| broken.last());
        let mut notes: Vec<String> = ending.notes.iter().chain(&self.notes).cloned().collect();
        let contradictions = self.search.contradictions();
        if !contradictions.is_empty() {
            let loads: Vec<String> = contradictions.iter().map(ToString::to_string).collect();
            let loads = loads.join(", ");
            notes.push(format!("steps contradicted one another at {loads} {}: the interval holds them all", of.unit()));
        }
        notes.extend(self.outvoted());
        notes.extend(self.several());
        notes.extend(saved_elsewhere(&self.options.plan).map(|(part, enough)| {
            format!(
                "before each step the hub is left alone for a while, in which it may save up for bursts: what was found may be up to \
                 {:.0} % too high for that; take --measure {} or more, or say by capacity.settle what such a hub needs",
                part * 100.0,
                units::format_duration(enough)
            )
        }));
        notes.extend(low.and_then(|low| coarse(&self.options.plan, low)));
        if let (Some(limit), None) = (self.options.plan.capacity.limit, high)
            && ending.found
        {
            notes.push(format!("nothing broke up to capacity.limit, {limit} {}", of.unit_of(limit)));
        }
        let ceiling = self
            .options
            .ceiling
            .clone()
            .map(|ceiling| CapacityCeiling { near: near(low, high, ceiling.load), ..ceiling });
        CapacityResult {
            of,
            low,
            high,
            unit: of.unit().to_owned(),
            cause: broke.and_then(|step| step.cause),
            cause_detail: broke.map(|step| step.cause_detail.clone()).unwrap_or_default(),
            finished: ending.found,
            notes,
            precision,
            width: self.search.width(),
            ceiling,
            machine: self.machine.clone(),
            of_step: self.representative().ok().map(|step| step.number),
            started_at: self.started_at,
            took_s: self.before + self.clock.now().since(Nanos::ZERO).as_secs_f64(),
            steps: self.steps.clone(),
        }
    }

    /// What is to be known of several hubs with limits.
    fn several(&self) -> Option<String> {
        let hub = &self.options.plan.hub;
        let hubs = hub.instances().filter(|hubs| *hubs > 1 && !hub.is_ideal())?;
        Some(format!(
            "{hubs} hubs, each with the limits for itself (hub.instances): the load is what they bear together, if it meets them alike"
        ))
    }

    /// The steps that others of the same load outvoted, in sentences.
    fn outvoted(&self) -> Vec<String> {
        let of = self.options.plan.capacity.of;
        let told = |(index, trial): (usize, &Trial)| {
            let step = self.counted().nth(index)?;
            let others = self.counted().filter(|other| other.load == step.load && other.kept != step.kept).count();
            let did = if trial.kept { "kept the thresholds" } else { "broke them" };
            let why = if step.cause_detail.is_empty() { String::new() } else { format!(" ({})", step.cause_detail) };
            let (load, unit) = (trial.load, of.unit_of(trial.load));
            Some(format!(
                "step {} at {load} {unit} {did}{why}, and {others} others at that load did not: it was outvoted",
                step.number
            ))
        };
        self.search.outvoted().filter_map(told).collect()
    }

    /// The step whose run stands for the whole: the last one at the lower end, or that with the lowest load.
    fn representative(&self) -> Result<&CapacityStep, CapacityError> {
        let low = self.search.low();
        let at_low = self.steps.iter().rev().find(|step| Some(step.load) == low && step.kept);
        let by_load = |a: &&CapacityStep, b: &&CapacityStep| a.load.total_cmp(&b.load);
        // One that came to no result has none to show.
        let shown = self.steps.iter().filter(|step| self.step_folder(step.number).join(RESULTS).is_file());
        at_low.or_else(|| shown.min_by(by_load)).ok_or(CapacityError::Stopped)
    }
}
