//! How long a hub takes for what it is asked: so many servers behind its front door, and a time for each operation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Delay, ThrottledOperation, units};

/// The service-time model of a hub. An operation without a time is none of its servers' business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceModel {
    /// How long a server takes for a direct method, before its request goes to the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Delay>,
    /// For a change of a twin, by a service or by its device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin_writes: Option<Delay>,
    /// For a twin that is read, by a service or by its device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin_reads: Option<Delay>,
    /// For each page of a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<Delay>,
    /// Servers, shared by all these operations; one at least.
    pub servers: u32,
    /// How long an operation waits for a server at most; one that would have to wait for longer is refused.
    #[serde(with = "units::duration")]
    pub queue: Duration,
}

impl ServiceModel {
    /// The operations that servers can be given a time for.
    pub const OPERATIONS: [ThrottledOperation; 4] = [
        ThrottledOperation::Methods,
        ThrottledOperation::TwinWrites,
        ThrottledOperation::TwinReads,
        ThrottledOperation::Queries,
    ];

    /// How long a server takes for `operation`; `None` if it is none of theirs.
    #[must_use]
    pub const fn time_of(&self, operation: ThrottledOperation) -> Option<Delay> {
        match operation {
            ThrottledOperation::Methods => self.methods,
            ThrottledOperation::TwinWrites => self.twin_writes,
            ThrottledOperation::TwinReads => self.twin_reads,
            ThrottledOperation::Queries => self.queries,
            ThrottledOperation::Connects => None,
        }
    }
}
