//! One job.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::row::{DeviceJob, RowState};
use crate::hub::partition::{MethodRequest, Precondition};
use crate::hub::twin::TwinPatch;
use crate::time::{Nanos, rfc3339};

/// What is done to each device.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Work {
    /// A method is called.
    Method(MethodRequest),
    /// Its twin is changed if it has this etag.
    Twin(TwinPatch, Precondition),
}

impl Work {
    /// What each device's part of the job is billed by, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Method(method) => method.payload.len(),
            Self::Twin(..) => 0,
        }
    }

    /// The job's type.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Method(_) => "scheduleDeviceMethod",
            Self::Twin(..) => "scheduleUpdateTwin",
        }
    }
}

/// What a service asks for, with its limits checked.
#[derive(Debug, Clone)]
pub(in crate::hub) struct JobRequest {
    pub(in crate::hub) id: String,
    pub(in crate::hub) work: Arc<Work>,
    /// `updateTwin` as it was sent, for a job that changes twins.
    pub(in crate::hub) update: Option<Box<RawValue>>,
    pub(in crate::hub) condition: String,
    /// `None`: at once.
    pub(in crate::hub) start: Option<Timestamp>,
    pub(in crate::hub) max_execution: Duration,
}

/// Which jobs are asked for; `None` for all.
#[derive(Debug, Clone, Default)]
pub(in crate::hub) struct Filter {
    pub(in crate::hub) kind: Option<String>,
    pub(in crate::hub) status: Option<String>,
}

impl Filter {
    pub(super) fn admits(&self, job: &Job) -> bool {
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.is_empty() || wanted.eq_ignore_ascii_case(found))
        };
        fits(&self.kind, job.request.work.name()) && fits(&self.status, job.status.name())
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Its time has not come.
    Scheduled,
    /// Its devices are being looked for.
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A job, with what became of each of its devices.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: JobRequest,
    pub(super) status: Status,
    pub(super) created: Timestamp,
    /// When it is to start, and when it did.
    pub(super) start: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// When its next deadline is: its start, or the end of its time.
    pub(super) deadline: Nanos,
    pub(super) failure: Option<String>,
    pub(super) rows: Vec<DeviceJob>,
    /// The first row that has not been begun.
    pub(super) next: usize,
    pub(super) running: usize,
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    /// Bytes that the payloads in its rows take.
    pub(super) payloads: usize,
}

impl Job {
    /// A job that nothing has been done about.
    pub(super) fn new(request: JobRequest, created: Timestamp, start: Timestamp, deadline: Nanos) -> Self {
        let status = if start > created { Status::Scheduled } else { Status::Queued };
        Self {
            request,
            status,
            created,
            start,
            ended: None,
            deadline,
            failure: None,
            rows: Vec::new(),
            next: 0,
            running: 0,
            succeeded: 0,
            failed: 0,
            payloads: 0,
        }
    }

    /// Whether every device has been worked on.
    pub(super) fn is_done(&self) -> bool {
        self.status == Status::Running && self.succeeded + self.failed == self.rows.len()
    }

    /// Ends the job; devices that are not done have failed for `reason`.
    pub(super) fn end(&mut self, at: Timestamp, status: Status, reason: Option<String>) {
        self.status = status;
        self.ended = Some(at);
        for row in self.rows.iter_mut().filter(|row| !row.state.is_final()) {
            row.state = RowState::Unfinished;
            row.updated = at;
        }
        self.failed = self.rows.len() - self.succeeded;
        (self.running, self.next) = (0, self.rows.len());
        self.failure = reason;
    }

    /// Bytes that it takes, roughly.
    pub(super) fn weight(&self) -> usize {
        let request = self.request.condition.len() + self.update_length() + self.payload().len();
        512 + request + self.payloads + self.rows.len() * 192
    }

    fn update_length(&self) -> usize {
        self.request.update.as_ref().map_or(0, |update| update.get().len())
    }

    fn payload(&self) -> &[u8] {
        match &*self.request.work {
            Work::Method(method) => &method.payload,
            Work::Twin(..) => &[],
        }
    }

    /// The answer to the request that made it: as short as the service's.
    pub(super) fn receipt(&self) -> Value {
        json!({ "jobId": self.request.id, "type": self.request.work.name(), "status": "queued" })
    }

    /// All that is to be told about it (6).
    pub(super) fn document(&self) -> Value {
        let mut document = json!({
            "jobId": self.request.id,
            "type": self.request.work.name(),
            "status": self.status.name(),
            "queryCondition": self.request.condition,
            "createdTime": rfc3339(self.created),
            "startTime": rfc3339(self.start),
            "maxExecutionTimeInSeconds": self.request.max_execution.as_secs(),
            "deviceJobStatistics": {
                "deviceCount": self.rows.len(),
                "failedCount": self.failed,
                "succeededCount": self.succeeded,
                "runningCount": self.running,
                "pendingCount": self.rows.len() - self.failed - self.succeeded - self.running,
            },
        });
        if let Some(ended) = self.ended {
            document["endTime"] = rfc3339(ended).into();
        }
        if let Some(failure) = &self.failure {
            document["failureReason"] = failure.as_str().into();
            document["statusMessage"] = failure.as_str().into();
        }
        if let Work::Method(method) = &*self.request.work {
            document["cloudToDeviceMethod"] = json!({
                "methodName": method.name,
                // The service, too, gives it back as the numbers of its bytes (6).
                "payload": method.payload.as_ref(),
                "responseTimeoutInSeconds": method.response_timeout.as_secs(),
                "connectTimeoutInSeconds": method.connect_timeout.as_secs(),
            });
        }
        if let Some(update) = &self.request.update {
            document["updateTwin"] = serde_json::from_str(update.get()).unwrap_or_default();
        }
        document
    }
}
