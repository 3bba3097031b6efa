//! `skip`: the device goes through a stage and does not report it.

use super::Act;
use super::compose::{Moment, Strike};
use crate::policy::Skip;

pub(super) fn strike(&Skip { stage }: &Skip) -> Strike<'static> {
    Strike::new(Moment::report(stage), move |script, fault| {
        let at = script.strike(script.report_of(stage), fault);
        if let Some(step) = script.steps.get_mut(at) {
            step.act = Act::Pass;
        }
    })
}
