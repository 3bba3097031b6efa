//! `[[threshold]]`: what must hold in the end.

use super::error::Problem;
use super::metric::Scene;
use super::reader::Field;
use crate::policy::Threshold;

pub(super) fn read(field: &Field<'_>, scene: Scene<'_>) -> Result<Vec<Threshold>, Problem> {
    field.list()?.map(|item| threshold(&item, scene)).collect()
}

fn threshold(field: &Field<'_>, scene: Scene<'_>) -> Result<Threshold, Problem> {
    field.unsupported(&["abort", "grace"])?;
    let section = field.section(&["expr"])?;
    let expr = section.required("expr")?;
    let threshold: Threshold = expr.text()?.parse().map_err(|error| expr.problem(format_args!("is wrong: {error}")))?;
    scene.check(&expr, &threshold)?;
    Ok(threshold)
}
