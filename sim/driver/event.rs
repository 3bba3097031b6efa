//! What happens to an update, and what it answers.

use std::time::Duration;

use super::decision::Decision;
use super::sighting::{Baseline, UpdateIds};
use crate::dialect::{MethodAnswer, TwinReport};
use crate::policy::{FirmwareStatus, Outcome, RetryPolicy};
use crate::random::Seed;

/// What all updates of a run go by.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Retries of the call.
    pub(super) retry: RetryPolicy,
    /// Whether the hub makes the calls, as part of a job: then nobody knows when each was sent and answered.
    pub(super) by_job: bool,
    /// How long a stage may take after the previous one was seen.
    pub(super) stage_deadline: Duration,
    /// How long to wait before a twin that could not be read is read again.
    pub(super) read_again: Duration,
    /// The version that devices are told to update to.
    pub(super) version: Option<String>,
    /// How update ids are written.
    pub(super) ids: UpdateIds,
    /// For the back-off's jitter.
    pub(super) seed: Seed,
}

/// What happens to an update.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input<'a> {
    /// Its time has come; what is known of its device's twin.
    Due(Baseline),
    /// Its call cannot be sent, for this reason.
    Refused(&'static str),
    /// The call has just been handed to the client.
    Sent,
    /// The call was answered, or failed.
    Answer(&'a MethodAnswer),
    /// The observer saw this.
    Report(&'a TwinReport),
    /// The twin that was asked for; `None` if it could not be read.
    Read(Option<&'a TwinReport>),
    /// Time has passed.
    Time,
    /// The run ends here, for every update that has not ended yet: with this outcome.
    Stop(Outcome),
}

/// What is to be done or noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send the call, and say so with [`Input::Sent`].
    Call,
    /// Read the twin, and answer with [`Input::Read`].
    ReadTwin,
    /// One attempt was answered or failed, so long after it was sent.
    Attempt {
        /// Whether it failed.
        failed: bool,
        /// From the send.
        service: Duration,
    },
    /// The call as a whole was answered or failed, so long after it was due.
    Response {
        /// Whether it failed.
        failed: bool,
        /// From the due time.
        response: Duration,
    },
    /// A stage was seen for the first time.
    Seen {
        /// The stage.
        status: FirmwareStatus,
        /// `$version` of the reported properties.
        version: u64,
        /// Since the stage before was seen, or the call answered; `None` if that moment is not known.
        transition: Option<Duration>,
    },
    /// A stage came and went between two looks.
    SeenLate,
    /// A stage was seen after the update's end.
    Late,
    /// A decision was taken.
    Decided(Decision),
    /// The update ended; the last word about it.
    Ended {
        /// How.
        outcome: Outcome,
        /// What is known beyond that.
        detail: String,
    },
}
