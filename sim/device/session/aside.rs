//! What few devices have to remember at any moment, so that the others do not keep room for it.

use super::late_reply::LateReply;
use super::messages::Sent;
use super::restart::Restart;
use super::spontaneous::Spontaneous;
use crate::mqtt::Flow;
use crate::time::Nanos;

/// It goes once all of it is done with.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// The id, or none, of the last update if a fault kept it from starting: the same again is a retry.
    pub(super) refused: Option<Option<String>>,
    /// The call that is to be answered late.
    pub(super) late_reply: Option<LateReply>,
    /// The restart that was asked for.
    pub(super) restart: Option<Restart>,
    /// The device goes for good once all is acknowledged, or at this moment.
    pub(super) goes_by: Option<Nanos>,
    /// What the hub has yet to acknowledge.
    pub(super) flow: Flow<Sent>,
    /// What it does without being called.
    pub(super) spontaneous: Option<Spontaneous>,
}

impl Aside {
    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        let has_time = self.late_reply.is_some() || self.restart.is_some() || self.goes_by.is_some();
        self.refused.is_none() && !has_time && self.flow.is_empty() && self.spontaneous.is_none()
    }

    /// When some of it is due.
    pub(super) fn wake_at(&self) -> Nanos {
        let late_reply = self.late_reply.as_ref().map_or(Nanos::MAX, LateReply::due);
        let restart = self.restart.as_ref().map_or(Nanos::MAX, Restart::due);
        late_reply.min(restart).min(self.goes_by.unwrap_or(Nanos::MAX))
    }
}
