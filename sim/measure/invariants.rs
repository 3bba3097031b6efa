//! What holds on every run, with or without faults, and who broke it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What must hold of every update and of every twin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Invariant {
    /// Every update ends in one outcome.
    #[default]
    OneOutcome,
    /// No stage goes backward or is skipped.
    ForwardOnly,
    /// No device works on two updates at once.
    OneAtATime,
    /// No update that failed completes after all.
    NoSuccessAfterFailure,
    /// The version of a twin's reported properties only grows.
    VersionGrows,
}

impl Invariant {
    /// All of them, in the order of results.
    pub const ALL: [Self; 5] =
        [Self::OneOutcome, Self::ForwardOnly, Self::OneAtATime, Self::NoSuccessAfterFailure, Self::VersionGrows];

    /// The name in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneOutcome => "one_outcome",
            Self::ForwardOnly => "forward_only",
            Self::OneAtATime => "one_at_a_time",
            Self::NoSuccessAfterFailure => "no_success_after_failure",
            Self::VersionGrows => "version_grows",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One invariant's record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvariantRow {
    /// Which.
    pub name: Invariant,
    /// How often it was looked at: for each update, stage or twin, as it is about.
    pub checked: u64,
    /// How often it was broken by a fault that was injected for that.
    pub injected: u64,
    /// How often it was broken though nobody injected that.
    pub violations: u64,
    /// The first [`InvariantRow::EXAMPLES`] of these.
    pub examples: Vec<Violation>,
}

/// One invariant broken once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// The device's id.
    pub device: String,
    /// The update's id, or its number where calls carry none; empty if the device has had none.
    pub update: String,
    /// What was seen.
    pub transition: String,
}

impl InvariantRow {
    /// So many violations are told.
    pub const EXAMPLES: usize = 10;

    fn merge(&mut self, other: &Self) {
        self.checked += other.checked;
        self.injected += other.injected;
        self.violations += other.violations;
        let room = Self::EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room).cloned());
    }
}

/// The records of all invariants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariants([InvariantRow; Invariant::ALL.len()]);

impl Default for Invariants {
    fn default() -> Self {
        Self(Invariant::ALL.map(|name| InvariantRow { name, ..InvariantRow::default() }))
    }
}

impl Invariants {
    /// The records, in the order of [`Invariant::ALL`].
    #[must_use]
    pub const fn rows(&self) -> &[InvariantRow] {
        &self.0
    }

    /// Whether nothing was looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// It was looked at once more.
    pub const fn checked(&mut self, invariant: Invariant) {
        self.0[invariant as usize].checked += 1;
    }

    /// It was broken because a fault was injected that does so.
    pub const fn injected(&mut self, invariant: Invariant) {
        self.0[invariant as usize].injected += 1;
    }

    /// It was broken `times` times though nobody injected that; `example` tells of one.
    pub fn violated(&mut self, invariant: Invariant, times: u64, example: Violation) {
        let row = &mut self.0[invariant as usize];
        row.violations += times;
        if row.examples.len() < InvariantRow::EXAMPLES {
            row.examples.push(example);
        }
    }

    /// Adds another part's records.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(row, part)| row.merge(part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_add_up_and_examples_are_bounded() {
        let mut part = Invariants::default();
        assert!(part.is_empty());
        part.checked(Invariant::ForwardOnly);
        part.injected(Invariant::ForwardOnly);
        for number in 0..7 {
            part.violated(Invariant::VersionGrows, 1, Violation { update: number.to_string(), ..Violation::default() });
        }
        let mut whole = part.clone();
        whole.merge(&part);
        let [_, forward, .., version] = whole.rows() else { panic!("there are five") };
        assert_eq!((forward.name, forward.checked, forward.injected), (Invariant::ForwardOnly, 2, 2));
        assert_eq!((version.name, version.violations, version.examples.len()), (Invariant::VersionGrows, 14, 10));
        assert!(!whole.is_empty());
    }

    #[test]
    fn names_in_results_are_those_of_the_code() {
        for invariant in Invariant::ALL {
            assert_eq!(serde_json::to_value(invariant).unwrap(), invariant.as_str());
        }
    }
}
