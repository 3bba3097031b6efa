//! Several faults in one script: each is written in at the moment at which it strikes, up to the first that decides.

use super::{Script, fail, stall};
use crate::policy::{FaultKind, FaultStage};

/// When a fault strikes, as moments of a script follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u8, Part);

/// The part of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Beginning,
    Middle,
    End,
}

impl Moment {
    /// As `stage` begins.
    pub(super) const fn beginning(stage: FaultStage) -> Self {
        Self(stage as u8, Part::Beginning)
    }

    /// In the midst of `stage`.
    pub(super) const fn middle(stage: FaultStage) -> Self {
        Self(stage as u8, Part::Middle)
    }

    /// As `stage` ends, where its report is made if it has one.
    pub(super) const fn end(stage: FaultStage) -> Self {
        Self(stage as u8, Part::End)
    }
}

/// A fault that strikes inside the workflow: when, and how it changes the script.
pub(super) struct Strike<'a> {
    at: Moment,
    write: Box<dyn FnOnce(&mut Script, usize) + 'a>,
}

impl<'a> Strike<'a> {
    /// One that strikes `at` this moment and changes the script by `write`, which is given the fault's index.
    pub(super) fn new(at: Moment, write: impl FnOnce(&mut Script, usize) + 'a) -> Self {
        Self { at, write: Box::new(write) }
    }

    /// That of `kind`; `None` if it strikes elsewhere.
    fn of(kind: &'a FaultKind) -> Option<Self> {
        Some(match kind {
            FaultKind::Fail { stage, code } => fail::strike(*stage, code),
            FaultKind::Stall { stage } => stall::strike(*stage),
            _ => return None,
        })
    }
}

impl Script {
    /// Writes in those of `faults` (with their indices in the fault plan) that strike inside the workflow. All are in
    /// force together up to the first that decides how the update ends; what would strike after that one is left out.
    /// Of two at one moment the deciding one comes first, and else the one that stands first in the plan.
    #[must_use]
    pub fn with<'a>(mut self, faults: impl IntoIterator<Item = (usize, &'a FaultKind)>) -> Self {
        let strike = |(fault, kind)| Strike::of(kind).map(|strike| (fault, kind.is_terminal(), strike));
        let mut strikes: Vec<_> = faults.into_iter().filter_map(strike).collect();
        strikes.sort_by_key(|(_, terminal, strike)| (strike.at, !terminal));
        for (fault, terminal, strike) in strikes {
            (strike.write)(&mut self, fault);
            if terminal {
                break;
            }
        }
        self
    }
}
