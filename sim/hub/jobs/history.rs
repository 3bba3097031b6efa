//! Finished jobs, as far as they are kept.

use std::collections::VecDeque;

use super::limits::{KEPT_BYTES, KEPT_JOBS};

/// The numbers of finished jobs, oldest first, with the bytes that each takes.
#[derive(Debug, Default)]
pub(super) struct History {
    jobs: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl History {
    /// Takes in a job that has just finished.
    pub(super) fn keep(&mut self, number: u64, bytes: usize) {
        self.bytes += bytes;
        self.jobs.push_back((number, bytes));
    }

    /// The next job that is to be forgotten, if there are too many.
    pub(super) fn next_forgotten(&mut self) -> Option<u64> {
        let too_many = self.jobs.len() > KEPT_JOBS || (self.bytes > KEPT_BYTES && self.jobs.len() > 1);
        let (number, bytes) = self.jobs.pop_front_if(|_| too_many)?;
        self.bytes -= bytes;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first_and_the_latest_never() {
        let mut history = History::default();
        history.keep(1, KEPT_BYTES);
        assert_eq!(history.next_forgotten(), None);
        history.keep(2, 2 * KEPT_BYTES);
        assert_eq!((history.next_forgotten(), history.next_forgotten()), (Some(1), None));
        history.keep(3, 1);
        assert_eq!((history.next_forgotten(), history.next_forgotten()), (Some(2), None));
        (10..).take(KEPT_JOBS).for_each(|number| history.keep(number, 1));
        assert_eq!((history.next_forgotten(), history.next_forgotten()), (Some(3), None));
    }
}
