//! The names of everything that is measured as a distribution.

use std::fmt;

use FirmwareStatus::{Applying, Completed, Downloading, Failed, RolledBack, StandBy};

use super::FirmwareStatus;

/// A series of durations. What each runs from and to is fixed here; no other place redefines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// TCP connect started -> CONNACK accepted, of a device's first connection.
    Connect,
    /// TCP connect started -> the attempt failed.
    ConnectError,
    /// Connection lost -> CONNACK accepted again, back-off included.
    Reconnect,
    /// PINGREQ sent -> PINGRESP received. Devices ping only over connections that were silent for a keep-alive.
    Ping,
    /// Due time of the call -> its HTTP answer, retries included.
    MethodResponse,
    /// Due time of the call -> its last failure.
    MethodResponseError,
    /// Call really sent -> its HTTP answer; every attempt counts.
    MethodService,
    /// Call really sent -> its failure; every attempt counts.
    MethodServiceError,
    /// Call really sent -> received by the device.
    MethodDelivery,
    /// Device published the report -> the twin's answer received by the device.
    TwinAck(FirmwareStatus),
    /// Device published the report -> first seen by the observer.
    TwinVisible(FirmwareStatus),
    /// Previous stage seen (the first time: the method's answer) -> this stage seen, by the observer.
    Transition(FirmwareStatus),
    /// Due time -> `completed` seen.
    UpdateTotal,
    /// Due time -> another terminal status seen.
    UpdateTotalError,
    /// `update.total` minus the delays that the device itself chose.
    UpdateOverhead,
    /// Due time -> call really sent: the generator's own lateness.
    ScheduleLag,
    /// Due time of telemetry -> published by its device: the generator's own lateness.
    TelemetryLag,
    /// Device published telemetry -> acknowledged by the hub.
    TelemetryAck,
    /// Due time of telemetry -> received by the driver.
    TelemetryDelivery,
    /// Download of an image started -> its hash verified.
    ImageDownload,
    /// Download of an image started -> given up.
    ImageDownloadError,
}

impl Series {
    /// Every series, in the order in which reports list them.
    pub const ALL: [Self; 34] = [
        Self::Connect,
        Self::ConnectError,
        Self::Reconnect,
        Self::Ping,
        Self::MethodResponse,
        Self::MethodResponseError,
        Self::MethodService,
        Self::MethodServiceError,
        Self::MethodDelivery,
        Self::TwinAck(StandBy),
        Self::TwinAck(Downloading),
        Self::TwinAck(Applying),
        Self::TwinAck(Completed),
        Self::TwinAck(Failed),
        Self::TwinAck(RolledBack),
        Self::TwinVisible(Downloading),
        Self::TwinVisible(Applying),
        Self::TwinVisible(Completed),
        Self::TwinVisible(Failed),
        Self::TwinVisible(RolledBack),
        Self::Transition(Downloading),
        Self::Transition(Applying),
        Self::Transition(Completed),
        Self::Transition(Failed),
        Self::Transition(RolledBack),
        Self::UpdateTotal,
        Self::UpdateTotalError,
        Self::UpdateOverhead,
        Self::ScheduleLag,
        Self::TelemetryLag,
        Self::TelemetryAck,
        Self::TelemetryDelivery,
        Self::ImageDownload,
        Self::ImageDownloadError,
    ];

    /// The name in results, reports and thresholds.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectError => "connect.error",
            Self::Reconnect => "reconnect",
            Self::Ping => "ping",
            Self::MethodResponse => "method.response",
            Self::MethodResponseError => "method.response.error",
            Self::MethodService => "method.service",
            Self::MethodServiceError => "method.service.error",
            Self::MethodDelivery => "method.delivery",
            Self::TwinAck(StandBy) => "twin.ack.standBy",
            Self::TwinAck(Downloading) => "twin.ack.downloading",
            Self::TwinAck(Applying) => "twin.ack.applying",
            Self::TwinAck(Completed) => "twin.ack.completed",
            Self::TwinAck(Failed) => "twin.ack.failed",
            Self::TwinAck(RolledBack) => "twin.ack.rolledBack",
            Self::TwinVisible(StandBy) => "twin.visible.standBy",
            Self::TwinVisible(Downloading) => "twin.visible.downloading",
            Self::TwinVisible(Applying) => "twin.visible.applying",
            Self::TwinVisible(Completed) => "twin.visible.completed",
            Self::TwinVisible(Failed) => "twin.visible.failed",
            Self::TwinVisible(RolledBack) => "twin.visible.rolledBack",
            Self::Transition(StandBy) => "transition.standBy",
            Self::Transition(Downloading) => "transition.downloading",
            Self::Transition(Applying) => "transition.applying",
            Self::Transition(Completed) => "transition.completed",
            Self::Transition(Failed) => "transition.failed",
            Self::Transition(RolledBack) => "transition.rolledBack",
            Self::UpdateTotal => "update.total",
            Self::UpdateTotalError => "update.total.error",
            Self::UpdateOverhead => "update.overhead",
            Self::ScheduleLag => "schedule.lag",
            Self::TelemetryLag => "telemetry.lag",
            Self::TelemetryAck => "telemetry.ack",
            Self::TelemetryDelivery => "telemetry.delivery",
            Self::ImageDownload => "image.download",
            Self::ImageDownloadError => "image.download.error",
        }
    }

    /// The series of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|series| series.name() == name)
    }

    /// Whether it needs the fleet and the driver in one run.
    #[must_use]
    pub const fn needs_both_ends(self) -> bool {
        matches!(self, Self::MethodDelivery | Self::TwinVisible(_) | Self::UpdateOverhead | Self::TelemetryDelivery)
    }

    /// Whether it needs calls that the driver itself makes: in a job the hub makes them, and tells of each no more than
    /// how it ended.
    #[must_use]
    pub const fn needs_calls(self) -> bool {
        matches!(
            self,
            Self::MethodResponse
                | Self::MethodResponseError
                | Self::MethodService
                | Self::MethodServiceError
                | Self::MethodDelivery
                | Self::Transition(Downloading)
        )
    }

    /// Whether only the fleet can measure it.
    #[must_use]
    pub const fn needs_fleet(self) -> bool {
        matches!(self, Self::Connect | Self::ConnectError | Self::Reconnect | Self::Ping | Self::TwinAck(_))
            || matches!(self, Self::TelemetryLag | Self::TelemetryAck)
            || self.needs_images()
    }

    /// Whether it is about telemetry.
    #[must_use]
    pub const fn needs_telemetry(self) -> bool {
        matches!(self, Self::TelemetryLag | Self::TelemetryAck | Self::TelemetryDelivery)
    }

    /// Whether it is about images that devices really download.
    #[must_use]
    pub const fn needs_images(self) -> bool {
        matches!(self, Self::ImageDownload | Self::ImageDownloadError)
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for series in Series::ALL {
            assert_eq!(Series::parse(series.name()), Some(series));
        }
    }
}
