//! `[capacity]`: how `twinstorm capacity` looks for the highest load that keeps the thresholds. It says nothing of a run.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::Problem;
use super::reader::{Field, Section};
use super::settle;
use crate::policy::{CapacityOf, CapacityPlan, DeviceIds, Settling};

/// What a step may be measured for.
const MEASURE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
const DRAIN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
const BUDGET: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
/// Finer than repeated runs can tell apart, and so coarse that there is nothing to bisect.
const PRECISION: RangeInclusive<f64> = 0.1..=100.0;

pub(super) fn read(field: &Field<'_>) -> Result<CapacityPlan, Problem> {
    let section = field.section(&["of", "start", "limit", "precision", "settle", "measure", "drain", "budget"])?;
    let of = section.required("of")?.choice(&CapacityOf::ALL.map(|of| (of.name(), of)))?;
    let usual = match of {
        CapacityOf::Calls | CapacityOf::ConnectRate => 10.0,
        CapacityOf::Devices => 100.0,
    };
    let limit = automatic(&section, "limit", of)?;
    let start = automatic(&section, "start", of)?.unwrap_or(limit.map_or(usual, |limit| limit.min(usual)));
    if let Some(limit) = limit.filter(|limit| *limit < start) {
        let unit = of.unit();
        return Err(section
            .required("limit")?
            .problem(format_args!("must not be below `capacity.start`: {limit} is less than {start} {unit}")));
    }
    let settle = section.required("settle")?;
    let settle = match settle.text() {
        Ok("auto") => Settling::Auto,
        Ok(_) => return Err(settle.problem("must be \"auto\", or a table like { over = \"5s\", factor = 2 }")),
        Err(_) => Settling::Fixed(settle::read(&settle)?),
    };
    let budget = section.required("budget")?;
    let budget = if budget.text().is_ok_and(|text| text == "none") { None } else { Some(budget.duration(BUDGET)?) };
    Ok(CapacityPlan {
        of,
        start,
        limit,
        precision: precision(&section.required("precision")?)?,
        settle,
        measure: section.required("measure")?.duration(MEASURE)?,
        drain: section.required("drain")?.duration(DRAIN)?,
        budget,
    })
}

/// A load in the unit of the capacity, or `auto`.
fn automatic(section: &Section<'_>, key: &str, of: CapacityOf) -> Result<Option<f64>, Problem> {
    let field = section.required(key)?;
    if field.text().is_ok_and(|text| text == "auto") {
        return Ok(None);
    }
    match of {
        CapacityOf::Calls | CapacityOf::ConnectRate => field.rate().map(Some),
        CapacityOf::Devices => field.integer(1..=DeviceIds::MAX_DEVICES).map(|devices| Some(f64::from(devices))),
    }
}

/// A share like `5%`.
fn precision(field: &Field<'_>) -> Result<f64, Problem> {
    let text = field.text()?;
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let percent = number.filter(|percent| PRECISION.contains(percent));
    percent.map(|percent| percent / 100.0).ok_or_else(|| field.problem("must be a share like \"5%\", 0.1% to 100%"))
}
