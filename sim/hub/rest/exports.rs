//! Import and export of identities (5). They read and write blobs, and there is no blob storage beside this hub.

use super::answer::Answer;
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::Refusal;

/// As a hub refuses a container that it cannot reach.
pub(super) fn create() -> Result<Answer, Refusal> {
    let message = "this hub reaches no blob storage; create identities through the registry, 100 in one request";
    Err(Refusal::new(ErrorCode::BlobContainerValidationError, message))
}

/// All jobs there are.
pub(super) fn list() -> Answer {
    Answer::ok("[]")
}

/// The job `id`: there is none.
pub(super) fn find(id: &str) -> Result<Answer, Refusal> {
    Err(Refusal::new(ErrorCode::JobNotFound, format!("there is no import or export job `{id}`")))
}
