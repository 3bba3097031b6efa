//! `settle`: load before the load that is measured.

use std::time::Duration;

use super::error::Problem;
use super::reader::Field;
use crate::policy::Settle;

/// Longer than any hub saves up for bursts.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Reads `{ over = "5s", factor = 2, pause = "1s" }`; the last two may be left out.
pub(super) fn read(field: &Field<'_>) -> Result<Settle, Problem> {
    let section = field.section(&["over", "factor", "pause"])?;
    let over = section.required("over")?.duration(Duration::from_millis(1)..=LONGEST)?;
    let factor = section.optional("factor").map_or(Ok(1.0), |field| field.number(0.01..=100.0))?;
    let pause =
        section.optional("pause").map_or(Ok(Duration::ZERO), |field| field.duration(Duration::ZERO..=LONGEST))?;
    Ok(Settle { over, factor, pause })
}
