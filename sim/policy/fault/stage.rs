//! The stages of the workflow, as faults see them.

use serde::{Deserialize, Serialize};

/// A stage of the workflow in which a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultStage {
    /// Before the download has begun.
    #[serde(alias = "wait")]
    Waiting,
    /// While the image is downloaded.
    #[serde(alias = "download")]
    Downloading,
    /// While the image is verified, right after the download.
    #[serde(alias = "verify")]
    Verifying,
    /// While the image is applied.
    #[serde(alias = "apply")]
    Applying,
    /// While the device restarts into the new image, right after it was applied.
    #[serde(alias = "reboot")]
    Rebooting,
}

impl FaultStage {
    /// The name in reports and results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Applying => "applying",
            Self::Rebooting => "rebooting",
        }
    }

    /// The stage that a twin shows meanwhile: verifying and rebooting have no status of their own.
    #[must_use]
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Downloading | Self::Verifying => "downloading",
            Self::Applying | Self::Rebooting => "applying",
        }
    }
}
