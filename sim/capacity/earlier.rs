//! What an earlier search has left in a folder: gone on with, or replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::conduct::Conduct;
use super::options::CapacityError;
use super::search::{Next, Search};
use super::step::StepPlan;
use crate::measure::{CapacityCause, CapacityResult, CapacityStep, RunResult, StepPurpose};
use crate::report::RESULTS;
use crate::run::{self, Output, OutputError};
use crate::verdict::compare::{Difference, plan_differences};

impl Conduct {
    /// Goes on with what lies in the folder, or makes sure that nothing is lost by beginning anew.
    pub(super) fn take_up(&mut self) -> Result<(), CapacityError> {
        let folder = self.output.folder().to_owned();
        let file = folder.join(RESULTS);
        let earlier = if file.is_file() { Some(run::read_results(&file)) } else { None };
        if self.options.resume {
            let nothing = |why: &str| CapacityError::NothingToResume(folder.clone(), why.to_owned());
            let earlier = earlier.ok_or_else(|| nothing("no results.json"))??;
            let capacity = earlier.capacity.ok_or_else(|| nothing("its results.json is that of a run"))?;
            return self.go_on_with(capacity);
        }
        match earlier {
            Some(Ok(RunResult { capacity: Some(capacity), .. })) if !is_over(&capacity) => {
                Err(CapacityError::Unfinished(folder, capacity.steps.len()))
            }
            // It stays until the first step of this one has ended.
            _ => Ok(()),
        }
    }

    fn go_on_with(&mut self, capacity: CapacityResult) -> Result<(), CapacityError> {
        let folder = self.output.folder().to_owned();
        for step in capacity.steps.iter().filter(|step| !step.left_out) {
            let trial = Self::trial(step);
            // One that came to no result has left none.
            if has_result(step) {
                let theirs = run::read_results(&self.step_folder(step.number).join(RESULTS));
                let theirs =
                    theirs.map_err(|error| CapacityError::NothingToResume(folder.clone(), error.to_string()))?;
                let ours = StepPlan::new(&self.options.plan, step.number, step.load, trial.full).plan;
                let ours = serde_json::to_value(ours).map_err(io::Error::from)?;
                let differences = plan_differences(&theirs.plan, &ours);
                // What the profile or a flag says of the hub changes what is derived from it as well.
                let told = differences.into_iter().min_by_key(|difference| !difference.key.starts_with("hub."));
                if let Some(Difference { key, base, new }) = told {
                    let difference = format!("`{key}` was {base} and is {new}");
                    return Err(CapacityError::AnotherPlan { folder, difference });
                }
            }
            self.search.note(trial);
        }
        if capacity.machine != self.machine {
            let last = capacity.steps.len();
            self.notes.push(format!(
                "its steps up to {last} were made on another machine, by another version or another build: they may not be alike"
            ));
        }
        let is_doubtful = |step: &CapacityStep| {
            step.left_out && step.cause == Some(CapacityCause::Errors) && step.purpose != StepPurpose::Check
        };
        // Whether the hub had gone then was not looked at any more.
        self.in_doubt = capacity.steps.last().is_some_and(is_doubtful);
        (self.steps, self.started_at, self.before) = (capacity.steps, capacity.started_at, capacity.took_s);
        // They tell of fewer steps than there will be.
        Ok(self.output.remove_reports()?)
    }

    /// Where the first step of a search goes until it has ended, beside what it is going to replace.
    pub(super) fn first_step_folder(&self) -> PathBuf {
        self.output.folder().join("steps.new").join("01")
    }

    /// The first step has ended: what lay in the folder goes, and the step takes its place.
    pub(super) fn replace_earlier(&self) -> Result<(), CapacityError> {
        self.output.remove_earlier()?;
        remove_steps(&self.steps_folder())?;
        let (from, to) = (self.first_step_folder(), self.step_folder(1));
        let moved = || {
            fs::create_dir_all(&to)?;
            // Something else may lie there.
            for entry in fs::read_dir(&from)? {
                let entry = entry?;
                fs::rename(entry.path(), to.join(entry.file_name()))?;
            }
            Ok(())
        };
        moved().map_err(|source| OutputError::Write { path: to.clone(), source })?;
        self.forget_first_step();
        Ok(())
    }

    /// Removes what there is of a first step that did not come to its end.
    pub(super) fn forget_first_step(&self) {
        let folder = self.first_step_folder();
        // Whatever cannot be removed is replaced by the next one.
        let _ = Output::open(folder.clone(), &[]).and_then(|output| output.remove_earlier());
        let _ = fs::remove_dir(&folder);
        let _ = folder.parent().map(fs::remove_dir);
    }
}

/// Whether nothing more can be learnt by going on with a search as it was begun.
fn is_over(capacity: &CapacityResult) -> bool {
    let Some(first) = capacity.steps.first() else { return true };
    let mut search = Search::new(capacity.of, first.load, None, capacity.precision);
    capacity.steps.iter().filter(|step| !step.left_out).for_each(|step| search.note(Conduct::trial(step)));
    capacity.finished || matches!(search.next(), Next::Done { .. })
}

fn has_result(step: &CapacityStep) -> bool {
    step.achieved.is_some() || !step.p50_us.is_empty()
}

/// Removes the results of an earlier search's steps: one that takes fewer must not end in steps of another. What else lies
/// there stays.
fn remove_steps(steps: &Path) -> Result<(), OutputError> {
    let failed = |source| OutputError::Write { path: steps.to_owned(), source };
    let entries = match fs::read_dir(steps) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            Output::open(path.clone(), &[])?.remove_earlier()?;
            // Not where something else lies in it.
            let _ = fs::remove_dir(&path);
        }
    }
    Ok(())
}
