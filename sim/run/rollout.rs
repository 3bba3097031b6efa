//! The coordinator's part in a roll-out: it alone releases waves and aborts, on what the shards tell.

use std::time::Duration;

use tokio::time::Instant;

use super::coordinator::{Coordinator, Phase, START_LEAD};
use super::rate::schedule_spans;
use super::tally::Tally;
use crate::measure::{RolloutAbort, RolloutResult, WaveResult};
use crate::policy::{Outcome, RolloutLead, RolloutStage, RolloutStep};
use crate::profile::Plan;
use crate::shard::{Roles, StopReason};
use crate::time::Nanos;

/// What became of the waves.
#[derive(Debug, Default)]
pub(super) struct Waves {
    /// When each was released, as far as they were.
    pub(super) released: Vec<Nanos>,
    /// Why no further one is.
    aborted: Option<Abort>,
}

/// A decision to go no further.
#[derive(Debug)]
struct Abort {
    at: Nanos,
    wave: u32,
    reason: String,
    /// The calls that it knew of.
    called: u64,
}

/// A roll-out under way.
#[derive(Debug)]
pub(super) struct Rollout {
    lead: RolloutLead,
    /// How long after its release the last call of each wave is due; nothing in a closed load.
    spans: Vec<Duration>,
    pub(super) waves: Waves,
}

impl Rollout {
    /// The roll-out of `plan`, if there is a driver to lead and the plan has one.
    pub(super) fn of(plan: &Plan, roles: Roles) -> Option<Self> {
        let rollout = plan.driver.rollout.clone().filter(|_| roles.driver)?;
        let spans = schedule_spans(plan).into_iter().map(|(_, last)| last).collect();
        Some(Self { lead: RolloutLead::new(rollout, START_LEAD), spans, waves: Waves::default() })
    }

    /// The load, and with it the first wave, starts at `at`.
    pub(super) fn start(&mut self, at: Nanos) {
        self.lead.start(at);
        self.waves.released.push(at);
    }

    /// In words, how far it is.
    fn in_words(&self) -> String {
        let waves = self.lead.rollout().len();
        match self.lead.stage() {
            RolloutStage::Waiting => format!("{waves} waves"),
            RolloutStage::Running { wave } => format!("wave {} of {waves}", wave + 1),
            RolloutStage::Released { wave: next, .. } | RolloutStage::Pausing { next, .. } => match next {
                0 => format!("wave 1 of {waves}"),
                next => format!("wave {next} of {waves}, pausing"),
            },
            RolloutStage::Aborted => format!("aborted in wave {} of {waves}", self.waves.released.len()),
            RolloutStage::Done => format!("all {waves} waves over"),
        }
    }

    /// The time that is left, if no update takes longer than `update`: of the present wave or pause, and of all waves to
    /// come. Unknown in a closed load.
    fn left(&self, now: Nanos, update: Duration) -> Option<Duration> {
        let wave = |wave: u32| Some(*self.spans.get(wave as usize)? + update);
        let (present, next) = match self.lead.stage() {
            RolloutStage::Running { wave: present } => {
                let end = *self.waves.released.get(present as usize)? + wave(present)?;
                (end.since(now), present + 1)
            }
            RolloutStage::Released { wave: next, at: until } | RolloutStage::Pausing { next, until } => {
                (until.since(now) + wave(next)?, next + 1)
            }
            _ => return None,
        };
        let rollout = self.lead.rollout();
        (next..rollout.len()).try_fold(present, |sum, next| Some(sum + rollout.pause + wave(next)?))
    }
}

impl Coordinator {
    /// When the roll-out has something to do though nothing was heard.
    pub(super) fn rollout_wake(&self) -> Instant {
        let wake = self.rollout.as_ref().filter(|_| self.is_running()).and_then(|rollout| rollout.lead.wake());
        self.clock.instant(wake.unwrap_or(Nanos::MAX))
    }

    /// Whether the load is on, or about to be.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// Releases the next wave where it is its turn, and stops where too many updates have failed.
    pub(super) fn go_on_with_rollout(&mut self) {
        // Where all are stopping, for whatever reason, nothing is left to lead.
        let running = self.is_running() && self.members.are_at_work();
        let Some(rollout) = self.rollout.as_mut().filter(|_| running) else { return };
        let now = self.clock.now();
        let open = rollout.lead.wave().map_or(0, |wave| self.tally.open(wave));
        match rollout.lead.advance(now, open, &self.tally.wave_outcomes()) {
            None => {}
            Some(RolloutStep::Release { wave, at }) => {
                rollout.waves.released.push(at);
                self.members.release(wave, self.clock.wall().at(at));
            }
            Some(RolloutStep::Abort { wave, reason }) => {
                self.live.say(&format!("the roll-out is aborted in wave {}: {reason}", wave + 1));
                rollout.waves.aborted = Some(Abort { at: now, wave, reason, called: self.tally.called() });
                self.end_load(StopReason::RolloutAborted, true);
            }
        }
    }

