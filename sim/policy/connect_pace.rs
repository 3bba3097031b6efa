//! How fast a fleet connects: as the plan says, and slower while the hub takes long to accept.

use std::time::Duration;

use crate::time::Nanos;

/// The pace of one worker's first connections: additive increase, multiplicative decrease, as TCP finds its share of a
/// network. Workers know nothing of each other; the hub that they share tells them all the same.
#[derive(Debug, Clone)]
pub struct ConnectPace {
    /// CONNACKs that take longer are slow; `None` keeps the plan's pace whatever happens.
    limit: Option<Duration>,
    /// Of the plan's rate; 1 is all of it.
    share: f64,
    /// When the share was last cut, and when last changed.
    cut_at: Nanos,
    changed_at: Nanos,
    behind: Duration,
}

impl ConnectPace {
    /// What is left of the rate after a cut.
    const CUT: f64 = 0.5;
    /// What comes back of the plan's rate in a second of quick CONNACKs.
    const RECOVERY: f64 = 0.1;
    /// So much always stays: without connections nothing would tell that the hub has recovered.
    const LEAST: f64 = 1.0 / 64.0;

    /// How many times as long as planned connecting may take at most.
    #[must_use]
    pub fn longest(limit: Option<Duration>) -> f64 {
        if limit.is_some() { Self::LEAST.recip() } else { 1.0 }
    }

    /// The plan's pace; slower once a CONNACK takes longer than `limit`.
    #[must_use]
    pub const fn new(limit: Option<Duration>) -> Self {
        Self { limit, share: 1.0, cut_at: Nanos::ZERO, changed_at: Nanos::ZERO, behind: Duration::ZERO }
    }

    /// An attempt at a connection ended `took` after its start; `accepted` by CONNACK or in vain.
    pub fn ended(&mut self, now: Nanos, took: Duration, accepted: bool) {
        let Some(limit) = self.limit else { return };
        if took > limit {
            // What had started before the last cut tells of the pace before it.
            if now - took >= self.cut_at {
                self.share = (self.share * Self::CUT).max(Self::LEAST);
                (self.cut_at, self.changed_at) = (now, now);
            }
        } else if accepted && self.share < 1.0 {
            // A long silence is no evidence of a hub that has recovered.
            let quick = now.since(self.changed_at).min(Duration::from_secs(1));
            self.share = (self.share + Self::RECOVERY * quick.as_secs_f64()).min(1.0);
            self.changed_at = now;
        }
    }

    /// The next connection, which the plan starts `gap` after the one before: how far behind the plan it is to start.
    pub fn next(&mut self, gap: Duration) -> Duration {
        let slowed = gap.as_secs_f64() * (1.0 / self.share - 1.0);
        self.behind = self.behind.saturating_add(Duration::try_from_secs_f64(slowed).unwrap_or(Duration::MAX));
        self.behind
    }

    /// How far behind the plan connecting is.
    #[must_use]
    pub const fn behind(&self) -> Duration {
        self.behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const GAP: Duration = Duration::from_millis(10);

    fn at(millis: u64) -> Nanos {
        Nanos::new(millis * 1_000_000)
    }

    /// What the gap becomes.
    fn gap(pace: &mut ConnectPace) -> Duration {
        let before = pace.behind();
        GAP + (pace.next(GAP) - before)
    }

    #[test]
    fn without_a_limit_the_plan_stands() {
        let mut pace = ConnectPace::new(None);
        pace.ended(at(9_000), 9 * SECOND, true);
        assert_eq!((gap(&mut pace), pace.behind()), (GAP, Duration::ZERO));
    }

    #[test]
    fn a_slow_connack_halves_the_pace_and_those_asked_for_before_do_not_halve_it_again() {
        let mut pace = ConnectPace::new(Some(SECOND));
        pace.ended(at(2_000), SECOND, true);
        assert_eq!(gap(&mut pace), GAP, "just quick enough");
        pace.ended(at(2_000), 2 * SECOND, true);
        for late in 2_001..2_400 {
            pace.ended(at(late), 2 * SECOND, true);
        }
        assert_eq!(gap(&mut pace), 2 * GAP);
        pace.ended(at(4_100), 2 * SECOND, false);
        assert_eq!(gap(&mut pace), 4 * GAP, "one that was asked for since, and in vain");
        assert_eq!(pace.behind(), 4 * GAP);
    }

    #[test]
    fn it_never_stops_and_recovers_as_long_as_connacks_are_quick() {
        let mut pace = ConnectPace::new(Some(SECOND));
        for cut in 1..20 {
            pace.ended(at(cut * 3_000), 2 * SECOND, false);
        }
        assert_eq!(gap(&mut pace), 64 * GAP);
        let calm = 57_000;
        pace.ended(at(calm + 500), GAP, false);
        assert_eq!(gap(&mut pace), 64 * GAP, "a refusal is no CONNACK");
        pace.ended(at(calm + 60_000), GAP, true);
        assert!(gap(&mut pace) > 8 * GAP, "a silence counts for a second");
        for second in 61..72 {
            pace.ended(at(calm + second * 1_000), GAP, true);
        }
        assert_eq!(gap(&mut pace), GAP);
    }
}
