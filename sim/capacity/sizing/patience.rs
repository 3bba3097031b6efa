//! How long a plan waits for what its hub holds back, before it gives up.

use super::course::Waits;
use crate::driver::DriverConfig;
use crate::hub::{HubLimits, Operation};

/// What a plan has patience for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// From one stage of an update to the next, in seconds.
    pub stage_s: f64,
    /// All waits of a call that is refused again and again, together, in seconds; `None`: without end.
    pub retries_s: Option<f64>,
}

/// Something that waits for longer than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// A stage of an update: it is given up as stuck.
    Stage,
    /// A call: it is refused until it is tried no more.
    Call,
    /// A message of telemetry: its connection is closed.
    Message,
    /// A new connection: it is refused.
    Reconnect,
}

impl Patience {
    /// That of a driver.
    pub(super) fn of(driver: &DriverConfig) -> Self {
        let retries_s = driver.retry_method.longest_waits().map(|waits| waits.as_secs_f64());
        Self { stage_s: driver.observe.stage_deadline.as_secs_f64(), retries_s }
    }

    /// Whether `which` waits for longer than it may on a hub of these limits.
    pub(super) fn is_exceeded(&self, which: Exceeded, waits: &Waits, limits: &HubLimits) -> bool {
        let queue_s = |operation| limits.throttles.get(&operation).map_or(0.0, |limit| limit.queue.as_secs_f64());
        match which {
            Exceeded::Stage => waits.report_s > 0.0 && waits.stage_s > self.stage_s,
            Exceeded::Call => {
                self.retries_s.is_some_and(|retries_s| waits.call_s > queue_s(Operation::Method) + retries_s)
            }
            Exceeded::Message => waits.message_s > queue_s(Operation::Telemetry),
            Exceeded::Reconnect => waits.reconnect_s > queue_s(Operation::Connect),
        }
    }
}
