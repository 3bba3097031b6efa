//! The faults that act on a device's connection, whatever the device is doing: which, from when until when, and how far
//! each has got.

use std::time::Duration;

use rand::RngExt;

use crate::mqtt::{Impairment, Latency};
use crate::policy::{FaultKind, FaultPlan, Place};
use crate::random::{Domain, Seed};
use crate::time::Nanos;

/// A device whose token has ended, and whose hub does not close the connection, renews the token so long afterwards.
pub(super) const EXPIRY_PATIENCE: Duration = Duration::from_secs(30);

/// A token has to last so long at least, or a hub would not let the device in by it; the clocks of a hub and of this
/// machine, and whole seconds in tokens, are why.
pub(super) const LEAST_LIFE: Duration = Duration::from_secs(2);

/// The faults that act on one device's connection. They are drawn once for a device (as for its first update).
#[derive(Debug, Default)]
pub(super) struct Afflictions {
    pub(super) list: Vec<Affliction>,
    /// What is wrong with the path of the present connection.
    pub(super) impairment: Impairment,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Affliction {
    /// By index in the fault plan.
    pub(super) fault: u32,
    pub(super) way: Way,
    at: Duration,
    lasts: Option<Duration>,
    pub(super) stage: Stage,
    /// When it struck.
    pub(super) since: Nanos,
    /// Whether the device has noticed.
    pub(super) found: bool,
}

/// How far it has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not struck yet.
    Ahead,
    /// Its cause acts.
    Acting,
    /// Its cause is gone, and the device not well yet.
    Mending,
    Over,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// Keeps the device away.
    Offline,
    /// Makes it sign with a wrong key.
    WrongKey,
    /// Makes its token end.
    TokenExpiry(Expiry),
    /// Lets somebody else connect with its id.
    DuplicateId,
    /// Makes its connection a black hole.
    HalfOpen,
    /// Makes every connection of it late.
    Latency(Latency),
    /// Makes every connection of it narrow: so many bytes per second.
    Bandwidth(f64),
    /// Keeps it from reading, once it is connected.
    SlowReader,
    /// Tears its connection.
    Reset,
    /// The hub is gone; each device finds out by itself.
    HubDown,
}

/// The end of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expiry {
    /// By how much it lies behind the fault's time.
    later: Duration,
    /// Where between the start of the load being told and half-way to the end the token is taken, 0 to 1.
    taken: f64,
    /// When it ends; [`Nanos::MAX`] before the start of the load is known.
    pub(super) ends: Nanos,
    /// Whether the present connection came about by it.
    pub(super) used: bool,
}

impl Afflictions {
    /// Those that `plan` has for `device`; `None` for none.
    pub(super) fn of(plan: &FaultPlan, seed: Seed, device: u32) -> Option<Box<Self>> {
        let hits = plan.hits(device, 0).filter(|(_, fault)| fault.kind.place() == Place::Link);
        let list: Vec<Affliction> = hits
            .filter_map(|(index, fault)| {
                let way = Way::of(&fault.kind, seed, device, index as u32)?;
                Some(Affliction { at: fault.at, lasts: fault.lasts, ..Affliction::ahead(index as u32, way) })
            })
            .collect();
        (!list.is_empty()).then(|| Box::new(Self { list, impairment: Impairment::default() }))
    }

    /// Whether one of them keeps the device away, or makes it be refused.
    pub(super) fn keeps_away(&self) -> bool {
        self.acting().any(|affliction| matches!(affliction.way, Way::Offline | Way::WrongKey))
    }

    /// Those whose cause acts now.
    pub(super) fn acting(&self) -> impl Iterator<Item = &Affliction> {
        self.list.iter().filter(|affliction| affliction.stage == Stage::Acting)
    }

