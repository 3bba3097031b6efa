//! `stall`: the device enters the stage, stays connected, and reports nothing more.

use std::time::Duration;

use super::Act;
use super::compose::{Moment, Strike};
use crate::policy::Stall;

pub(super) fn strike(&Stall { stage }: &Stall) -> Strike<'static> {
    Strike::new(Moment::beginning(stage), move |script, fault| {
        let at = script.strike_on_entering(stage, fault);
        script.end_with(at, stage, [(Duration::ZERO, Act::Hang)]);
    })
}
