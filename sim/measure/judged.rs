//! Truth against observation: how updates ended, by what hit them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{Hit, Outcome};

/// What the driver has judged. Parts of a run add up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// Updates by what hit them and how they ended.
    pub matrix: BTreeMap<(Hit, Outcome), u64>,
    /// Updates that ended as their faults do not let them.
    pub off_diagonal: u64,
    /// The first [`Judged::EXAMPLES`] of them.
    pub examples: Vec<OffDiagonal>,
}

/// An update that ended as its faults do not let it, or without a fault in anything but success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OffDiagonal {
    /// The device's id.
    pub device: String,
    /// The update's id, or its number where calls carry none.
    pub update: String,
    /// The faults that hit it, by name.
    pub injected: Vec<String>,
    /// What it may have ended in; an outcome whose detail is known too as `outcome:detail`.
    pub expected: Vec<String>,
    /// What it was seen to end in.
    pub observed: String,
    /// What is known of its end beyond that.
    pub detail: String,
}

impl Judged {
    /// So many updates are told by name.
    pub const EXAMPLES: usize = 100;

    /// Counts an update.
    pub fn add(&mut self, hit: Hit, outcome: Outcome, count: u64) {
        *self.matrix.entry((hit, outcome)).or_default() += count;
    }

    /// Counts an update that ended off the diagonal.
    pub fn off_diagonal(&mut self, example: OffDiagonal) {
        self.off_diagonal += 1;
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(example);
        }
    }

    /// Adds another part.
    pub fn merge(&mut self, other: &Self) {
        for ((hit, outcome), count) in &other.matrix {
            self.add(*hit, *outcome, *count);
        }
        self.off_diagonal += other.off_diagonal;
        let room = Self::EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_examples_are_bounded() {
        let mut part = Judged::default();
        part.add(Hit::One(3), Outcome::Stuck, 2);
        (0..70).for_each(|_| part.off_diagonal(OffDiagonal::default()));
        let mut whole = part.clone();
        whole.merge(&part);
        assert_eq!((whole.matrix[&(Hit::One(3), Outcome::Stuck)], whole.off_diagonal), (4, 140));
        assert_eq!(whole.examples.len(), Judged::EXAMPLES);
    }
}
