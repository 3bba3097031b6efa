//! Which faults of a hub begin and end when (pure).

use std::time::Duration;

use crate::policy::HubFault;
use crate::time::Nanos;

/// The faults of a run, from the start of its load on.
#[derive(Debug)]
pub(super) struct Timeline {
    start: Nanos,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    fault: HubFault,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Active,
    Over,
}

/// What becomes of a fault.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Turn {
    Begins(HubFault),
    Ends(HubFault),
}

impl Entry {
    /// When the next thing happens to it, from the start of the load.
    fn next(&self) -> Option<Duration> {
        match self.state {
            State::Waiting => Some(self.fault.at),
            State::Active => self.fault.lasts.map(|lasts| self.fault.at + lasts),
            State::Over => None,
        }
    }

    fn turn(&mut self) -> Turn {
        if self.state == State::Waiting {
            self.state = State::Active;
            return Turn::Begins(self.fault.clone());
        }
        self.state = State::Over;
        Turn::Ends(self.fault.clone())
    }
}

impl Timeline {
    /// `faults` of a load that starts at `start`.
    pub(super) fn new(start: Nanos, faults: Vec<HubFault>) -> Self {
        let entries = faults.into_iter().map(|fault| Entry { fault, state: State::Waiting }).collect();
        Self { start, entries }
    }

    /// How long the load has been going on at `now`.
    pub(super) fn since_start(&self, now: Nanos) -> Duration {
        now.since(self.start)
    }

    /// When [`Timeline::turn`] has something next.
    pub(super) fn next(&self) -> Nanos {
        let next = self.entries.iter().filter_map(Entry::next).min();
        next.map_or(Nanos::MAX, |next| self.start + next)
    }

    /// What is due at `now`, one after another, in order of time. What begins late, because the process was stopped,
    /// may end with the same breath.
    pub(super) fn turn(&mut self, now: Nanos) -> Option<Turn> {
        let next = self.next();
        if next > now {
            return None;
        }
        let start = self.start;
        self.entries.iter_mut().find(|entry| entry.next().is_some_and(|at| start + at == next)).map(Entry::turn)
    }

    /// Every fault is lifted: those that are active end, and no other begins any more.
    pub(super) fn heal(&mut self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for entry in &mut self.entries {
            match entry.state {
                State::Active => turns.push(entry.turn()),
                State::Waiting | State::Over => entry.state = State::Over,
            }
        }
        turns
    }

    /// Those that are active.
    pub(super) fn active(&self) -> impl Iterator<Item = &HubFault> {
        self.entries.iter().filter(|entry| entry.state == State::Active).map(|entry| &entry.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Fault, FaultKind};

    const SECOND: Duration = Duration::from_secs(1);
    const START: Nanos = Nanos::new(5_000_000_000);

    /// Faults of these beginnings and lengths, in seconds.
    fn timeline(windows: &[(u32, Option<u32>)]) -> Timeline {
        let fault = |(at, lasts): &(u32, Option<u32>)| {
            let lasts = lasts.map(|lasts| SECOND * lasts);
            Fault { at: SECOND * *at, lasts, ..Fault::new(FaultKind::HubDown) }
        };
        let faults: Vec<Fault> = windows.iter().map(fault).collect();
        Timeline::new(START, HubFault::among(&faults))
    }

    /// What is due, as the place of the fault, and whether it begins.
    fn turns(timeline: &mut Timeline, second: u32) -> Vec<(usize, bool)> {
        let due = std::iter::from_fn(|| timeline.turn(START + SECOND * second));
        due.map(|turn| match turn {
            Turn::Begins(fault) => (fault.index, true),
            Turn::Ends(fault) => (fault.index, false),
        })
        .collect()
    }

    #[test]
    fn faults_begin_and_end_in_order_of_time() {
        let mut timeline = timeline(&[(3, Some(4)), (1, None), (4, Some(1))]);
        assert_eq!(timeline.next(), START + SECOND);
        assert_eq!(turns(&mut timeline, 0), []);
        assert_eq!(turns(&mut timeline, 1), [(1, true)]);
        assert_eq!(turns(&mut timeline, 4), [(0, true), (2, true)]);
        assert_eq!(timeline.active().count(), 3);
        assert_eq!(turns(&mut timeline, 9), [(2, false), (0, false)]);
        assert_eq!((timeline.next(), timeline.since_start(START + SECOND)), (Nanos::MAX, SECOND));
    }

    #[test]
    fn a_hub_that_slept_through_a_fault_begins_and_ends_it_late() {
        let mut timeline = timeline(&[(1, Some(2))]);
        assert_eq!(turns(&mut timeline, 60), [(0, true), (0, false)]);
    }

    #[test]
    fn healing_ends_what_is_active_and_lets_nothing_begin() {
        let mut timeline = timeline(&[(0, None), (5, Some(1)), (0, Some(1))]);
        assert_eq!(turns(&mut timeline, 2), [(0, true), (2, true), (2, false)]);
        let healed = timeline.heal();
        assert!(matches!(&healed[..], [Turn::Ends(fault)] if fault.index == 0), "{healed:?}");
        assert_eq!((timeline.next(), turns(&mut timeline, 99).len(), timeline.heal().len()), (Nanos::MAX, 0, 0));
    }
}