    /// What is to be wrong with the path of this `connection`, which is accepted, or only on its way to that. Latencies
    /// add up; of several bandwidths the narrowest counts.
    pub(super) fn wanted(&self, connection: u32, is_up: bool) -> Impairment {
        let mut wanted = Impairment::default();
        for affliction in self.acting() {
            match affliction.way {
                Way::HalfOpen => wanted.black_hole = true,
                Way::SlowReader => wanted.reads_nothing |= is_up,
                Way::Latency(Latency { delay, seed }) => {
                    let seed = Seed(seed.hash(Domain::PathLatency, u64::from(connection), 0));
                    wanted.latency.push(Latency { delay, seed });
                }
                Way::Bandwidth(rate) => wanted.bandwidth = Some(wanted.bandwidth.map_or(rate, |least| least.min(rate))),
                _ => {}
            }
        }
        wanted
    }

    /// The next moment after `now` at which one of them begins or ends.
    pub(super) fn next_change(&self, now: Nanos, load: Option<Nanos>, reported: bool) -> Nanos {
        let edges = self.list.iter().flat_map(|affliction| affliction.edges(load, reported));
        edges.filter(|edge| *edge > now).min().unwrap_or(Nanos::MAX)
    }
}

impl Affliction {
    const fn ahead(fault: u32, way: Way) -> Self {
        let (stage, since, found) = (Stage::Ahead, Nanos::MAX, false);
        Self { fault, way, at: Duration::ZERO, lasts: None, stage, since, found }
    }

    /// One that nobody foresaw for this device: the hub's going down.
    pub(super) const fn hub_down(fault: u32, now: Nanos) -> Self {
        Self { stage: Stage::Mending, since: now, ..Self::ahead(fault, Way::HubDown) }
    }

    /// Whether it acts on the device now, or still has an effect on it.
    pub(super) fn is_felt(&self) -> bool {
        matches!(self.stage, Stage::Acting | Stage::Mending)
    }

    /// From when until when it may strike, and acts once it has. `load` is the start of the load, once known. What keeps
    /// a device away from the start begins before the load, but not before the device has `reported` for the first time:
    /// it must be known to the hub.
    pub(super) fn window(&self, load: Option<Nanos>, reported: bool) -> (Nanos, Nanos) {
        let begins_early = self.at.is_zero() && matches!(self.way, Way::Offline | Way::WrongKey);
        let start = match load {
            _ if !reported => Nanos::MAX,
            _ if begins_early => Nanos::ZERO,
            Some(load) => load + self.at,
            None => Nanos::MAX,
        };
        let end = match (load, self.lasts) {
            (Some(load), Some(lasts)) => load + self.at + lasts,
            _ => Nanos::MAX,
        };
        (start, end)
    }

    fn edges(&self, load: Option<Nanos>, reported: bool) -> [Nanos; 2] {
        match &self.way {
            Way::HubDown => [Nanos::MAX; 2],
            Way::TokenExpiry(expiry) if self.stage == Stage::Ahead => [Nanos::MAX, expiry.ends + EXPIRY_PATIENCE],
            _ if self.stage == Stage::Over => [Nanos::MAX; 2],
            _ => self.window(load, reported).into(),
        }
    }

    /// The end of the token, told once, as soon as the start of the load is known at `now`: when it ends, and when it is
    /// to be taken.
    pub(super) fn token(&mut self, now: Nanos, load: Option<Nanos>) -> Option<(Nanos, Nanos)> {
        let (at, stage) = (self.at, self.stage);
        let Way::TokenExpiry(expiry) = &mut self.way else { return None };
        if stage != Stage::Ahead || expiry.ends < Nanos::MAX {
            return None;
        }
        // One that is to end too soon would not open a connection any more.
        expiry.ends = (load? + at + expiry.later).max(now + 2 * LEAST_LIFE);
        Some((expiry.ends, expiry.taken_after(now)))
    }
}

impl Expiry {
    /// When the device is to take another token, so that not all do at once: between `now` and half-way to its end.
    pub(super) fn taken_after(&self, now: Nanos) -> Nanos {
        now + (self.ends.since(now) / 2).mul_f64(self.taken)
    }
}

