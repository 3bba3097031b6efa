//! What jobs may take.

use std::time::Duration;

/// How far ahead a job may be scheduled (6).
pub(in crate::hub) const MAX_WAIT: Duration = Duration::from_secs(168 * 3600);
/// The longest that a job may be told to run. No limit is documented; as long as one may wait seems enough.
pub(in crate::hub) const MAX_EXECUTION: Duration = MAX_WAIT;
/// Jobs that have not ended, where no tier says how many there may be.
pub(super) const ACTIVE: usize = 1000;
/// Devices of one job that are worked on at once.
pub(super) const IN_FLIGHT: usize = 100;
/// Finished jobs that are kept. The oldest is forgotten first; it is unknown from then on, as after the service's 30
/// days (6).
pub(super) const KEPT_JOBS: usize = 1000;
/// Bytes that finished jobs may take together, roughly; the oldest is forgotten first, the latest is always kept.
pub(super) const KEPT_BYTES: usize = 64 << 20;
/// Bytes of the answers' payloads that one job keeps. Rows of answers beyond them hold the status alone.
pub(super) const PAYLOAD_BYTES: usize = 32 << 20;
