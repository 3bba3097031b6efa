//! `duplicate`: the device sends a report twice, byte for byte.

use super::compose::{Moment, Strike};
use crate::policy::Duplicate;

pub(super) fn strike(&Duplicate { stage }: &Duplicate) -> Strike<'static> {
    Strike::new(Moment::report(stage), move |script, fault| {
        let at = script.strike(script.report_of(stage), fault);
        if let Some(line) = script.line(at) {
            line.copies = line.copies.saturating_add(1);
        }
    })
}
