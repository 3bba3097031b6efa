//! The statuses that a device reports while it updates its firmware.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The value of `firmwareStatus`. The first four are the tutorial's, in their order; the others end an update badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FirmwareStatus {
    /// Connected, nothing to do.
    StandBy,
    /// The image is being downloaded.
    Downloading,
    /// The image is being applied.
    Applying,
    /// The new version runs.
    Completed,
    /// The update failed; `error` says where and why.
    Failed,
    /// The device went back to its old version.
    RolledBack,
}

impl FirmwareStatus {
    /// Every status, in the order of the workflow.
    pub const ALL: [Self; 6] =
        [Self::StandBy, Self::Downloading, Self::Applying, Self::Completed, Self::Failed, Self::RolledBack];

    /// The text on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StandBy => "standBy",
            Self::Downloading => "downloading",
            Self::Applying => "applying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::RolledBack => "rolledBack",
        }
    }

    /// The status with this text on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether an update ends with this status.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::RolledBack)
    }

    /// The key under which the device reports when it entered this status (the tutorial's keys for its four).
    #[must_use]
    pub const fn time_key(self) -> &'static str {
        match self {
            Self::StandBy => "logTime",
            Self::Downloading => "downloadComplete",
            Self::Applying => "startedApplyingImage",
            Self::Completed => "lastFirmwareUpdate",
            Self::Failed => "firmwareFailed",
            Self::RolledBack => "firmwareRolledBack",
        }
    }
}

impl fmt::Display for FirmwareStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
