//! Roll-outs as data: the fleet is called in waves, and no further once too many updates have failed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::arrivals::call_order;
use super::{Load, Outcome, Ramp, units};
use crate::random::Seed;

/// How a fleet is called in waves. Waves are numbered from 0 here, and from 1 wherever people read them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// How many devices have been called when each wave is over; strictly growing, at least one.
    pub waves: Vec<u32>,
    /// How long it is from the end of a wave to the release of the next.
    #[serde(with = "units::duration")]
    pub pause: Duration,
    /// The call rate of a wave as a multiple of that of the wave before; the first has the load's.
    pub growth: f64,
    /// When no further device is to be called; `None`: whatever happens.
    pub abort: Option<AbortCriteria>,
}

/// When a roll-out is given up, in the manner of AWS IoT Jobs (failure type, threshold percentage, minimum number of
/// executed things).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AbortCriteria {
    /// At this share of failures among the executed updates, above 0, up to 100.
    pub failed: f64,
    /// As soon as so many have been executed, at least 1.
    pub min_executed: u64,
    /// What counts as a failure.
    pub outcomes: Vec<Outcome>,
}

impl Rollout {
    /// Every wave has a row in the result and a part in what shards tell.
    pub const MAX_WAVES: usize = 100;

    /// How many waves there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.waves.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is no wave.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waves.is_empty()
    }

    /// Updates in all waves together.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.waves.last().copied().map_or(0, u64::from)
    }

    /// The wave to which a place in the call order belongs; the number of waves for those behind the last.
    #[must_use]
    pub fn wave_of(&self, place: u64) -> u32 {
        u32::try_from(self.waves.partition_point(|end| u64::from(*end) <= place)).unwrap_or(u32::MAX)
    }

    /// The places in the call order that belong to a wave; none if there is no such wave.
    #[must_use]
    pub fn places(&self, wave: u32) -> Range<u64> {
        let end = |wave: usize| self.waves.get(wave).copied().map_or_else(|| self.updates(), u64::from);
        let wave = wave as usize;
        wave.checked_sub(1).map_or(0, end)..end(wave)
    }

    /// The load of a wave: all of its rates grow alike.
    #[must_use]
    pub fn load(&self, load: &Load, wave: u32) -> Load {
        let factor = self.growth.powi(i32::try_from(wave).unwrap_or(i32::MAX));
        match *load {
            Load::Open { rate, arrivals, ramp } => Load::Open {
                rate: rate * factor,
                arrivals,
                ramp: ramp.map(|ramp| Ramp { from: ramp.from * factor, over: ramp.over }),
            },
            closed @ Load::Closed { .. } => closed,
        }
    }

    /// The devices that a wave calls in a fleet of `devices`, in the order of their indices.
    #[must_use]
    pub fn members(&self, seed: Seed, devices: u32, wave: u32) -> Vec<u32> {
        let Range { start, end } = self.places(wave);
        let order = call_order(seed, devices).into_iter();
        let count = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut members: Vec<u32> = order.skip(usize::try_from(start).unwrap_or(usize::MAX)).take(count).collect();
        members.sort_unstable();
        members
    }

    /// How many of these updates failed, by the criteria; by the usual ones where there are none.
    #[must_use]
    pub fn failed(&self, outcomes: &BTreeMap<Outcome, u64>) -> u64 {
        let usual;
        let failures = match &self.abort {
            Some(abort) => &abort.outcomes,
            None => {
                usual = AbortCriteria::usual_outcomes();
                &usual
            }
        };
        count(outcomes, |outcome| failures.contains(&outcome))
    }
}

impl AbortCriteria {
    /// What may be told of as a failure: it was executed and seen to end otherwise than it should, or the driver had no
    /// room to call it.
    #[must_use]
    pub fn allowed_outcomes() -> Vec<Outcome> {
        let never = [Outcome::Completed, Outcome::Aborted, Outcome::LostShard];
        Outcome::ALL.into_iter().filter(|outcome| !never.contains(outcome)).collect()
    }

    /// What counts as a failure unless it is said otherwise.
    #[must_use]
    pub fn usual_outcomes() -> Vec<Outcome> {
        Self::allowed_outcomes().into_iter().filter(|outcome| *outcome != Outcome::NotSent).collect()
    }

    /// Why the roll-out is to be given up, in words, if it is. `outcomes` are those of all updates that have ended so far.
    #[must_use]
    pub fn met_by(&self, outcomes: &BTreeMap<Outcome, u64>) -> Option<String> {
        // What was never called was not executed either, unless that is what is looked for.
        let executed = count(outcomes, |outcome| {
            self.outcomes.contains(&outcome) || !matches!(outcome, Outcome::NotSent | Outcome::Aborted)
        });
        let failed = count(outcomes, |outcome| self.outcomes.contains(&outcome));
        let percent = failed as f64 * 100.0 / executed.max(1) as f64;
        (executed >= self.min_executed.max(1) && percent >= self.failed).then(|| {
            format!("{failed} of {executed} updates failed, {percent:.1} %, with an abort at {} %", self.failed)
        })
    }
}