impl Way {
    fn of(kind: &FaultKind, seed: Seed, device: u32, fault: u32) -> Option<Self> {
        Some(match kind {
            FaultKind::Offline => Self::Offline,
            FaultKind::WrongKey => Self::WrongKey,
            FaultKind::TokenExpiry(expiry) => {
                let mut random = seed.stream(Domain::TokenExpiry, u64::from(device), u64::from(fault));
                let later = expiry.spread.mul_f64(random.random());
                Self::TokenExpiry(Expiry { later, taken: random.random(), ends: Nanos::MAX, used: false })
            }
            FaultKind::DuplicateId => Self::DuplicateId,
            FaultKind::HalfOpen => Self::HalfOpen,
            FaultKind::Latency(latency) => {
                let seed = Seed(seed.hash(Domain::PathLatency, u64::from(device), u64::from(fault)));
                Self::Latency(Latency { delay: latency.delay, seed })
            }
            FaultKind::Bandwidth(bandwidth) => Self::Bandwidth(bandwidth.rate),
            FaultKind::SlowReader => Self::SlowReader,
            FaultKind::Reset => Self::Reset,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Fault, TokenExpiry};

    fn second(second: u64) -> Nanos {
        Nanos::new(second * 1_000_000_000)
    }

    fn afflictions(kind: FaultKind, at: u64, lasts: Option<u64>) -> Afflictions {
        let lasts = lasts.map(Duration::from_secs);
        let fault = Fault { at: Duration::from_secs(at), lasts, ..Fault::new(kind) };
        *Afflictions::of(&FaultPlan::new(Seed(7), &[fault], 1), Seed(7), 0).unwrap()
    }

    #[test]
    fn an_absence_from_the_start_begins_before_the_load_once_the_device_has_reported() {
        let afflictions = afflictions(FaultKind::Offline, 0, Some(30));
        let window = |load, reported| afflictions.list[0].window(load, reported);
        assert_eq!(window(None, false), (Nanos::MAX, Nanos::MAX));
        assert_eq!(window(None, true), (Nanos::ZERO, Nanos::MAX));
        assert_eq!(window(Some(second(10)), true), (Nanos::ZERO, second(40)));
        assert_eq!(afflictions.next_change(second(1), None, true), Nanos::MAX);
        assert_eq!(afflictions.next_change(second(1), Some(second(10)), true), second(40));
    }

    #[test]
    fn everything_else_counts_from_the_start_of_the_load() {
        for (kind, at) in [(FaultKind::Offline, 5), (FaultKind::HalfOpen, 5), (FaultKind::Reset, 0)] {
            let afflictions = afflictions(kind, at, None);
            assert_eq!(afflictions.list[0].window(None, true).0, Nanos::MAX);
            let load = Some(second(10));
            assert_eq!(afflictions.list[0].window(load, true), (second(10 + at), Nanos::MAX));
            assert_eq!(afflictions.next_change(second(9), load, true), second(10 + at));
            assert_eq!(afflictions.next_change(second(15), load, true), Nanos::MAX);
        }
    }

    #[test]
    fn tokens_are_taken_in_the_first_half_of_their_time_and_end_within_the_spread() {
        let kind = FaultKind::TokenExpiry(TokenExpiry { spread: Duration::from_secs(20) });
        let fault = Fault { at: Duration::from_secs(60), ..Fault::new(kind) };
        let plan = FaultPlan::new(Seed(7), &[fault], 1000);
        for device in 0..1000 {
            let mut afflictions = Afflictions::of(&plan, Seed(7), device).unwrap();
            assert_eq!(afflictions.list[0].token(second(10), None), None);
            let (ends, taken) = afflictions.list[0].token(second(10), Some(second(12))).unwrap();
            assert!((second(72)..=second(92)).contains(&ends), "{ends}");
            assert!(taken >= second(10) && taken <= second(10) + ends.since(second(10)) / 2, "{taken} of {ends}");
            assert_eq!(afflictions.list[0].token(second(11), Some(second(12))), None, "told once");
        }
    }

    #[test]
    fn who_is_not_hit_has_none() {
        let plan = FaultPlan::new(Seed(7), &[Fault::new(FaultKind::NoReply), Fault::new(FaultKind::HubDown)], 1);
        assert!(Afflictions::of(&plan, Seed(7), 0).is_none());
    }
}
