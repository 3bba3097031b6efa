//! `[[threshold]]`: what must hold in the end.

use super::error::Problem;
use super::reader::Field;
use crate::driver::Via;
use crate::policy::{Metric, Threshold};

pub(super) fn read(field: &Field<'_>, via: Via) -> Result<Vec<Threshold>, Problem> {
    field.list()?.map(|item| threshold(&item, via)).collect()
}

fn threshold(field: &Field<'_>, via: Via) -> Result<Threshold, Problem> {
    field.unsupported(&["abort", "grace"])?;
    let section = field.section(&["expr"])?;
    let expr = section.required("expr")?;
    let threshold: Threshold = expr.text()?.parse().map_err(|error| expr.problem(format_args!("is wrong: {error}")))?;
    match threshold.metric {
        Metric::Series(series, _) if series.needs_calls() && via != Via::Calls => Err(expr.problem(format_args!(
            "cannot be judged while `load.via` is \"job\": the hub makes the calls, and `{series}` is not measured"
        ))),
        _ => Ok(threshold),
    }
}
