//! `[report]`: where results go. `results.json` and `histograms.hlog` are always written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::reader::Field;

/// Where results go. It says nothing of the run itself: plans that differ here alone are comparable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPlan {
    /// The folder; `None` for one of the run's own below `reports/runs/`.
    pub out: Option<PathBuf>,
}

pub(super) fn read(field: &Field<'_>) -> Result<ReportPlan, Problem> {
    let mut section = field.section()?;
    let out = match section.optional("out") {
        Some(field) => Some(field.text()?).filter(|out| !out.is_empty()).map(PathBuf::from),
        None => None,
    };
    section.finish()?;
    Ok(ReportPlan { out })
}
