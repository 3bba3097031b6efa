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
    /// Whether the run tells what happens to the first device in the words of the tutorial's two programs, instead of
    /// showing how the whole goes.
    pub narrate: bool,
}

pub(super) fn read(field: &Field<'_>) -> Result<ReportPlan, Problem> {
    let section = field.section(&["out", "narrate"])?;
    let out = match section.optional("out") {
        Some(field) => Some(field.text()?).filter(|out| !out.is_empty()).map(PathBuf::from),
        None => None,
    };
    let narrate = section.optional("narrate").map_or(Ok(false), |field| field.boolean())?;
    Ok(ReportPlan { out, narrate })
}
