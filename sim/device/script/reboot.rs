//! `reboot`: in the midst of applying the device drops its connection and comes back later. Its work goes on meanwhile;
//! what it has to report by then waits for the connection.

use std::time::Duration;

use super::compose::{Moment, Strike};
use super::{Act, Step};
use crate::policy::FaultStage;

pub(super) fn strike(away: Duration) -> Strike<'static> {
    let stage = FaultStage::Applying;
    Strike::new(Moment::middle(stage), move |script, fault| {
        let half = script.halve(stage);
        let at = script.strike(half, fault);
        if let Some(step) = script.steps.get_mut(at) {
            *step = Step { stage, after: Duration::ZERO, act: Act::Cut(away) };
        }
    })
}
