//! How a roll-out goes on: which wave is released when, and when no further one is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Outcome, Rollout};
use crate::time::Nanos;

/// How far a roll-out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutStage {
    /// Nothing is released yet.
    Waiting,
    /// A wave is released for a moment to come.
    Released {
        /// The wave.
        wave: u32,
        /// The moment.
        at: Nanos,
    },
    /// A wave's devices are called and updated.
    Running {
        /// The wave.
        wave: u32,
    },
    /// A wave is over, and the next one is not released yet.
    Pausing {
        /// The next one.
        next: u32,
        /// When it is to be released.
        until: Nanos,
    },
    /// Too many updates have failed.
    Aborted,
    /// Every wave is over.
    Done,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutStep {
    /// Release a wave.
    Release {
        /// The wave.
        wave: u32,
        /// From when on its devices may be called.
        at: Nanos,
    },
    /// Call nobody any more.
    Abort {
        /// The latest wave that was released.
        wave: u32,
        /// Why.
        reason: String,
    },
}

/// The state machine of a roll-out. Whoever leads it tells it how the present wave stands whenever he learns of it.
#[derive(Debug, Clone)]
pub struct RolloutLead {
    rollout: Rollout,
    /// What it takes for everybody to hear of a release.
    notice: Duration,
    stage: RolloutStage,
}

impl RolloutLead {
    /// A roll-out of which nothing is released. Releases are told so long before their moment.
    #[must_use]
    pub const fn new(rollout: Rollout, notice: Duration) -> Self {
        Self { rollout, notice, stage: RolloutStage::Waiting }
    }

    /// The roll-out.
    #[must_use]
    pub const fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    /// How far it is.
    #[must_use]
    pub const fn stage(&self) -> RolloutStage {
        self.stage
    }

    /// The wave that is to end next; `None` before the first, between two, and in the end.
    #[must_use]
    pub const fn wave(&self) -> Option<u32> {
        match self.stage {
            RolloutStage::Released { wave, .. } | RolloutStage::Running { wave } => Some(wave),
            _ => None,
        }
    }

    /// The load starts at `at`, and the first wave with it.
    pub fn start(&mut self, at: Nanos) {
        if self.stage == RolloutStage::Waiting {
            self.stage = RolloutStage::Released { wave: 0, at };
        }
    }

    /// When [`RolloutLead::advance`] has something to do though nothing was heard.
    #[must_use]
    pub fn wake(&self) -> Option<Nanos> {
        match self.stage {
            RolloutStage::Released { at, .. } => Some(at),
            RolloutStage::Pausing { until, .. } => Some(until - self.notice),
            _ => None,
        }
    }

