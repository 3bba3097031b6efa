//! `[observe]`: how transitions are seen.

use std::time::Duration;

use super::error::Problem;
use super::reader::Field;
use crate::driver::{ObserveConfig, ObserveKind};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn read(field: &Field<'_>) -> Result<ObserveConfig, Problem> {
    let mut section = field.section()?;
    let kind = section.required("kind")?;
    if kind.text()? == "subscribe" {
        return Err(kind.problem("`subscribe` is not supported yet: allowed are `query` and `poll`"));
    }
    let config = ObserveConfig {
        kind: kind.choice(&[("query", ObserveKind::Query), ("poll", ObserveKind::Poll)])?,
        interval: section.required("interval")?.duration(MILLISECOND..=HOUR)?,
        overlap: section.required("overlap")?.duration(Duration::ZERO..=HOUR)?,
        stage_deadline: section.required("stage_deadline")?.duration(MILLISECOND..=24 * HOUR)?,
    };
    section.finish()?;
    Ok(config)
}
