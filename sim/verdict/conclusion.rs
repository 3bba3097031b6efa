//! From a finished run to its verdict.

use super::{ExitCode, drill, judge, validity};
use crate::measure::{RunResult, Verdict};
use crate::policy::{Drill, Threshold};

/// What the coordinator knows of a run's end beyond its figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// It was stopped by a signal or an abort threshold.
    pub aborted: bool,
    /// What makes it invalid whatever the figures say: an embedded hub that died unplanned, a shard lost.
    pub mishaps: Vec<String>,
}

/// Judges a run by its thresholds, and by its drill if it is one: fills in what they say, its validity, its verdict and its
/// exit code, and returns the latter.
pub fn conclude(result: &mut RunResult, thresholds: &[Threshold], drill: Option<&Drill>, ending: &Ending) -> ExitCode {
    result.thresholds = judge(thresholds, result);
    // One that the drill wanted to see aborted has come as far as it was to.
    let cut = result.rollout.as_ref().is_some_and(|rollout| rollout.aborted.is_some());
    let findings = drill.map(|drill| drill::judge(drill, result, cut)).unwrap_or_default();
    result.invalid_reasons.clone_from(&ending.mishaps);
    // A run cut short need not have come to what its thresholds ask for.
    let late = result.drill.as_ref().is_some_and(|drill| drill.overran);
    let owed = if ending.aborted || cut || late { &[] } else { &result.thresholds[..] };
    // The generator's lateness is measured against everything that it could spoil.
    let objectives: Vec<Threshold> =
        thresholds.iter().chain(drill.iter().flat_map(|drill| drill.thresholds())).cloned().collect();
    result.invalid_reasons.extend(validity(&objectives, owed, result));
    if !ending.aborted {
        result.invalid_reasons.extend(findings.invalid);
    }
    result.valid = result.invalid_reasons.is_empty();
    let broken = findings.failed || result.thresholds.iter().any(|threshold| threshold.ok == Some(false));
    // Of several that apply, the first in this order is the one; that of the codes is the same.
    let applies = [
        (ending.aborted, ExitCode::Aborted, Verdict::Aborted),
        (!result.valid, ExitCode::Invalid, Verdict::Invalid),
        (findings.not_recovered, ExitCode::ThresholdBroken, Verdict::NotRecovered),
        (broken, ExitCode::ThresholdBroken, Verdict::Fail),
        (true, ExitCode::Success, Verdict::Pass),
    ];
    let exit = ExitCode::of(applies.iter().filter(|(applies, ..)| *applies).map(|(_, code, _)| *code));
    result.verdict = applies
        .iter()
        .find(|(applies, code, _)| *applies && *code == exit)
        .map_or(Verdict::Invalid, |(_, _, verdict)| *verdict);
    result.exit_code = exit.code();
    exit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Outcome;

    #[test]
    fn the_gravest_finding_decides() {
        let aborted = Ending { aborted: true, mishaps: Vec::new() };
        let died = Ending { aborted: false, mishaps: vec!["the embedded hub died".to_owned()] };
        for (outcomes, ending, verdict, code) in [
            (3, Ending::default(), Verdict::Pass, 0),
            (2, Ending::default(), Verdict::Fail, 99),
            (1, Ending::default(), Verdict::Invalid, 96),
            (3, died.clone(), Verdict::Invalid, 96),
            (2, died.clone(), Verdict::Invalid, 96),
            (3, aborted.clone(), Verdict::Aborted, 97),
            (1, aborted.clone(), Verdict::Aborted, 97),
        ] {
            let mut result = RunResult::default();
            result.census.planned = 3;
            // 3: all complete. 2: one failed. 1: one has no outcome at all.
            result.census.add(Outcome::Completed, "", outcomes.max(2));
            result.census.add(Outcome::Failed, "", u64::from(outcomes == 2));
            let threshold = "census.completed.pct >= 100".parse().unwrap();
            let exit = conclude(&mut result, &[threshold], None, &ending);
            assert_eq!((result.verdict, exit.code()), (verdict, code), "{outcomes} {ending:?}");
            assert_eq!(result.exit_code, code);
            assert_eq!(result.valid, result.invalid_reasons.is_empty());
            let is_valid = outcomes > 1 && ending.mishaps.is_empty();
            assert_eq!(result.valid, is_valid, "{:?}", result.invalid_reasons);
        }
    }

    #[test]
    fn a_run_that_was_stopped_owes_its_thresholds_nothing() {
        let threshold = ["update.total.p99 < 1s".parse().unwrap()];
        for (aborted, reasons) in [(false, 1), (true, 0)] {
            let mut result = RunResult::default();
            conclude(&mut result, &threshold, None, &Ending { aborted, mishaps: Vec::new() });
            assert_eq!((result.invalid_reasons.len(), result.thresholds[0].ok), (reasons, None));
        }
    }
}
