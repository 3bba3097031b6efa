//! The script as a list of steps, and the few ways in which faults change it.

use std::time::Duration;

use super::{Act, Line, Step};
use crate::device::Delays;
use crate::policy::{FaultStage, FirmwareStatus};

/// What a device does in one update, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

impl Script {
    /// The tutorial's: a report after each of the `delays`. Verifying and rebooting take no time unless a fault says so.
    #[must_use]
    pub fn new(Delays([wait, download, apply]): Delays) -> Self {
        use FaultStage::{Applying, Downloading, Rebooting, Verifying, Waiting};
        let report = |status| Act::Report(Line::of(status));
        let steps = [
            (Waiting, wait, report(FirmwareStatus::Downloading)),
            (Downloading, download, Act::Pass),
            (Verifying, Duration::ZERO, report(FirmwareStatus::Applying)),
            (Applying, apply, Act::Pass),
            (Rebooting, Duration::ZERO, report(FirmwareStatus::Completed)),
        ];
        Self { steps: steps.map(|(stage, after, act)| Step { stage, after, act }).into() }
    }

    /// The same with a real download, which the stage begins with.
    #[must_use]
    pub fn with_download(mut self) -> Self {
        let stage = FaultStage::Downloading;
        let download = Step { stage, after: Duration::ZERO, act: Act::Download };
        self.steps.insert(self.beginning(stage), download);
        self
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps, to be played: those that do nothing are part of the next one, since a running update keeps them all.
    #[must_use]
    pub fn into_steps(mut self) -> std::vec::IntoIter<Step> {
        let mut passed = Duration::ZERO;
        self.steps.retain_mut(|step| {
            step.after += std::mem::take(&mut passed);
            let passes = step.act == Act::Pass;
            if passes {
                passed = step.after;
            }
            !passes
        });
        self.steps.shrink_to_fit();
        self.steps.into_iter()
    }

    /// The faults that will strike, by index in the fault plan, in order.
    pub fn strikes(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().filter_map(|step| match step.act {
            Act::Strike(fault) => Some(fault),
            _ => None,
        })
    }

    /// Where the first step of `stage` stands.
    pub(super) fn beginning(&self, stage: FaultStage) -> usize {
        self.steps.iter().position(|step| step.stage == stage).unwrap_or(self.steps.len())
    }

    /// Where the last step of `stage` stands.
    pub(super) fn end(&self, stage: FaultStage) -> usize {
        self.steps.iter().rposition(|step| step.stage == stage).unwrap_or(self.steps.len())
    }

    /// Where the report of `status` is made.
    pub(super) fn report_of(&self, status: FirmwareStatus) -> usize {
        let is_it = |step: &Step| matches!(&step.act, Act::Report(line) if line.status == status);
        self.steps.iter().position(is_it).unwrap_or(self.steps.len())
    }

    /// The report that is made at `at`, to be changed.
    pub(super) fn line(&mut self, at: usize) -> Option<&mut Line> {
        match self.steps.get_mut(at) {
            Some(Step { act: Act::Report(line), .. }) => Some(line),
            _ => None,
        }
    }

    /// Lets `fault` strike at the moment of the step at `at`, right before it; gives that step's new place.
    pub(super) fn strike(&mut self, at: usize, fault: usize) -> usize {
        let Some(step) = self.steps.get_mut(at) else { return at };
        let (stage, after) = (step.stage, std::mem::take(&mut step.after));
        self.steps.insert(at, Step { stage, after, act: Act::Strike(fault) });
        at + 1
    }

    /// Lets `fault` strike when `stage` begins, after those that do so already; gives the place of the step behind that.
    pub(super) fn strike_on_entering(&mut self, stage: FaultStage, fault: usize) -> usize {
        let strikes = |step: &Step| step.stage == stage && step.after.is_zero() && matches!(step.act, Act::Strike(_));
        let beginning = self.beginning(stage);
        let at = beginning + self.steps.iter().skip(beginning).take_while(|step| strikes(step)).count();
        self.steps.insert(at, Step { stage, after: Duration::ZERO, act: Act::Strike(fault) });
        at + 1
    }

    /// Cuts the last step of `stage` into two halves, of which the first does nothing; gives the place of that one.
    pub(super) fn halve(&mut self, stage: FaultStage) -> usize {
        let at = self.end(stage);
        if let Some(step) = self.steps.get_mut(at) {
            let half = step.after / 2;
            step.after -= half;
            self.steps.insert(at, Step { stage, after: half, act: Act::Pass });
        }
        at
    }

    /// Replaces everything from `at` on by `acts` of `stage`.
    pub(super) fn end_with(&mut self, at: usize, stage: FaultStage, acts: impl IntoIterator<Item = (Duration, Act)>) {
        self.steps.truncate(at);
        self.steps.extend(acts.into_iter().map(|(after, act)| Step { stage, after, act }));
    }
}
