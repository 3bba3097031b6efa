//! What a drill proved: its steady state and its assertions against what its phases measured.

use super::judge::judge_in;
use super::observe::Scope;
use crate::measure::{DrillResult, FaultRow, RunResult, SteadyResult, ThresholdResult};
use crate::policy::{Assertion, Drill, DrillPhase, Outcome, Threshold};

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
    let findings = findings(&told, &result.faults, cut);
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

fn findings(drill: &DrillResult, faults: &[FaultRow], cut: bool) -> Findings {
    let of = |phase| drill.steady.iter().filter(move |steady| steady.phase == phase).map(|steady| &steady.judged);
    let unsteady = of(DrillPhase::Before).filter(|judged| judged.ok != Some(true)).map(|judged| {
        let why = if judged.ok.is_none() { "nothing was measured to judge it by" } else { "it did not hold" };
        format!("there was no steady state before the faults: `{}`: {why}", judged.expr)
    });
    let unknown = drill.assertions.iter().filter(|judged| judged.ok.is_none());
    let unknown = unknown.map(|judged| format!("nothing was measured that `{}` could be judged by", judged.expr));
    // What a drill that was stopped by its limit did not come to, it owes to having been stopped, and that is told already.
    let late = drill.overran;
    let unsteady = unsteady.filter(|_| !late || had_ended(drill, DrillPhase::Before));
    // No evidence of a recovery is no recovery, unless the drill was cut short by what it wanted to see.
    let broken = |judged: &ThresholdResult| judged.ok == Some(false) || (judged.ok.is_none() && !cut);
    let healed = drill.heal.as_ref().is_none_or(|heal| heal.whole);
    Findings {
        invalid: unsteady.chain(unknown.chain(unfelt(drill, faults, cut)).filter(|_| !late)).collect(),
        not_recovered: late || !healed || of(DrillPhase::After).any(broken),
        failed: drill.assertions.iter().any(|judged| judged.ok == Some(false)),
    }
}

/// Whether a phase was over, and all of its updates had ended by themselves.
fn had_ended(drill: &DrillResult, phase: DrillPhase) -> bool {
    let is_over = drill.phases.iter().any(|later| later.name > phase);
    let mut found = drill.phases.iter().filter(|found| found.name == phase);
    is_over && found.all(|found| found.data.census.count(Outcome::Aborted) == 0)
}