    /// In words, how far the roll-out is, and the time that is left of it where that is known.
    pub(super) fn rollout_status(&self) -> Option<(String, Option<Duration>)> {
        let rollout = self.rollout.as_ref()?;
        let update = self.tally.longest_update().unwrap_or_else(|| self.options.plan.longest_update());
        Some((rollout.in_words(), rollout.left(self.clock.now(), update)))
    }
}

impl Waves {
    /// Whether too many updates failed.
    pub(super) const fn are_aborted(&self) -> bool {
        self.aborted.is_some()
    }
}

/// What became of the roll-out of `plan`; `None` without one.
pub(super) fn result(plan: &Plan, roles: Roles, tally: &Tally, waves: &Waves) -> Option<RolloutResult> {
    let rollout = plan.driver.rollout.as_ref().filter(|_| roles.driver)?;
    let row = |wave: u32| {
        let count = tally.total.waves.get(&wave).cloned().unwrap_or_default();
        let places = rollout.places(wave);
        WaveResult {
            wave: wave + 1,
            updates: places.end - places.start,
            released_s: waves.released.get(wave as usize).map(|at| at.as_secs_f64()),
            called: count.called,
            ended: count.ended(),
            completed: count.outcomes.get(&Outcome::Completed).copied().unwrap_or_default(),
            failed: rollout.failed(&count.outcomes),
        }
    };
    let exposed = tally.called();
    Some(RolloutResult {
        waves: (0..rollout.len()).map(row).collect(),
        exposed,
        exposed_pct: exposed as f64 * 100.0 / f64::from(plan.fleet.devices.max(1)),
        aborted: waves.aborted.as_ref().map(|abort| RolloutAbort {
            at_s: abort.at.as_secs_f64(),
            wave: abort.wave + 1,
            reason: abort.reason.clone(),
            overshoot: exposed.saturating_sub(abort.called),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Override};

    fn rollout(sets: &[&str], roles: Roles) -> Option<Rollout> {
        let sets: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        Rollout::of(&profile::load("quickstart", &sets).unwrap(), roles)
    }

    fn at(seconds: u64) -> Nanos {
        Nanos::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_told_how_far_a_roll_out_is_and_what_is_left_of_it() {
        let sets = ["rollout.waves=[1, 101, 301]", "rollout.pause=20s", "load.arrivals=constant", "load.rate=10"];
        let mut rollout = rollout(&sets, Roles::BOTH).unwrap();
        let update = Duration::from_secs(6);
        let stands = |rollout: &mut Rollout, now, open| {
            let step = rollout.lead.advance(now, open, &Default::default());
            if let Some(RolloutStep::Release { at, .. }) = step {
                rollout.waves.released.push(at);
            }
            (rollout.in_words(), rollout.left(now, update).map(|left| left.as_secs_f64().round()))
        };
        let stood = |words: &str, left: f64| (words.to_owned(), Some(left));
        rollout.start(at(1));
        // 6 s, 20 s, 9.9 s and 6 s, 20 s, 19.9 s and 6 s.
        assert_eq!(stands(&mut rollout, at(1), 1), stood("wave 1 of 3", 88.0));
        assert_eq!(stands(&mut rollout, at(4), 1), stood("wave 1 of 3", 85.0));
        assert_eq!(stands(&mut rollout, at(5), 0), stood("wave 1 of 3, pausing", 82.0));
        assert_eq!(stands(&mut rollout, at(25), 0), stood("wave 1 of 3, pausing", 62.0));
        assert_eq!(stands(&mut rollout, at(35), 50), stood("wave 2 of 3", 52.0));
        // One that takes longer than was thought leaves what comes after it.
        assert_eq!(stands(&mut rollout, at(60), 1), stood("wave 2 of 3", 46.0));
        assert_eq!(rollout.waves.released.len(), 2);
    }

    #[test]
    fn nobody_leads_what_nobody_calls() {
        assert!(rollout(&["rollout.waves=[1]"], Roles::FLEET).is_none());
        assert!(rollout(&[], Roles::BOTH).is_none());
        let closed = rollout(&["rollout.waves=[1]", "load.kind=closed"], Roles::DRIVER).unwrap();
        assert_eq!(closed.left(at(1), Duration::ZERO), None);
    }
}
