//! The roll-out in the table at the end of a run: a row for each wave, and what was exposed.

use super::human::percent;
use super::human_duration;
use super::table::{Align, columns, paragraph};
use crate::measure::{RolloutAbort, RolloutResult, WaveResult};

/// The lines of the section; none without a roll-out.
pub(super) fn rollout(rollout: Option<&RolloutResult>) -> Vec<String> {
    let Some(rollout) = rollout else { return Vec::new() };
    let mut lines = columns(&[Align::Right; 7], &wave_rows(rollout));
    let words = |words: &RolloutAbort| paragraph("  ", abort_in_words(words).split(' '), " ");
    lines.extend(rollout.aborted.as_ref().map(words).unwrap_or_default());
    lines.push(format!("  {}", exposed_in_words(rollout)));
    lines
}

/// A row for each wave, after one that names the columns.
pub(super) fn wave_rows(rollout: &RolloutResult) -> Vec<Vec<String>> {
    let heads = ["wave", "updates", "released", "called", "ended", "completed", "failed"].map(str::to_owned).to_vec();
    std::iter::once(heads).chain(rollout.waves.iter().map(row)).collect()
}

/// How much of the fleet was called.
pub(super) fn exposed_in_words(rollout: &RolloutResult) -> String {
    format!("exposed: {} devices, {} % of the fleet", rollout.exposed, percent(rollout.exposed_pct))
}

fn row(wave: &WaveResult) -> Vec<String> {
    let WaveResult { wave, updates, released_s, called, ended, completed, failed } = wave;
    let released = released_s.map_or_else(|| "never".to_owned(), human_duration);
    let counts = [called, ended, completed, failed].map(u64::to_string);
    [wave.to_string(), updates.to_string(), released].into_iter().chain(counts).collect()
}

/// Why nobody was called any more.
pub(super) fn abort_in_words(abort: &RolloutAbort) -> String {
    let RolloutAbort { at_s, wave, reason, overshoot } = abort;
    format!(
        "aborted after {} in wave {wave}: {reason}; {overshoot} calls beyond what was known then",
        human_duration(*at_s)
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    #[test]
    fn a_roll_out_that_went_through_says_nothing_of_an_abort() {
        let mut result = sample().rollout.unwrap();
        assert!(rollout(Some(&result)).iter().any(|line| line.contains("aborted after 12.5 s in wave 2")));
        result.aborted = None;
        let lines = rollout(Some(&result));
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[4], "  exposed: 60 devices, 6.0 % of the fleet");
        assert_eq!(rollout(None), Vec::<String>::new());
    }
}
