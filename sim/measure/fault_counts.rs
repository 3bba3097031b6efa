//! What is counted of one fault of the plan.

use std::collections::BTreeMap;

use super::SeriesData;
use crate::policy::Outcome;

/// What is known of one fault: how often it struck (the truth, told by the devices), and how the updates that it hit were
/// seen to end (told by the driver). Parts of a run add up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultCounts {
    /// Times that it was done to a device, or to an update of one.
    pub strikes: u64,
    /// Those of them that came after the driver had ended the update: too late for its outcome.
    pub late: u64,
    /// Updates that it hit, by how they ended; those that several faults hit are among them.
    pub observed: BTreeMap<Outcome, u64>,
    /// Those of them that ended as none of their faults lets an update end.
    pub off_diagonal: u64,
    /// From its beginning at a device until that was well again.
    pub recovery: Option<Box<SeriesData>>,
    /// From its beginning at a device until that noticed.
    pub found: Option<Box<SeriesData>>,
}

impl FaultCounts {
    /// Updates that it hit and that have ended.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.observed.values().sum()
    }

    /// Adds another part's counts.
    pub fn merge(&mut self, other: &Self) {
        self.strikes += other.strikes;
        self.late += other.late;
        self.off_diagonal += other.off_diagonal;
        for (outcome, count) in &other.observed {
            *self.observed.entry(*outcome).or_default() += count;
        }
        for (sum, part) in [(&mut self.recovery, &other.recovery), (&mut self.found, &other.found)] {
            if let Some(part) = part {
                sum.get_or_insert_default().merge(part);
            }
        }
    }
}
