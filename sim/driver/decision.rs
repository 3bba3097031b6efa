//! The decisions about one update, for whoever follows it.

use std::fmt;
use std::time::Duration;

use super::answer::CallFailure;
use super::sighting::Violation;
use crate::measure::Invariant;
use crate::policy::FirmwareStatus;

/// A decision about an update, with its reason. It is put into words only where somebody follows the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// The call is tried again.
    Retry(CallFailure, Duration),
    /// The call is not tried again.
    GiveUp(CallFailure),
    /// The device may have received the call or an earlier attempt, so its twin is observed before the update ends.
    Doubt(CallFailure),
    /// The twin shows this update although its call failed: it is observed.
    TwinShowsIt,
    /// The device answered, so the update is observed.
    Observe,
    /// A stage was not seen, but its key was written in this update.
    Recovered(FirmwareStatus),
    /// The stage's deadline passed, so the twin is read once more.
    Deadline(Option<FirmwareStatus>),
    /// The twin could not be read; it is tried again.
    ReadAgain,
    /// The twin could not be read, so the update ends without it.
    Unread,
    /// The twin, read last, shows nothing new; whether the hub believes the device connected.
    NoProgress(Option<bool>),
    /// The report is not of this update.
    OtherUpdate,
    /// The twin shows what the workflow forbids.
    Violated(Violation),
    /// The update has ended already; its outcome stands.
    Late(FirmwareStatus),
    /// The device reports another update, though it has begun this one and not ended it: where this one stands, and what
    /// the other reports.
    Overlapped(FirmwareStatus, Option<FirmwareStatus>),
    /// The update had failed so, and completes after all.
    Revived(FirmwareStatus),
    /// A stop found it unfinished.
    Stopped,
}

impl Decision {
    /// The invariant that what was seen breaks.
    pub(super) const fn breaks(self) -> Option<Invariant> {
        match self {
            Self::Violated(Violation::Backward(..) | Violation::Skipped(_)) => Some(Invariant::ForwardOnly),
            Self::Overlapped(..) => Some(Invariant::OneAtATime),
            Self::Revived(_) => Some(Invariant::NoSuccessAfterFailure),
            _ => None,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry(failure, wait) => write!(f, "{failure}: call again in {wait:?}"),
            Self::GiveUp(failure) => write!(f, "{failure}: not called again"),
            Self::Doubt(failure) => write!(f, "{failure}: the device may have started, so its twin is observed"),
            Self::TwinShowsIt => f.write_str("the twin shows this update, so it is observed to its end"),
            Self::Observe => f.write_str("the device has started, so its twin is observed"),
            Self::Recovered(stage) => write!(f, "{stage} came and went between two looks; its key's time shows it"),
            Self::Deadline(Some(stage)) => {
                write!(f, "the deadline after {stage} passed, so the twin is read once more")
            }
            Self::Deadline(None) => {
                f.write_str("the deadline for the first stage passed, so the twin is read once more")
            }
            Self::ReadAgain => f.write_str("the twin could not be read; it is tried again"),
            Self::Unread => f.write_str("the twin could not be read; how far the device has come is not known"),
            Self::NoProgress(Some(false)) => f.write_str("no progress, and the hub says the device is not connected"),
            Self::NoProgress(Some(true)) => f.write_str("no progress, and the hub says the device is connected"),
            Self::NoProgress(None) => f.write_str("no progress, and whether the device is connected is not known"),
            Self::OtherUpdate => f.write_str("the report is not of this update"),
            Self::Violated(violation) => write!(f, "the workflow forbids this: {violation}"),
            Self::Late(stage) => write!(f, "{stage} came after the end; the outcome stands"),
            Self::Overlapped(stage, Some(other)) => write!(f, "{other} of another update while this one is {stage}"),
            Self::Overlapped(stage, None) => write!(f, "a report of another update while this one is {stage}"),
            Self::Revived(failed) => write!(f, "{failed}>completed: a success after a failure"),
            Self::Stopped => f.write_str("stopped before its end"),
        }
    }
}
