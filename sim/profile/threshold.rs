//! `[[threshold]]`: what must hold in the end, and whether the run ends at once where it cannot.

use std::time::Duration;

use super::error::Problem;
use super::metric::Scene;
use super::reader::{Field, Section};
use crate::policy::{Threshold, ThresholdRule};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn read(field: &Field<'_>, scene: Scene<'_>) -> Result<Vec<ThresholdRule>, Problem> {
    field.list()?.map(|item| rule(&item, scene)).collect()
}

fn rule(field: &Field<'_>, scene: Scene<'_>) -> Result<ThresholdRule, Problem> {
    let section = field.section(&["expr", "abort", "grace"])?;
    let expr = section.required("expr")?;
    let threshold: Threshold = expr.text()?.parse().map_err(|error| expr.problem(format_args!("is wrong: {error}")))?;
    scene.check(&expr, &threshold)?;
    let abort = section.optional("abort").map_or(Ok(false), |field| field.boolean())?;
    Ok(ThresholdRule { threshold, abort, grace: grace(&section, abort)? })
}

fn grace(section: &Section<'_>, abort: bool) -> Result<Duration, Problem> {
    const WHY: &str = "without `abort = true`";
    match (section.optional("grace"), section.optional("abort")) {
        (Some(grace), _) if abort => grace.duration(Duration::ZERO..=DAY),
        // What a profile says of an abort that was taken back elsewhere is left over.
        (Some(_), Some(abort)) => section.meaningless("grace", &abort, WHY).map(|()| Duration::ZERO),
        (Some(grace), None) => Err(grace.problem(format_args!("means nothing {WHY}: leave it out"))),
        (None, _) => Ok(Duration::ZERO),
    }
}
