//! `malformed`: a report that the hub refuses, or that nobody can read.

use super::Form;
use super::compose::{Moment, Strike};
use crate::policy::{Malformation, Malformed};

pub(super) fn strike(&Malformed { stage, form }: &Malformed) -> Strike<'static> {
    Strike::new(Moment::report(stage), move |script, fault| {
        let at = script.strike(script.report_of(stage), fault);
        if let Some(line) = script.line(at) {
            line.form = match form {
                Malformation::BadJson => Form::BadJson,
                Malformation::WrongType => Form::WrongType,
                Malformation::TooLarge => Form::TooLarge,
            };
        }
    })
}
