//! The fault that strikes inside one workflow: `fail` or `stall`, at one of its three steps.

use crate::policy::{Fail, Fault, FaultKind, FaultStage, Stall};

/// What goes wrong in one update, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// Index in the fault plan.
    pub fault: usize,
    /// Where.
    pub stage: FaultStage,
    /// The code that the device reports with `failed`; `None`: it stalls, and reports nothing more.
    pub code: Option<String>,
}

impl Strike {
    /// The one of `faults` that strikes first; of two in one stage the stall, since it never reaches the stage's end.
    pub fn first<'a>(faults: impl IntoIterator<Item = (usize, &'a Fault)>) -> Option<Self> {
        faults
            .into_iter()
            .filter_map(|(fault, data)| match &data.kind {
                FaultKind::Fail(Fail { stage, code }) => Some(Self { fault, stage: *stage, code: Some(code.clone()) }),
                FaultKind::Stall(Stall { stage }) => Some(Self { fault, stage: *stage, code: None }),
                _ => None,
            })
            .min_by_key(|strike| (strike.stage as u8, strike.code.is_some()))
    }

    /// The step of the workflow whose report it replaces: 0 `downloading`, 1 `applying`, 2 `completed`. Verifying
    /// belongs to the end of downloading, and rebooting to the end of applying: they have no report of their own.
    #[must_use]
    pub const fn step(&self) -> usize {
        match self.stage {
            FaultStage::Waiting => 0,
            FaultStage::Downloading | FaultStage::Verifying => 1,
            FaultStage::Applying | FaultStage::Rebooting => 2,
        }
    }

    /// Whether the workflow stalls at `step`.
    #[must_use]
    pub const fn stalls(&self, step: usize) -> bool {
        self.code.is_none() && self.step() == step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_decides_and_a_stall_comes_before_a_failure() {
        let fault = Fault::new;
        let fail = |stage| fault(FaultKind::Fail(Fail { stage, code: "boot_failed".to_owned() }));
        let stall = |stage| fault(FaultKind::Stall(Stall { stage }));
        let first = |faults: &[Fault]| Strike::first(faults.iter().enumerate()).map(|strike| strike.fault);
        assert_eq!(first(&[]), None);
        assert_eq!(first(&[fault(FaultKind::NoReply)]), None);
        assert_eq!(first(&[fail(FaultStage::Rebooting), fail(FaultStage::Waiting)]), Some(1));
        assert_eq!(first(&[fail(FaultStage::Applying), stall(FaultStage::Applying)]), Some(1));
        assert_eq!(first(&[stall(FaultStage::Verifying), fail(FaultStage::Downloading)]), Some(1));
    }
}
