//! What a job did to one device.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::job::Job;
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::Refusal;
use crate::hub::query::{Field, Path, Row};
use crate::hub::twin::find;
use crate::time::rfc3339;

/// A device of a job.
#[derive(Debug)]
pub(super) struct DeviceJob {
    pub(super) device: Arc<str>,
    pub(super) state: RowState,
    pub(super) started: Option<Timestamp>,
    pub(super) updated: Timestamp,
}

/// How far a job has come with one device.
#[derive(Debug)]
pub(super) enum RowState {
    Pending,
    Running,
    /// The twin has been changed.
    Changed,
    /// The device answered the method: its status, and its payload as far as there was room for it.
    Answered(i64, Option<Box<str>>),
    Failed(Box<Refusal>),
    /// The job ended before.
    Unfinished,
}

impl RowState {
    pub(super) const fn is_final(&self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Changed | Self::Answered(..) => "completed",
            Self::Failed(_) | Self::Unfinished => "failed",
        }
    }

    fn error(&self) -> Value {
        match self {
            Self::Failed(refusal) => json!({ "code": refusal.code.name(), "description": refusal.message }),
            Self::Unfinished => {
                json!({ "code": ErrorCode::GatewayTimeout.name(), "description": "the job's time passed before" })
            }
            _ => Value::Null,
        }
    }
}

impl DeviceJob {
    /// The row as a service reads it (6).
    pub(super) fn document(&self, job: &Job) -> String {
        let mut row = json!({
            "deviceId": &*self.device,
            "jobId": job.request.id,
            "jobType": job.request.work.name(),
            "status": self.state.name(),
            "createdDateTimeUtc": rfc3339(job.created),
            "lastUpdatedDateTimeUtc": rfc3339(self.updated),
        });
        if let Some(started) = self.started {
            row["startTimeUtc"] = rfc3339(started).into();
        }
        if self.state.is_final() {
            row["endTimeUtc"] = rfc3339(self.updated).into();
        }
        match &self.state {
            RowState::Changed => row["outcome"] = json!({ "deviceMethodResponse": null }),
            RowState::Answered(status, payload) => {
                let payload: Value =
                    payload.as_deref().and_then(|payload| serde_json::from_str(payload).ok()).unwrap_or_default();
                row["outcome"] = json!({ "deviceMethodResponse": { "status": status, "payload": payload } });
            }
            RowState::Failed(_) | RowState::Unfinished => row["error"] = self.state.error(),
            RowState::Pending | RowState::Running => {}
        }
        row.to_string()
    }
}

/// A row's document, for a query.
pub(super) struct Document(pub(super) String);

impl Row for Document {
    fn field(&self, path: &Path) -> Field<'_> {
        let Path::Job(segments) = path else { return Field::Undefined };
        match Field::from_json(find(&self.0, segments)) {
            Field::Text(text) if path.is_time() => text.parse().map_or(Field::Undefined, Field::Time),
            field => field,
        }
    }

    /// Nothing but whole rows is ever selected (4).
    fn write_field(&self, _: &Path, _: &mut String) -> bool {
        false
    }

    fn write_document(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}
