//! What went wrong, as far as a retry policy cares.

use std::time::Duration;

/// Why something has to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A connection that had held for [`super::RetryPolicy::HELD`] is over. That is no failed attempt: some clients come
    /// back at once, and wait only if that fails.
    Lost,
    /// Something that may pass: no answer, a refused or broken connection, CONNACK 3, 5xx, a device that is not online,
    /// a connection that did not hold.
    Transient,
    /// 429: the hub wants less.
    Throttled,
    /// The same would be answered again: CONNACK 4 and 5, and answers like 400, 401 or 404001. Not tried again, unless
    /// [`super::RetryPolicy::refused`] says so.
    Refused,
}

/// A failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub why: Failure,
    /// How long it took to fail.
    pub took: Duration,
    /// When the other side wants the next attempt: not sooner than so long from now.
    pub retry_after: Option<Duration>,
}

impl Failed {
    /// An attempt that failed after so long.
    #[must_use]
    pub const fn new(why: Failure, took: Duration) -> Self {
        Self { why, took, retry_after: None }
    }
}
