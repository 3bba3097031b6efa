//! What the books know of one update beyond its own state.

use crate::policy::Outcome;

/// Beside an update of a device: what hit it, and whether it has ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    /// The faults, bit by bit, that afflicted the device when it was called; once it has ended, all that hit it.
    pub(super) hit: u64,
    /// Those that hit the device's update before, which may not have let go of it.
    pub(super) left_behind: u64,
    /// How it ended.
    pub(super) ended: Option<Outcome>,
}

impl Marks {
    /// For the device's next update.
    pub(super) const fn next(&self) -> Self {
        let left_behind = match self.ended {
            // The device was seen to have done with it.
            Some(Outcome::Completed | Outcome::Failed | Outcome::RolledBack) => 0,
            // It was refused: what held the device before still does, if anything.
            Some(Outcome::Rejected) => self.hit & self.left_behind,
            _ => self.hit,
        };
        Self { hit: 0, left_behind, ended: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_device_that_was_not_seen_to_end_leaves_something_behind() {
        let after = |ended| Marks { hit: 0b110, left_behind: 0b011, ended: Some(ended) }.next().left_behind;
        assert_eq!(after(Outcome::Stuck), 0b110);
        assert_eq!(after(Outcome::ProtocolViolation), 0b110, "it may still be at it");
        assert_eq!(after(Outcome::Rejected), 0b010);
        assert_eq!(after(Outcome::Completed), 0);
    }
}
