//! The waves of a roll-out.

use super::blocks::{Part, Section, Table, Tone};
use super::text;
use crate::measure::RunResult;
use crate::report::human::percent;

/// The section; none where the fleet was not called in waves.
pub(super) fn rollout(result: &RunResult) -> Option<Section> {
    let rollout = result.rollout.as_ref()?;
    let columns = ["wave", "#updates", "#released", "#called", "#ended", "#completed", "#failed"];
    let mut table = Table::new("The waves, those that were never released too.", &columns);
    for wave in &rollout.waves {
        let released = wave.released_s.map_or_else(|| "never".to_owned(), text::moment);
        let counts = [wave.called, wave.ended, wave.completed, wave.failed].map(|count| text::count(count).into());
        let head = [wave.wave.to_string().into(), text::count(wave.updates).into(), released.into()];
        table.row(head.into_iter().chain(counts).collect());
    }
    let mut parts = vec![Part::text(format!(
        "Exposed: {}, {}\u{a0}% of the fleet.",
        text::counted(rollout.exposed, "device", "devices"),
        percent(rollout.exposed_pct)
    ))];
    if let Some(abort) = &rollout.aborted {
        let words = format!(
            "Aborted after {} in wave {}: {}. {} beyond what was known then.",
            text::moment(abort.at_s),
            abort.wave,
            abort.reason.trim_end_matches('.'),
            text::counted(abort.overshoot, "call went", "calls went")
        );
        parts.push(Part::Note(Tone::Doubt, words));
    }
    parts.push(Part::Table(table));
    Some(Section::new("rollout", "Roll-out", parts))
}
