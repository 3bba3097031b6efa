//! `rollback`: the new version runs, is given up, and the device reports `rolledBack` with the old one.

use std::time::Duration;

use super::compose::{Moment, Strike};
use super::{Act, Line};
use crate::policy::{FaultStage, FirmwareStatus};

pub(super) fn strike(takes: Duration) -> Strike<'static> {
    let stage = FaultStage::Rebooting;
    Strike::new(Moment::end(stage), move |script, fault| {
        let at = script.strike(script.end(stage), fault);
        script.end_with(at, stage, [(takes, Act::Report(Line::of(FirmwareStatus::RolledBack)))]);
    })
}
