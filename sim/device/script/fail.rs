//! `fail`: at the end of the stage the device reports that the update failed.

use std::time::Duration;

use super::compose::{Moment, Strike};
use super::{Act, Line};
use crate::policy::Fail;

pub(super) fn strike(Fail { stage, code }: &Fail) -> Strike<'_> {
    Strike::new(Moment::end(*stage), move |script, fault| {
        let at = script.strike(script.end(*stage), fault);
        script.end_with(at, *stage, [(Duration::ZERO, Act::Report(Line::failed(*stage, code)))]);
    })
}
