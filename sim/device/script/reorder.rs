//! `reorder`: the device reports `applying` where `downloading` belongs, and the other way round.

use super::compose::{Moment, Strike};
use crate::policy::FirmwareStatus::{Applying, Downloading};

pub(super) fn strike() -> Strike<'static> {
    Strike::new(Moment::report(Downloading), move |script, fault| {
        let first = script.strike(script.report_of(Downloading), fault);
        let second = script.report_of(Applying);
        for (at, status) in [(first, Applying), (second, Downloading)] {
            if let Some(line) = script.line(at) {
                line.status = status;
            }
        }
    })
}
