//! What messages say, and what is counted of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A method call, from the driver.
    Request,
    /// The answer to one.
    Response,
    /// Reported properties.
    Report,
    /// Whether a device is connected.
    Presence,
    /// Telemetry.
    Telemetry,
}

impl MessageKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Request, Self::Response, Self::Report, Self::Presence, Self::Telemetry];

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in results and thresholds.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Report => "report",
            Self::Presence => "presence",
            Self::Telemetry => "telemetry",
        }
    }
}

/// What is counted of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFigure {
    /// Published, each once.
    Sent,
    /// Times that one was published again.
    Resent,
    /// Acknowledged.
    Acknowledged,
    /// Given up before any acknowledgement.
    Lost,
    /// At QoS 0, which nobody acknowledges.
    Unconfirmed,
    /// Received by the driver, each once.
    Delivered,
    /// Times that it received one again.
    Duplicates,
    /// Acknowledged, or at QoS 0, and never received by the driver.
    Undelivered,
}

impl MessageFigure {
    /// All of them, in the order in which reports list them.
    pub const ALL: [Self; 8] = [
        Self::Sent,
        Self::Resent,
        Self::Acknowledged,
        Self::Lost,
        Self::Unconfirmed,
        Self::Delivered,
        Self::Duplicates,
        Self::Undelivered,
    ];

    /// The name in results and thresholds.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Resent => "resent",
            Self::Acknowledged => "acknowledged",
            Self::Lost => "lost",
            Self::Unconfirmed => "unconfirmed",
            Self::Delivered => "delivered",
            Self::Duplicates => "duplicates",
            Self::Undelivered => "undelivered",
        }
    }

    /// Whether the driver alone counts it.
    #[must_use]
    pub const fn needs_driver(self) -> bool {
        matches!(self, Self::Delivered | Self::Duplicates | Self::Undelivered)
    }
}
