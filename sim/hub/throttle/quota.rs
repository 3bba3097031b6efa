//! How many messages a hub takes in a day (8.2).

/// The messages of one day of UTC. It begins anew at midnight.
#[derive(Debug, Clone)]
pub(super) struct Quota {
    per_day: u64,
    /// Days since 1970.
    day: i64,
    used: u64,
    /// Messages of all days.
    billed: u64,
    refused: u64,
}

impl Quota {
    /// `per_day` messages in a day.
    pub(super) const fn new(per_day: u64) -> Self {
        Self { per_day, day: i64::MIN, used: 0, billed: 0, refused: 0 }
    }

    /// Bills messages of `day`. The last one may exceed the quota by what it is longer than what was left.
    pub(super) fn bill(&mut self, day: i64, messages: u64) {
        self.begin(day);
        self.used = self.used.saturating_add(messages);
        self.billed = self.billed.saturating_add(messages);
    }

    /// Whether `day` has room for another message. One that finds none is counted as refused.
    pub(super) fn has_room(&mut self, day: i64) -> bool {
        self.begin(day);
        let room = self.used < self.per_day;
        self.refused += u64::from(!room);
        room
    }

    /// Messages billed and refused since the hub was started.
    pub(super) const fn counts(&self) -> (u64, u64) {
        (self.billed, self.refused)
    }

    fn begin(&mut self, day: i64) {
        // Two workers may see midnight in another order than they come here.
        if day > self.day {
            (self.day, self.used) = (day, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_quota_is_there_again_at_midnight() {
        let mut quota = Quota::new(10);
        assert!(quota.has_room(7));
        quota.bill(7, 9);
        assert!(quota.has_room(7));
        quota.bill(7, 64);
        assert!(!quota.has_room(7) && !quota.has_room(7));
        assert!(!quota.has_room(6), "a straggler of the day before");
        assert!(quota.has_room(8));
        assert_eq!(quota.counts(), (73, 3));
    }
}
