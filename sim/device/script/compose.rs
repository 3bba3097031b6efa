//! Several faults in one script: each is written in at the moment at which it strikes, up to the first that decides.

use super::{
    Script, boot_loop, duplicate, fail, false_success, malformed, reboot, reorder, rollback, skip, slow, stall, vanish,
};
use crate::policy::{Delay, FaultKind, FaultStage, FirmwareStatus};
use crate::random::Stream;

/// When a fault strikes, as the moments of a script follow one another.
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

    /// As `stage` ends.
    pub(super) const fn end(stage: FaultStage) -> Self {
        Self(stage as u8, Part::End)
    }

    /// As `status` is reported: at the end of the stage before.
    pub(super) const fn report(status: FirmwareStatus) -> Self {
        Self::end(match status {
            FirmwareStatus::StandBy | FirmwareStatus::Downloading => FaultStage::Waiting,
            FirmwareStatus::Applying => FaultStage::Verifying,
            FirmwareStatus::Completed | FirmwareStatus::Failed | FirmwareStatus::RolledBack => FaultStage::Rebooting,
        })
    }
}

/// A fault that strikes inside the workflow: when, and how it changes the script.
pub(super) struct Strike<'a> {
    at: Moment,
    write: Write<'a>,
}

/// A change of the script by the fault of this index.
type Write<'a> = Box<dyn FnOnce(&mut Script, usize) + 'a>;

impl<'a> Strike<'a> {
    /// One that strikes `at` this moment and changes the script by `write`, which is given the fault's index.
    pub(super) fn new(at: Moment, write: impl FnOnce(&mut Script, usize) + 'a) -> Self {
        Self { at, write: Box::new(write) }
    }

    /// That of `kind`, which draws what it has to from `random`; `None` if it strikes elsewhere.
    fn of(kind: &'a FaultKind, random: impl FnOnce() -> Stream) -> Option<Self> {
        let draw = |delay: &Delay| delay.sample(&mut random());
        Some(match kind {
            FaultKind::Fail(kind) => fail::strike(kind),
            FaultKind::Rollback(kind) => rollback::strike(draw(&kind.delay)),
            FaultKind::Stall(kind) => stall::strike(kind),
            FaultKind::Slow(kind) => slow::strike(kind, draw),
            FaultKind::Reboot(kind) => reboot::strike(draw(&kind.away)),
            FaultKind::BootLoop(kind) => boot_loop::strike(kind),
            FaultKind::Vanish(kind) => vanish::strike(kind),
            FaultKind::FalseSuccess => false_success::strike(),
            FaultKind::Skip(kind) => skip::strike(kind),
            FaultKind::Reorder => reorder::strike(),
            FaultKind::Duplicate(kind) => duplicate::strike(kind),
            FaultKind::Malformed(kind) => malformed::strike(kind),
            _ => return None,
        })
    }
}

impl Script {
    /// Writes in those of `faults` (with their indices in the fault plan) that strike inside the workflow; `random` is
    /// the stream of a fault. All are in force together up to the first that decides how the update ends; what would
    /// strike after that one is left out. Of two at one moment the deciding one comes first, else the one that stands
    /// first in the plan.
    #[must_use]
    pub fn with<'a>(
        mut self,
        faults: impl IntoIterator<Item = (usize, &'a FaultKind)>,
        random: impl Fn(usize) -> Stream,
    ) -> Self {
        let strike = |(fault, kind): (usize, &'a FaultKind)| {
            Strike::of(kind, || random(fault)).map(|strike| (fault, kind.is_terminal(), strike))
        };
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
