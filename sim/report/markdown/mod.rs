//! `summary.md`: the result as a page of Markdown, as job summaries show it. Tables come first, and it never grows beyond
//! what a job summary may be.

mod capacity;
mod escape;
mod sections;
mod table;
mod truth;

use sections::{census, drill, durations, headline, repeat, rollout, thresholds, verdict};
use truth::{faults, health, invariants, matrix, messages, off_diagonal, retries};

use super::{ReportError, Reporter};
use crate::measure::RunResult;

/// Bytes that a summary may have, with some room to what GitHub takes of a step, 1 MiB.
pub const SUMMARY_LIMIT: usize = 1_000_000;
/// Room for the note that something was left out.
const NOTE: usize = 100;

/// `summary.md`.
#[derive(Debug, Clone, Copy)]
pub struct Markdown {
    /// Bytes that it may have.
    pub limit: usize,
}

impl Markdown {
    /// The whole, as far as a job summary takes it.
    pub const WHOLE: Self = Self { limit: SUMMARY_LIMIT };

    /// The result as text; empty if there is no room for so much as its verdict.
    #[must_use]
    pub fn text(self, result: &RunResult) -> String {
        let sections = [
            verdict(result),
            capacity::capacity(result),
            headline(result),
            thresholds(result),
            census(result),
            durations(result),
            drill(result),
            faults(result),
            matrix(result),
            off_diagonal(result),
            invariants(result),
            messages(result),
            retries(result),
            rollout(result),
            health(result),
            repeat(result),
        ];
        let mut text = String::new();
        for section in sections.iter().filter(|section| !section.is_empty()) {
            if text.len() + section.len() + NOTE > self.limit {
                if !text.is_empty() {
                    text.push_str("\nThe rest was left out, as a summary must not be longer: see results.json.\n");
                }
                break;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(section);
        }
        text
    }
}

impl Reporter for Markdown {
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError> {
        Ok(self.text(result).into_bytes())
    }
}

#[cfg(test)]
mod tests;
