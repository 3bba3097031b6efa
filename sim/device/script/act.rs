//! What a device can be told to do in the course of an update.

use std::time::Duration;

use crate::policy::{FaultStage, FirmwareStatus};

/// One step: after so long, one act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stage that it belongs to.
    pub stage: FaultStage,
    /// From the end of the step before.
    pub after: Duration,
    /// What is done then.
    pub act: Act,
}

/// What is done at the end of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Nothing: the stage ends without a word.
    Pass,
    /// The image is downloaded. What follows waits until it is there, and is not done if it never is.
    Download,
    /// The fault of this index in the fault plan strikes.
    Strike(usize),
    /// A report is made.
    Report(Line),
    /// The connection is dropped without a word, and the device is away for so long.
    Cut(Duration),
    /// The connection is dropped without a word, and the device is gone for good.
    Vanish,
    /// The update ends here without an end: nothing is done ever more, and the device stays busy.
    Hang,
}

/// A report that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub status: FirmwareStatus,
    /// Where and why the update failed, if it says so.
    pub error: Option<Box<(FaultStage, String)>>,
    /// How it is written.
    pub form: Form,
    /// How often it is sent beyond the first time.
    pub copies: u8,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the tutorial writes it.
    Honest,
    /// It names the version that the update was to replace.
    OldVersion,
    /// The document ends in the middle, so that it is no JSON.
    BadJson,
    /// The status is a number, and the stage's time is missing.
    WrongType,
    /// It holds more than a twin may.
    TooLarge,
}

impl Line {
    /// An honest report of `status`.
    #[must_use]
    pub const fn of(status: FirmwareStatus) -> Self {
        Self { status, error: None, form: Form::Honest, copies: 0 }
    }

    /// A report that the update failed in `stage` with `code`.
    #[must_use]
    pub fn failed(stage: FaultStage, code: &str) -> Self {
        Self { error: Some(Box::new((stage, code.to_owned()))), ..Self::of(FirmwareStatus::Failed) }
    }
}
