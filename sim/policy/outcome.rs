//! How an update can end.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The outcome of one planned update: every update ends in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// `completed` was seen in the twin.
    Completed,
    /// `failed` was seen in the twin.
    Failed,
    /// `rolledBack` was seen in the twin.
    RolledBack,
    /// The device answered the method with a status other than 200.
    Rejected,
    /// The method call's final answer was 404103, or a plain broker's device had said that it is away: it was not connected.
    NotOnline,
    /// The method call's final answer was 504101, or over a plain broker none came: the device did not answer in time.
    NoResponse,
    /// The method call's final answer was 429.
    Throttled,
    /// Any other final answer of the method call: 4xx, 5xx, refused or broken connection, client timeout.
    HubError,
    /// A stage's deadline passed while the device was connected.
    Stuck,
    /// A stage's deadline passed while the device was not connected.
    LostDevice,
    /// The twin showed what the workflow forbids.
    ProtocolViolation,
    /// As many calls as allowed were in flight at its due time.
    NotSent,
    /// A stop or a roll-out's abort found it unfinished or not yet called.
    Aborted,
    /// The shard that ran it died.
    LostShard,
}

impl Outcome {
    /// Every outcome, in the order in which reports list them.
    pub const ALL: [Self; 14] = [
        Self::Completed,
        Self::Failed,
        Self::RolledBack,
        Self::Rejected,
        Self::NotOnline,
        Self::NoResponse,
        Self::Throttled,
        Self::HubError,
        Self::Stuck,
        Self::LostDevice,
        Self::ProtocolViolation,
        Self::NotSent,
        Self::Aborted,
        Self::LostShard,
    ];

    /// The name in results and thresholds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Rejected => "rejected",
            Self::NotOnline => "not_online",
            Self::NoResponse => "no_response",
            Self::Throttled => "throttled",
            Self::HubError => "hub_error",
            Self::Stuck => "stuck",
            Self::LostDevice => "lost_device",
            Self::ProtocolViolation => "protocol_violation",
            Self::NotSent => "not_sent",
            Self::Aborted => "aborted",
            Self::LostShard => "lost_shard",
        }
    }

    /// What it is taken for where nobody can tell whether a device is connected; `None` where that makes no difference.
    #[must_use]
    pub const fn without_presence(self) -> Option<Self> {
        match self {
            Self::NotOnline => Some(Self::NoResponse),
            Self::LostDevice => Some(Self::Stuck),
            _ => None,
        }
    }

    /// The outcome of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