fn count(outcomes: &BTreeMap<Outcome, u64>, which: impl Fn(Outcome) -> bool) -> u64 {
    outcomes.iter().filter(|(outcome, _)| which(**outcome)).map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::ArrivalKind;

    fn rollout(waves: &[u32]) -> Rollout {
        Rollout { waves: waves.to_vec(), pause: Duration::ZERO, growth: 2.0, abort: None }
    }

    fn criteria() -> AbortCriteria {
        AbortCriteria { failed: 10.0, min_executed: 20, outcomes: AbortCriteria::usual_outcomes() }
    }

    fn ended(counts: &[(Outcome, u64)]) -> BTreeMap<Outcome, u64> {
        counts.iter().copied().collect()
    }

    #[test]
    fn too_many_failures_end_a_roll_out_and_too_few_updates_never_do() {
        for (completed, failed, aborts) in
            [(18, 1, false), (18, 2, true), (17, 2, false), (0, 19, false), (0, 20, true)]
        {
            let outcomes = ended(&[(Outcome::Completed, completed), (Outcome::Stuck, failed)]);
            assert_eq!(criteria().met_by(&outcomes).is_some(), aborts, "{completed} completed, {failed} failed");
        }
        let reason = criteria().met_by(&ended(&[(Outcome::Completed, 15), (Outcome::Failed, 5)]));
        assert_eq!(reason.unwrap(), "5 of 20 updates failed, 25.0 %, with an abort at 10 %");
        assert_eq!(criteria().met_by(&BTreeMap::new()), None);
    }

    #[test]
    fn what_was_not_called_was_not_executed_unless_that_is_what_is_looked_for() {
        let outcomes = ended(&[(Outcome::Completed, 10), (Outcome::Failed, 3), (Outcome::NotSent, 1000)]);
        assert_eq!(criteria().met_by(&outcomes), None);
        let narrow = AbortCriteria { min_executed: 10, ..criteria() };
        assert!(narrow.met_by(&outcomes).is_some_and(|reason| reason.starts_with("3 of 13")));
        let unsent = AbortCriteria { outcomes: vec![Outcome::NotSent], ..narrow };
        assert!(unsent.met_by(&outcomes).is_some_and(|reason| reason.starts_with("1000 of 1013")));
    }

    #[test]
    fn only_the_named_outcomes_are_failures() {
        let some = AbortCriteria { outcomes: vec![Outcome::RolledBack], ..criteria() };
        let outcomes = ended(&[(Outcome::Completed, 50), (Outcome::Failed, 40), (Outcome::RolledBack, 9)]);
        assert_eq!(some.met_by(&outcomes), None);
        let with = Rollout { abort: Some(some), ..rollout(&[99]) };
        assert_eq!((with.failed(&outcomes), rollout(&[99]).failed(&outcomes)), (9, 49));
    }

    #[test]
    fn each_wave_is_quicker_than_the_one_before_by_the_growth() {
        let ramp = Some(Ramp { from: 2.0, over: Duration::from_secs(3) });
        let load = Load::Open { rate: 10.0, arrivals: ArrivalKind::Constant, ramp };
        assert_eq!(rollout(&[1, 2]).load(&load, 0), load);
        let third = Some(Ramp { from: 8.0, over: Duration::from_secs(3) });
        let expected = Load::Open { rate: 40.0, arrivals: ArrivalKind::Constant, ramp: third };
        assert_eq!(rollout(&[1, 2, 3]).load(&load, 2), expected);
        assert_eq!(rollout(&[1]).load(&Load::Closed { in_flight: 3 }, 2), Load::Closed { in_flight: 3 });
    }

    proptest! {
        #[test]
        fn waves_cover_every_place_and_every_device_once(
            sizes in proptest::collection::vec(1..50_u32, 1..8), beyond in 0..50_u32, seed: u64,
        ) {
            let ends: Vec<u32> = sizes.iter().scan(0, |sum, size| { *sum += size; Some(*sum) }).collect();
            let rollout = rollout(&ends);
            let devices = rollout.waves[rollout.waves.len() - 1] + beyond;
            let mut places = Vec::new();
            let mut members = Vec::new();
            for (wave, size) in (0..rollout.len()).zip(&sizes) {
                let its = rollout.places(wave);
                prop_assert_eq!(its.end - its.start, u64::from(*size));
                prop_assert!(its.clone().all(|place| rollout.wave_of(place) == wave));
                places.extend(its);
                let its = rollout.members(Seed(seed), devices, wave);
                prop_assert_eq!(its.len(), *size as usize);
                members.extend(its);
            }
            prop_assert!(places.into_iter().eq(0..rollout.updates()));
            prop_assert_eq!(rollout.wave_of(rollout.updates()), rollout.len());
            prop_assert!(rollout.places(rollout.len()).is_empty() && rollout.members(Seed(seed), devices, 9).is_empty());
            let count = members.len();
            members.sort_unstable();
            members.dedup();
            prop_assert_eq!(members.len(), count);
            prop_assert!(members.iter().all(|device| *device < devices));
        }
    }
}
