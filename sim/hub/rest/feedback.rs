//! Feedback on messages to devices (7), of which there is none: services send such messages over AMQP alone.

use super::answer::Answer;
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::Refusal;

/// The next feedback: nothing waits.
pub(super) const fn receive() -> Answer {
    Answer::empty()
}

/// Feedback is completed or given back under a lock that nobody was given.
pub(super) fn settle(lock: &str) -> Result<Answer, Refusal> {
    Err(Refusal::new(ErrorCode::DeviceMessageLockLost, format!("no feedback is locked under `{lock}`")))
}
