//! What a drill proved: its steady state and its assertions against what its phases measured.

use super::judge::judge_in;
use super::observe::Scope;
use crate::measure::{DrillResult, RunResult, SteadyResult, ThresholdResult};
use crate::policy::{Assertion, Drill, DrillPhase, Threshold};

/// What a drill's expressions say of its result.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Findings {
    /// What makes the result invalid, in words.
    pub(super) invalid: Vec<String>,
    /// Whether things are not as they were before the faults.
    pub(super) not_recovered: bool,
    /// Whether an assertion is broken.
    pub(super) failed: bool,
}

/// Judges `drill`: fills in the steady states and the assertions of the result. Of one that was `cut` short on purpose,
/// nothing is asked of the phase after the faults but what can be judged.
pub(super) fn judge(drill: &Drill, result: &mut RunResult, cut: bool) -> Findings {
    // The drill's part is written while the rest is read.
    let Some(mut told) = result.drill.take() else { return Findings::default() };
    let judged = |threshold: &Threshold, phase| of_phase(threshold, phase, &told, result);
    let steady = |phase| drill.steady.iter().map(move |threshold| (phase, threshold));
    told.steady = [DrillPhase::Before, DrillPhase::After]
        .into_iter()
        .flat_map(steady)
        .map(|(phase, threshold)| SteadyResult { phase, judged: judged(threshold, phase) })
        .collect();
    told.assertions = drill
        .assertions
        .iter()
        .map(|Assertion { phase, threshold }| match phase {
            None => judge_in(threshold, Scope::Run, result),
            Some(phase) => {
                let judged = of_phase(threshold, *phase, &told, result);
                ThresholdResult { expr: format!("{phase}: {}", judged.expr), ..judged }
            }
        })
        .collect();
    let findings = findings(&told, cut);
    result.drill = Some(told);
    findings
}

/// Judges `threshold` of a phase; one that never began has no value.
fn of_phase(threshold: &Threshold, phase: DrillPhase, drill: &DrillResult, result: &RunResult) -> ThresholdResult {
    match drill.phases.iter().find(|found| found.name == phase) {
        Some(phase) => judge_in(threshold, Scope::Phase(phase), result),
        None => ThresholdResult { expr: threshold.to_string(), observed: None, judged_by: None, ok: None },
    }
}

fn findings(drill: &DrillResult, cut: bool) -> Findings {
    let of = |phase| drill.steady.iter().filter(move |steady| steady.phase == phase).map(|steady| &steady.judged);
    let unsteady = of(DrillPhase::Before).filter(|judged| judged.ok != Some(true)).map(|judged| {
        let why = if judged.ok.is_none() { "nothing was measured to judge it by" } else { "it did not hold" };
        format!("there was no steady state before the faults: `{}`: {why}", judged.expr)
    });
    let unknown = drill.assertions.iter().filter(|judged| judged.ok.is_none());
    let unknown = unknown.map(|judged| format!("nothing was measured that `{}` could be judged by", judged.expr));
    // No evidence of a recovery is no recovery, unless the drill was cut short by what it wanted to see.
    let broken = |judged: &ThresholdResult| judged.ok == Some(false) || (judged.ok.is_none() && !cut);
    let healed = drill.heal.as_ref().is_none_or(|heal| heal.whole);
    Findings {
        invalid: unsteady.chain(unknown).collect(),
        not_recovered: drill.overran || !healed || of(DrillPhase::After).any(broken),
        failed: drill.assertions.iter().any(|judged| judged.ok == Some(false)),
    }
}
