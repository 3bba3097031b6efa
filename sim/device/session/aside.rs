//! What few devices have to remember at any moment, so that the others do not keep room for it.

use super::late_reply::LateReply;
use super::restart::Restart;
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
}

impl Aside {
    /// Whether there is nothing to remember.
    pub(super) const fn is_empty(&self) -> bool {
        self.refused.is_none() && self.late_reply.is_none() && self.restart.is_none()
    }

    /// When some of it is due.
    pub(super) fn wake_at(&self) -> Nanos {
        let late_reply = self.late_reply.as_ref().map_or(Nanos::MAX, LateReply::due);
        late_reply.min(self.restart.as_ref().map_or(Nanos::MAX, Restart::due))
    }
}
