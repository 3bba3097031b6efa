//! What a drill showed, for people.

use super::human_duration;
use super::table::{Align, columns, paragraph};
use super::terminal::{Terminal, Tone, judgement};
use crate::measure::{DrillResult, FaultSpan, HealResult, PhaseResult, RunResult, ThresholdResult};
use crate::policy::Outcome;

impl Terminal {
    /// The claim, every expression, the faults, the phases, and how the fleet came back. Times count from the start of the
    /// load, as those of the profile do.
    pub(super) fn drill(self, result: &RunResult) -> Vec<String> {
        let Some(drill) = &result.drill else { return Vec::new() };
        let start = result.load.map_or(0.0, |load| load.from_s);
        let mut lines = paragraph("Drill      ", drill.claim.split(' '), " ");
        let judged = judged(drill);
        lines.extend(columns(
            &[Align::Left; 3],
            &judged.iter().map(|judged| judgement(self, judged)).collect::<Vec<_>>(),
        ));
        let rows = timeline(drill, start);
        if rows.len() > 1 {
            lines.extend(columns(&[Align::Right, Align::Right, Align::Left, Align::Left], &rows));
        }
        if drill.never_came > 0 {
            lines.push(format!("  never came to: {} updates", drill.never_came));
        }
        if drill.overran {
            let word = self.paint(Tone::Bad, "stopped:");
            lines.push(format!("  {word} it had not ended within its limit"));
        }
        lines.extend(drill.heal.as_ref().map(|heal| format!("  {}", self.heal(heal, start))));
        lines
    }

    /// How the fleet came back.
    pub(super) fn heal(self, heal: &HealResult, start: f64) -> String {
        let began = seconds(heal.began_s - start);
        let gone = if heal.gone > 0 { format!("; {} are gone for good", heal.gone) } else { String::new() };
        match heal.took_s {
            Some(took) => {
                let word = self.paint(Tone::Good, "healed:");
                format!(
                    "{word}  every fault was lifted at {began}, all devices were back after {}{gone}",
                    human_duration(took)
                )
            }
            None => {
                let word = self.paint(Tone::Bad, "not healed:");
                let gave_up = match heal.gave_up {
                    0 => String::new(),
                    gave_up => format!("; of these {gave_up} gave up by their policy"),
                };
                let missing = heal.missing;
                format!("{word} every fault was lifted at {began}, {missing} devices did not come back{gave_up}{gone}")
            }
        }
    }
}

/// Everything that was judged of it, by the names that it is told by: the steady state in each phase, and the assertions.
pub(super) fn judged(drill: &DrillResult) -> Vec<ThresholdResult> {
    let steady = drill.steady.iter().map(|steady| {
        let expr = format!("{}: {}", steady.phase, steady.judged.expr);
        ThresholdResult { expr, ..steady.judged.clone() }
    });
    steady.chain(drill.assertions.iter().cloned()).collect()
}

/// A row for each phase and each fault, in the order in which they began, after one that names the columns.
pub(super) fn timeline(drill: &DrillResult, start: f64) -> Vec<Vec<String>> {
    let phase = |phase: &PhaseResult| {
        let row =
            vec![seconds(phase.from_s - start), seconds(phase.to_s - start), phase.name.to_string(), updates(phase)];
        (phase.from_s, row)
    };
    let fault = |fault: &FaultSpan| {
        let to = fault.to_s.map_or_else(|| "lifted".to_owned(), |to| seconds(to - start));
        (fault.from_s, vec![seconds(fault.from_s - start), to, "fault".to_owned(), fault.name.clone()])
    };
    let mut rows: Vec<(f64, Vec<String>)> = drill.phases.iter().map(phase).collect();
    rows.extend(drill.timeline.iter().map(fault));
    rows.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let heads = ["from", "to", "", ""].map(str::to_owned).to_vec();
    std::iter::once(heads).chain(rows.into_iter().map(|(_, row)| row)).collect()
}

/// How the updates of a phase ended.
fn updates(phase: &PhaseResult) -> String {
    let census = &phase.data.census;
    let ended = Outcome::ALL.into_iter().filter(|outcome| census.count(*outcome) > 0);
    let ended: Vec<String> = ended.map(|outcome| format!("{outcome} {}", census.count(outcome))).collect();
    let ended = if ended.is_empty() { "none ended".to_owned() } else { ended.join(", ") };
    format!("{} updates: {ended}", census.planned)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}
