//! `[report]`: where results go, and in which formats. `results.json` is always written.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::reader::Field;
use crate::policy::ReportFormat;

/// Where results go, and in which formats. It says nothing of the run itself: plans that differ here alone are comparable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPlan {
    /// The folder; `None` for one of the run's own below `reports/runs/`.
    pub out: Option<PathBuf>,
    /// The formats beside `results.json`, which is written in any case.
    pub formats: BTreeSet<ReportFormat>,
    /// Whether the run tells what happens to the first device in the words of the tutorial's two programs, instead of
    /// showing how the whole goes.
    pub narrate: bool,
    /// Where metrics are served while the run goes on; `None` for nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
}

impl Default for ReportPlan {
    fn default() -> Self {
        Self { out: None, formats: ReportFormat::defaults().collect(), narrate: false, metrics: None }
    }
}

pub(super) fn read(field: &Field<'_>) -> Result<ReportPlan, Problem> {
    let section = field.section(&["out", "formats", "narrate", "metrics"])?;
    let out = match section.optional("out") {
        Some(field) => Some(field.text()?).filter(|out| !out.is_empty()).map(PathBuf::from),
        None => None,
    };
    let formats =
        section.optional("formats").map_or_else(|| Ok(ReportFormat::defaults().collect()), |f| formats(&f))?;
    let narrate = section.optional("narrate").map_or(Ok(false), |field| field.boolean())?;
    let metrics = section.optional("metrics").map_or(Ok(None), |field| address(&field))?;
    Ok(ReportPlan { out, formats, narrate, metrics })
}

/// A list of names, or a text of names with commas between, as flags and the environment give them.
fn formats(field: &Field<'_>) -> Result<BTreeSet<ReportFormat>, Problem> {
    let choices = ReportFormat::ALL.map(|format| (format.name(), format));
    match field.text() {
        Ok(names) => {
            names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|n| field.choose(n, &choices)).collect()
        }
        Err(_) => field.list()?.map(|item| item.choice(&choices)).collect(),
    }
}

/// Where to listen; an empty text for nowhere.
fn address(field: &Field<'_>) -> Result<Option<SocketAddr>, Problem> {
    let text = field.text()?;
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = "must be an address and a port like `127.0.0.1:9464`; port 0 is a free one";
    text.parse().map(Some).map_err(|_| field.problem(wrong))
}
