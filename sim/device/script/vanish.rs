//! `vanish`: in the midst of the stage the device drops its connection and never comes back.

use std::time::Duration;

use super::Act;
use super::compose::{Moment, Strike};
use crate::policy::Vanish;

/// The device goes no sooner than this after its last word, so that the hub has heard it.
const LAST_WORD: Duration = Duration::from_millis(100);

pub(super) fn strike(&Vanish { stage }: &Vanish) -> Strike<'static> {
    Strike::new(Moment::middle(stage), move |script, fault| {
        let half = script.halve(stage);
        let after = script.steps.get(half).map_or(Duration::ZERO, |step| step.after).max(LAST_WORD);
        script.end_with(half, stage, [(after, Act::Strike(fault)), (Duration::ZERO, Act::Vanish)]);
    })
}
