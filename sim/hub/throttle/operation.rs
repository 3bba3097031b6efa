//! The kinds of operations that have a throttle each (8.1).

use serde::{Deserialize, Serialize};

use crate::policy::ThrottledOperation;

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// An identity that is read or written; a bulk request counts each.
    Registry,
    /// A connection of a device.
    Connect,
    /// A message from a device.
    Telemetry,
    /// A query, each page of it.
    Query,
    /// 4 KB of a direct method's request; a smaller one counts as 4 KB.
    Method,
    /// A twin that is read, by a service or by its device.
    TwinRead,
    /// A twin that is written, by a service or by its device.
    TwinUpdate,
    /// A job that is created, read, listed or cancelled.
    Job,
    /// What a job does on one device.
    JobDevice,
    /// A configuration that is read or written.
    Configuration,
}

impl Operation {
    /// All of them, in the order in which reports list them.
    pub const ALL: [Self; 10] = [
        Self::Registry,
        Self::Connect,
        Self::Telemetry,
        Self::Query,
        Self::Method,
        Self::TwinRead,
        Self::TwinUpdate,
        Self::Job,
        Self::JobDevice,
        Self::Configuration,
    ];

    /// The name in results, metrics and refusals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Connect => "connect",
            Self::Telemetry => "telemetry",
            Self::Query => "query",
            Self::Method => "method",
            Self::TwinRead => "twin_read",
            Self::TwinUpdate => "twin_update",
            Self::Job => "job",
            Self::JobDevice => "job_device",
            Self::Configuration => "configuration",
        }
    }
}

impl From<ThrottledOperation> for Operation {
    fn from(operation: ThrottledOperation) -> Self {
        match operation {
            ThrottledOperation::Methods => Self::Method,
            ThrottledOperation::TwinWrites => Self::TwinUpdate,
            ThrottledOperation::TwinReads => Self::TwinRead,
            ThrottledOperation::Connects => Self::Connect,
            ThrottledOperation::Queries => Self::Query,
        }
    }
}
