//! `false_success`: the device reports `completed`, and the old version with it.

use super::Form;
use super::compose::{Moment, Strike};
use crate::policy::FirmwareStatus;

pub(super) fn strike() -> Strike<'static> {
    Strike::new(Moment::report(FirmwareStatus::Completed), move |script, fault| {
        let at = script.strike(script.report_of(FirmwareStatus::Completed), fault);
        if let Some(line) = script.line(at) {
            line.form = Form::OldVersion;
        }
    })
}
