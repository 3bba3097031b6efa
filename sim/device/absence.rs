//! When the fault `offline` keeps a device away.

use std::time::Duration;

use crate::policy::{FaultKind, FaultPlan};
use crate::time::Nanos;

/// The absences of one device. They are drawn once for a device (as for its first update): a device that is away gets
/// no update that could be counted.
#[derive(Debug, Default)]
pub(super) struct Absences(Box<[Absence]>);

#[derive(Debug)]
struct Absence {
    fault: u32,
    at: Duration,
    lasts: Option<Duration>,
}

impl Absences {
    /// Those that `plan` has for `device`.
    pub(super) fn of(plan: &FaultPlan, device: u32) -> Self {
        let hits = plan.hits(device, 0).filter(|(_, fault)| fault.kind == FaultKind::Offline);
        Self(hits.map(|(index, fault)| Absence { fault: index as u32, at: fault.at, lasts: fault.lasts }).collect())
    }

    /// The fault that keeps the device away at `now`, by index in the fault plan: of several the one that began first,
    /// so that each keeps it away at most once. `load` is the start of the load,
    /// once known; `reported` says whether the device's `standBy` was acknowledged.
    pub(super) fn at(&self, now: Nanos, load: Option<Nanos>, reported: bool) -> Option<u32> {
        let windows = self.0.iter().map(|absence| (absence.window(load, reported), absence.fault));
        let hits = windows.filter(|((start, end), _)| *start <= now && now < *end);
        hits.min_by_key(|((start, _), _)| *start).map(|(_, fault)| fault)
    }

    /// The next moment after `now` at which an absence begins or ends.
    pub(super) fn next_change(&self, now: Nanos, load: Option<Nanos>, reported: bool) -> Nanos {
        let edges = self.0.iter().flat_map(|absence| <[Nanos; 2]>::from(absence.window(load, reported)));
        edges.filter(|edge| *edge > now).min().unwrap_or(Nanos::MAX)
    }
}

impl Absence {
    /// From when until when. One that is active from the start begins before the load, but not before the device has
    /// reported for the first time: it must be known to the hub. All others count from the start of the load.
    fn window(&self, load: Option<Nanos>, reported: bool) -> (Nanos, Nanos) {
        let start = match load {
            _ if self.at.is_zero() => {
                if reported {
                    Nanos::ZERO
                } else {
                    Nanos::MAX
                }
            }
            Some(load) => load + self.at,
            None => Nanos::MAX,
        };
        let end = match (load, self.lasts) {
            (Some(load), Some(lasts)) => load + self.at + lasts,
            _ => Nanos::MAX,
        };
        (start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Fault;
    use crate::random::Seed;

    fn second(second: u64) -> Nanos {
        Nanos::new(second * 1_000_000_000)
    }

    fn absences(at: u64, lasts: Option<u64>) -> Absences {
        let lasts = lasts.map(Duration::from_secs);
        let fault = Fault { at: Duration::from_secs(at), lasts, ..Fault::new(FaultKind::Offline) };
        Absences::of(&FaultPlan::new(Seed(7), &[fault], 1), 0)
    }

    #[test]
    fn one_from_the_start_begins_before_the_load_once_the_device_has_reported() {
        let absences = absences(0, Some(30));
        assert_eq!(absences.at(second(1), None, false), None);
        assert_eq!(absences.at(second(1), None, true), Some(0));
        assert_eq!(absences.next_change(second(1), None, true), Nanos::MAX);
        assert_eq!(absences.at(second(39), Some(second(10)), true), Some(0));
        assert_eq!(absences.next_change(second(1), Some(second(10)), true), second(40));
        assert_eq!(absences.at(second(40), Some(second(10)), true), None);
    }

    #[test]
    fn a_later_one_counts_from_the_start_of_the_load() {
        let absences = absences(5, None);
        assert_eq!(absences.at(second(99), None, true), None);
        let load = Some(second(10));
        assert_eq!(absences.next_change(second(10), load, true), second(15));
        assert_eq!((absences.at(second(14), load, true), absences.at(second(15), load, true)), (None, Some(0)));
        assert_eq!(absences.next_change(second(15), load, true), Nanos::MAX);
    }
}