    /// Goes on. `open` updates of the present wave have not ended yet; `outcomes` are those of all waves so far. A wave
    /// that ends ends before it is judged, so that the last cannot be aborted once it is over: nothing is left of it.
    pub fn advance(&mut self, now: Nanos, open: u64, outcomes: &BTreeMap<Outcome, u64>) -> Option<RolloutStep> {
        if let RolloutStage::Released { wave, at } = self.stage
            && at <= now
        {
            self.stage = RolloutStage::Running { wave };
        }
        let wave = match self.stage {
            RolloutStage::Running { wave } | RolloutStage::Released { wave, .. } => wave,
            RolloutStage::Pausing { next, .. } => next.saturating_sub(1),
            RolloutStage::Waiting | RolloutStage::Aborted | RolloutStage::Done => return None,
        };
        if self.stage == (RolloutStage::Running { wave }) && open == 0 {
            let next = wave + 1;
            self.stage = if next < self.rollout.len() {
                RolloutStage::Pausing { next, until: now + self.rollout.pause }
            } else {
                RolloutStage::Done
            };
        }
        if self.stage != RolloutStage::Done
            && let Some(reason) = self.rollout.abort.as_ref().and_then(|abort| abort.met_by(outcomes))
        {
            self.stage = RolloutStage::Aborted;
            return Some(RolloutStep::Abort { wave, reason });
        }
        match self.stage {
            RolloutStage::Pausing { next, until } if until <= now + self.notice => {
                let at = until.max(now + self.notice);
                self.stage = RolloutStage::Released { wave: next, at };
                Some(RolloutStep::Release { wave: next, at })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::AbortCriteria;

    const NOTICE: Duration = Duration::from_millis(300);

    fn at(seconds: f64) -> Nanos {
        Nanos::ZERO + Duration::from_secs_f64(seconds)
    }

    fn lead(pause: u64) -> RolloutLead {
        let abort = AbortCriteria { failed: 50.0, min_executed: 4, outcomes: AbortCriteria::usual_outcomes() };
        let (waves, pause) = (vec![2, 10, 100], Duration::from_secs(pause));
        let mut lead = RolloutLead::new(Rollout { waves, pause, growth: 1.0, abort: Some(abort) }, NOTICE);
        lead.start(at(1.0));
        lead
    }

    fn completed(count: u64) -> BTreeMap<Outcome, u64> {
        BTreeMap::from([(Outcome::Completed, count)])
    }

    #[test]
    fn a_wave_is_released_when_the_one_before_has_ended_and_the_pause_is_over() {
        let mut lead = lead(10);
        assert_eq!((lead.wave(), lead.wake()), (Some(0), Some(at(1.0))));
        // Nothing of a wave can have ended before its release, whatever seems to be open.
        assert_eq!(lead.advance(at(0.5), 0, &completed(0)), None);
        assert_eq!(lead.advance(at(2.0), 1, &completed(1)), None);
        assert_eq!((lead.stage(), lead.wake()), (RolloutStage::Running { wave: 0 }, None));
        assert_eq!(lead.advance(at(3.0), 0, &completed(2)), None);
        assert_eq!(lead.stage(), RolloutStage::Pausing { next: 1, until: at(13.0) });
        assert_eq!((lead.wave(), lead.wake()), (None, Some(at(12.7))));
        assert_eq!(lead.advance(at(12.0), 0, &completed(2)), None);
        let release = |wave, at| Some(RolloutStep::Release { wave, at });
        assert_eq!(lead.advance(at(12.7), 0, &completed(2)), release(1, at(13.0)));
        assert_eq!(lead.advance(at(12.8), 0, &completed(2)), None);
        assert_eq!(lead.advance(at(14.0), 0, &completed(10)), None);
        // Whoever comes late to it still gives notice.
        assert_eq!(lead.advance(at(30.0), 0, &completed(10)), release(2, at(30.3)));
        assert_eq!(lead.advance(at(31.0), 0, &completed(100)), None);
        assert_eq!((lead.stage(), lead.wake()), (RolloutStage::Done, None));
    }

    #[test]
    fn without_a_pause_a_release_is_told_at_once() {
        let mut lead = lead(0);
        let release = Some(RolloutStep::Release { wave: 1, at: at(3.3) });
        assert_eq!(lead.advance(at(3.0), 0, &completed(2)), release);
        assert_eq!(lead.stage(), RolloutStage::Released { wave: 1, at: at(3.3) });
    }

    #[test]
    fn too_many_failures_abort_a_wave_under_way_and_one_that_has_just_ended() {
        for open in [5, 0] {
            let mut lead = lead(0);
            lead.advance(at(3.0), 0, &completed(2));
            let outcomes = BTreeMap::from([(Outcome::Completed, 3), (Outcome::Failed, 3)]);
            let step = lead.advance(at(4.0), open, &outcomes);
            let Some(RolloutStep::Abort { wave, reason }) = step else { panic!("{step:?}") };
            assert_eq!((wave, reason.starts_with("3 of 6 updates failed")), (1, true), "{reason}");
            assert_eq!((lead.stage(), lead.wake()), (RolloutStage::Aborted, None));
            assert_eq!(lead.advance(at(5.0), 0, &outcomes), None);
        }
    }

    proptest! {
        #[test]
        fn waves_are_released_in_their_order_with_notice_and_pause_and_none_after_an_abort(
            heard in proptest::collection::vec((0..3000_u64, 0..3_u64, 0..3_u64), 1..200), pause in 0..5_u64,
        ) {
            let mut lead = lead(pause);
            let (mut now, mut outcomes) = (at(1.0), BTreeMap::new());
            let (mut released, mut over, mut aborted) = (vec![at(1.0)], Nanos::ZERO, false);
            for (later, open, failed) in heard {
                now = now + Duration::from_millis(later);
                *outcomes.entry(Outcome::Completed).or_default() += 1;
                *outcomes.entry(Outcome::Failed).or_default() += failed / 2;
                let before = lead.stage();
                let step = lead.advance(now, open, &outcomes);
                if matches!(before, RolloutStage::Running { .. } | RolloutStage::Released { .. }) && open == 0 {
                    over = now;
                }
                prop_assert!(!aborted || step.is_none());
                match step {
                    Some(RolloutStep::Release { wave, at }) => {
                        prop_assert_eq!(wave as usize, released.len());
                        prop_assert!(at >= now + NOTICE && at >= over + Duration::from_secs(pause));
                        released.push(at);
                    }
                    Some(RolloutStep::Abort { wave, .. }) => {
                        prop_assert_eq!(wave as usize + 1, released.len());
                        aborted = true;
                    }
                    None => {}
                }
            }
            prop_assert!(released.len() <= 3 && released.is_sorted());
        }
    }

    #[test]
    fn what_is_over_is_not_aborted() {
        let mut lead = lead(0);
        lead.advance(at(3.0), 0, &completed(2));
        lead.advance(at(4.0), 0, &completed(10));
        let outcomes = BTreeMap::from([(Outcome::Completed, 10), (Outcome::Failed, 90)]);
        assert_eq!(lead.advance(at(5.0), 0, &outcomes), None);
        assert_eq!(lead.stage(), RolloutStage::Done);
    }
}