/// Faults that nobody felt prove nothing: a fleet that was left in peace is well in any case. One that was `cut` short on
/// purpose need not have come to each of them.
fn unfelt(drill: &DrillResult, faults: &[FaultRow], cut: bool) -> Vec<String> {
    let met = drill.phases.iter().any(|phase| phase.name == DrillPhase::During && phase.data.census.planned > 0);
    let empty = (!met).then(|| "no update was due in the phase `during`: none could meet the faults".to_owned());
    let excused = cut && faults.iter().any(|fault| fault.strikes > 0);
    let missed = faults.iter().filter(|fault| fault.strikes == 0 && !excused);
    empty.into_iter().chain(missed.map(|fault| format!("the fault `{}` struck nothing", fault.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{HealResult, PhaseData, PhaseResult, Verdict};
    use crate::policy::Place;
    use crate::verdict::{Ending, conclude};

    fn drill(steady: &[&str], assertions: &[&str]) -> Drill {
        let second = std::time::Duration::from_secs(1);
        Drill {
            claim: "it works".to_owned(),
            steady: steady.iter().map(|text| text.parse().unwrap()).collect(),
            assertions: assertions.iter().map(|text| text.parse().unwrap()).collect(),
            lead: second,
            recovery: second,
            heal: second,
            limit: second,
        }
    }

    /// A run of which so many of ten updates were completed in each phase, and whose fleet came back or did not.
    fn result(completed: [u64; 3], whole: bool) -> RunResult {
        let mut result = RunResult::default();
        let phases = DrillPhase::ALL.into_iter().zip(completed).map(|(name, completed)| {
            let mut data = PhaseData::default();
            data.census.planned = 10;
            data.census.add(Outcome::Completed, "", completed);
            data.census.add(Outcome::NotOnline, "", 10 - completed);
            result.census.merge(&data.census);
            PhaseResult { name, from_s: 0.0, to_s: 1.0, data }
        });
        let phases = phases.collect();
        let heal = Some(HealResult { whole, ..HealResult::default() });
        result.drill = Some(DrillResult { phases, heal, ..DrillResult::default() });
        result
    }

    fn verdict(drill: &Drill, mut result: RunResult, ending: &Ending) -> (Verdict, u8) {
        let threshold = ["census.stuck == 0".parse().unwrap()];
        let exit = conclude(&mut result, &threshold, Some(drill), ending);
        (result.verdict, exit.code())
    }

    #[test]
    fn the_gravest_finding_of_a_drill_decides() {
        let drill = drill(&["census.completed.pct >= 90"], &["during: census.completed.pct >= 50"]);
        let aborted = Ending { aborted: true, mishaps: Vec::new() };
        for (completed, whole, ending, expected) in [
            ([10, 5, 10], true, Ending::default(), (Verdict::Pass, 0)),
            ([10, 4, 10], true, Ending::default(), (Verdict::Fail, 99)),
            ([10, 5, 8], true, Ending::default(), (Verdict::NotRecovered, 99)),
            ([10, 5, 10], false, Ending::default(), (Verdict::NotRecovered, 99)),
            ([10, 4, 8], false, Ending::default(), (Verdict::NotRecovered, 99)),
            ([8, 5, 10], true, Ending::default(), (Verdict::Invalid, 96)),
            ([8, 4, 8], false, Ending::default(), (Verdict::Invalid, 96)),
            ([10, 5, 10], true, aborted.clone(), (Verdict::Aborted, 97)),
            ([8, 4, 8], false, aborted.clone(), (Verdict::Aborted, 97)),
        ] {
            assert_eq!(
                verdict(&drill, result(completed, whole), &ending),
                expected,
                "{completed:?} {whole} {ending:?}"
            );
        }
    }

    #[test]
    fn one_that_had_to_be_stopped_has_not_recovered() {
        let mut late = result([10, 10, 10], true);
        late.drill.as_mut().unwrap().overran = true;
        let drill = drill(&["census.completed.pct >= 90"], &[]);
        assert_eq!(verdict(&drill, late, &Ending::default()), (Verdict::NotRecovered, 99));
    }

    #[test]
    fn what_the_limit_cut_off_is_no_missing_steady_state() {
        let drill = drill(&["census.completed.pct >= 90"], &["after: census.stuck == 0"]);
        let stopped = |completed, aborted, phases| {
            let mut late = result([completed, 10, 10], true);
            let told = late.drill.as_mut().unwrap();
            let before = &mut told.phases[0].data.census;
            before.outcomes.remove(&Outcome::NotOnline);
            before.add(Outcome::Aborted, "", aborted);
            before.add(Outcome::Failed, "", 10 - completed - aborted);
            told.phases.truncate(phases);
            told.overran = true;
            verdict(&drill, late, &Ending::default()).0
        };
        assert_eq!(stopped(4, 6, 2), Verdict::NotRecovered, "its updates had not ended");
        assert_eq!(stopped(4, 0, 1), Verdict::NotRecovered, "it was not over");
        assert_eq!(stopped(4, 0, 2), Verdict::Invalid, "it had ended, and was not steady");
    }

    #[test]
    fn faults_that_nobody_felt_prove_nothing() {
        let drill = drill(&["census.completed.pct >= 90"], &[]);
        let fault = |name: &str, strikes| FaultRow {
            name: name.to_owned(),
            kind: "offline".to_owned(),
            place: Place::Link,
            expected: Vec::new(),
            strikes,
            late: 0,
            injected: 0,
            observed: [].into(),
            off_diagonal: 0,
            peak_per_s: 0.0,
            recovery: None,
            found: None,
        };
        let mut found = result([10, 10, 10], true);
        found.faults = vec![fault("a", 1), fault("b", 0)];
        assert_eq!(judge(&drill, &mut found, false).invalid, ["the fault `b` struck nothing"]);
        assert!(judge(&drill, &mut found, true).invalid.is_empty(), "it was cut short by what `a` did");
        found.faults.remove(0);
        assert_eq!(judge(&drill, &mut found, true).invalid.len(), 1);
        assert_eq!(verdict(&drill, found, &Ending::default()), (Verdict::Invalid, 96));
        let mut empty = result([10, 10, 10], true);
        empty.drill.as_mut().unwrap().phases[1].data = PhaseData::default();
        assert!(judge(&drill, &mut empty, false).invalid[0].starts_with("no update was due in the phase `during`"));
    }

    #[test]
    fn a_broken_threshold_fails_a_drill_too() {
        let mut stuck = result([10, 10, 10], true);
        stuck.census.planned += 1;
        stuck.census.add(Outcome::Stuck, "applying", 1);
        assert_eq!(verdict(&drill(&[], &[]), stuck, &Ending::default()), (Verdict::Fail, 99));
    }

    #[test]
    fn without_evidence_nothing_was_steady_and_nothing_has_recovered() {
        let drill = drill(&["update.total.p99 < 1s"], &["during: update.total.p99 < 1s", "census.completed == 30"]);
        let mut found = result([10, 10, 10], true);
        let findings = judge(&drill, &mut found, false);
        assert_eq!(
            findings.invalid,
            [
                "there was no steady state before the faults: `update.total.p99 < 1s`: nothing was measured to judge it by",
                "nothing was measured that `during: update.total.p99 < 1s` could be judged by",
            ]
        );
        assert!(findings.not_recovered && !findings.failed);
        assert!(!judge(&drill, &mut found, true).not_recovered, "cut short on purpose, it owes nothing");
        let told = found.drill.unwrap();
        let of: Vec<_> = told.steady.iter().map(|steady| (steady.phase, steady.judged.ok)).collect();
        assert_eq!(of, [(DrillPhase::Before, None), (DrillPhase::After, None)]);
        assert_eq!((told.assertions[1].observed, told.assertions[1].ok), (Some(30.0), Some(true)));
    }

    #[test]
    fn a_phase_that_never_began_has_no_value() {
        let mut found = result([10, 10, 10], true);
        found.drill.as_mut().unwrap().phases.pop();
        let drill = drill(&["census.completed.pct >= 90"], &["after: census.stuck == 0"]);
        let findings = judge(&drill, &mut found, false);
        assert_eq!((findings.not_recovered, findings.invalid.len()), (true, 1));
    }
}
