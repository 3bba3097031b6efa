//! Tracking ids: what an error answer is found by in logs.

use std::cell::Cell;

/// A source of tracking ids. Each source of a hub has a number of its own, so no two ids are the same.
#[derive(Debug)]
pub(super) struct TrackingIds {
    source: usize,
    issued: Cell<u64>,
}

impl TrackingIds {
    /// The source with the number `source`.
    pub(super) const fn new(source: usize) -> Self {
        Self { source, issued: Cell::new(0) }
    }

    /// An id that was not there before.
    pub(super) fn issue(&self) -> String {
        self.issued.set(self.issued.get() + 1);
        format!("{:032X}-G:{}", self.issued.get(), self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_within_a_source_and_between_sources() {
        let (one, other) = (TrackingIds::new(0), TrackingIds::new(1));
        let mut ids = vec![one.issue(), one.issue(), other.issue(), other.issue()];
        assert_eq!(ids[0], format!("{}1-G:0", "0".repeat(31)));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    }
}
