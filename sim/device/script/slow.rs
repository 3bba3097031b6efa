//! `slow`: a stage takes longer than the device chose.

use std::time::Duration;

use super::compose::{Moment, Strike};
use crate::policy::{Delay, Slow, Slowness};

pub(super) fn strike(slow: &Slow, draw: impl FnOnce(&Delay) -> Duration) -> Strike<'static> {
    let stage = slow.stage;
    let (factor, more) = match &slow.by {
        Slowness::Factor(factor) => (*factor, Duration::ZERO),
        Slowness::Delay(delay) => (1.0, draw(delay)),
    };
    Strike::new(Moment::beginning(stage), move |script, fault| {
        script.strike_on_entering(stage, fault);
        let end = script.end(stage);
        if let Some(step) = script.steps.get_mut(end) {
            let chosen = step.after.as_secs_f64() * factor;
            step.after = Duration::try_from_secs_f64(chosen).unwrap_or(step.after) + more;
        }
    })
}
