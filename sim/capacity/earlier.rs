//! What an earlier search has left in a folder: gone on with, or replaced.

use std::fs;
use std::io;
use std::path::Path;

use super::conduct::Conduct;
use super::options::CapacityError;
use super::search::Next;
use super::step::StepPlan;
use crate::measure::{CapacityStep, RunResult};
use crate::report::RESULTS;
use crate::run::{self, Output, OutputError};
use crate::verdict::compare::{Difference, plan_differences};

impl Conduct {
    /// Goes on with what lies in the folder, or makes sure that nothing is lost by beginning anew.
    pub(super) fn take_up(&mut self) -> Result<(), CapacityError> {
        let folder = self.output.folder().to_owned();
        let file = folder.join(RESULTS);
        let nothing = |why: &str| CapacityError::NothingToResume(folder.clone(), why.to_owned());
        let earlier = if file.is_file() { Some(run::read_results(&file)) } else { None };
        if !self.options.resume {
            if let Some(Ok(RunResult { capacity: Some(capacity), .. })) = &earlier
                && self.would_go_on(&capacity.steps)
            {
                return Err(CapacityError::Unfinished(folder, capacity.steps.len()));
            }
            self.output.remove_earlier()?;
            return Ok(remove_steps(&self.steps_folder())?);
        }
        let earlier = earlier.ok_or_else(|| nothing("no results.json"))??;
        let capacity = earlier.capacity.ok_or_else(|| nothing("its results.json is that of a run"))?;
        for step in &capacity.steps {
            let trial = self.trial(step);
            // One that came to no result has left none.
            if step.achieved.is_some() || !step.p50_us.is_empty() {
                let theirs = run::read_results(&self.step_folder(step.number).join(RESULTS));
                let theirs = theirs.map_err(|error| nothing(&error.to_string()))?.plan;
                let ours = StepPlan::new(&self.options.plan, step.load, trial.full).plan;
                let ours = serde_json::to_value(ours).map_err(io::Error::from)?;
                if let Some(Difference { key, base, new }) = plan_differences(&theirs, &ours).into_iter().next() {
                    let difference = format!("`{key}` was {base} and is {new}");
                    return Err(CapacityError::AnotherPlan { folder, difference });
                }
            }
            self.search.note(trial);
        }
        (self.steps, self.started_at, self.before) = (capacity.steps, capacity.started_at, capacity.took_s);
        Ok(())
    }

    /// Whether there is more to be learnt after these steps.
    fn would_go_on(&self, steps: &[CapacityStep]) -> bool {
        let mut search = self.search.clone();
        steps.iter().for_each(|step| search.note(self.trial(step)));
        matches!(search.next(), Next::Try { .. })
    }
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
