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
    /// Acknowledged, or at QoS 0, and never received by the driver. Counted of telemetry, and of the reports that say which stage
    /// of its update a device has reached; of other messages nobody knows.
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

    /// Whether it is counted of messages of `kind`, of which these know something.
    #[must_use]
    pub const fn is_counted(self, kind: MessageKind, known: MessageWitnesses) -> bool {
        let MessageWitnesses { broker, fleet, driver } = known;
        match self {
            // What the driver itself sends it does not receive, and an IoT hub gives it no messages.
            Self::Delivered | Self::Duplicates => broker && driver && !matches!(kind, MessageKind::Request),
            // To miss one takes to know that it was sent.
            Self::Undelivered => {
                broker && driver && fleet && matches!(kind, MessageKind::Report | MessageKind::Telemetry)
            }
            // The rest is known to who sends it.
            _ => match kind {
                MessageKind::Request => driver,
                _ => fleet,
            },
        }
    }

    /// Whether the driver alone counts it.
    #[must_use]
    pub const fn needs_driver(self) -> bool {
        matches!(self, Self::Delivered | Self::Duplicates | Self::Undelivered)
    }
}

/// Who is there to know what becomes of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageWitnesses {
    /// Whether the hub is a plain broker, which gives the driver what devices say.
    pub broker: bool,
    /// Whether the fleet is part of the run.
    pub fleet: bool,
    /// Whether the driver is.
    pub driver: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_sees_both_ends_knows_what_is_missing() {
        use MessageKind::{Presence, Report, Request, Response, Telemetry};
        let all = MessageWitnesses { broker: true, fleet: true, driver: true };
        let of = |figure: MessageFigure, known| {
            MessageKind::ALL.into_iter().filter(move |kind| figure.is_counted(*kind, known)).collect::<Vec<_>>()
        };
        assert_eq!(of(MessageFigure::Undelivered, all), [Report, Telemetry]);
        assert_eq!(of(MessageFigure::Delivered, all), [Response, Report, Presence, Telemetry]);
        assert_eq!(of(MessageFigure::Lost, all), MessageKind::ALL);
        let without_fleet = MessageWitnesses { fleet: false, ..all };
        assert!(of(MessageFigure::Undelivered, without_fleet).is_empty());
        assert_eq!(of(MessageFigure::Sent, without_fleet), [Request]);
        assert!(
            MessageFigure::Duplicates.is_counted(Report, without_fleet)
                && !MessageFigure::Duplicates.is_counted(Request, all)
        );
        for nobody in [MessageWitnesses { broker: false, ..all }, MessageWitnesses { driver: false, ..all }] {
            assert!(
                of(MessageFigure::Undelivered, nobody).is_empty() && of(MessageFigure::Delivered, nobody).is_empty()
            );
        }
    }
}
