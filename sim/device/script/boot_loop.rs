//! `boot_loop`: with the new image the device comes up, connects, and goes down again, so many times; then it runs the
//! old image and reports that the update failed.

use std::time::Duration;

use super::compose::{Moment, Strike};
use super::{Act, Line};
use crate::policy::{BootLoop, FaultStage};

/// How long the device is down each time.
const DOWN: Duration = Duration::from_millis(200);

/// How long it is up each time, connecting included. A connection that takes longer than that is never seen.
const UP: Duration = Duration::from_millis(300);

pub(super) fn strike(&BootLoop { times }: &BootLoop) -> Strike<'static> {
    let stage = FaultStage::Rebooting;
    Strike::new(Moment::beginning(stage), move |script, fault| {
        let at = script.strike_on_entering(stage, fault);
        let first = (Duration::ZERO, Act::Cut(DOWN));
        let again = (0..times).map(|_| (DOWN + UP, Act::Cut(DOWN)));
        let failed = (DOWN, Act::Report(Line::failed(stage, "boot_failed")));
        script.end_with(at, stage, [first].into_iter().chain(again).chain([failed]));
    })
}
