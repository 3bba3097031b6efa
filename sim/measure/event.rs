//! What happens to updates, one event after the other, for whoever wants all of it: `events.ndjson`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{FirmwareStatus, Outcome};
use crate::time::Nanos;

/// Something that happened to an update, as the driver saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, on the clock of the shard.
    pub at: Nanos,
    /// Whose update it is.
    pub device: u32,
    /// The number in the update's id: its own, or that of the job that it is part of.
    pub update: u64,
    /// What happened.
    pub what: Happening,
}

/// What can happen to an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happening {
    /// Its call was due.
    Due,
    /// Its call was sent.
    Called {
        /// 1 for the first attempt.
        attempt: u32,
        /// How late the first attempt was; `None` for others, and in a closed load.
        lag: Option<Duration>,
    },
    /// An attempt was answered or failed, or a call whose answer came before is given up.
    Answered {
        /// How; `None` if there was no answer now.
        answer: Option<Answer>,
        /// From the send of the attempt; `None` if it was not measured.
        service: Option<Duration>,
        /// From the due time, where the call as a whole is over by that, and it was measured.
        response: Option<Duration>,
    },
    /// A stage was seen for the first time.
    Stage {
        /// Which.
        stage: FirmwareStatus,
        /// `$version` of the reported properties.
        version: u64,
        /// Since the stage before was seen, or the call answered, where that is known.
        transition: Option<Duration>,
        /// Since the device published it, where that is known.
        visible: Option<Duration>,
    },
    /// A stage came and went between two looks.
    SeenLate(FirmwareStatus),
    /// A stage was seen after the update had ended.
    Late(FirmwareStatus),
    /// It ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// What is known beyond that; may be empty.
        detail: Box<str>,
        /// Since the due time.
        total: Duration,
        /// The same without the delays that the device chose, of a completed update where those are known.
        overhead: Option<Duration>,
    },
    /// So many updates ended before they were called: of none is the device told.
    EndedUncalled {
        /// How.
        outcome: Outcome,
        /// What is known beyond that; may be empty.
        detail: Box<str>,
        /// How many.
        count: u64,
    },
}

/// How an attempt was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// By the device, with its status.
    Device(i64),
    /// 404103: the device was not connected.
    NotOnline,
    /// 504101: the device did not answer in time.
    NoResponse,
    /// 429.
    Throttled,
    /// By the hub, with any other HTTP status.
    Hub(u16),
    /// The hub could not be reached.
    Unreachable,
    /// The connection broke.
    Broken,
    /// The client's own time limit passed.
    ClientTimeout,
}

/// Events of some stretch of time and some part of a run, in the order in which they were noted; as many as there is room
/// for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    kept: Vec<Event>,
    dropped: u64,
}

/// What became of the events of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventCounts {
    /// Lines that `events.ndjson` has.
    pub written: u64,
    /// Events that it lacks: there was no room for them on their way, or they could not be written.
    pub dropped: u64,
}

impl Events {
    /// So many are kept between two looks, which is to say in a second: some 9,000 updates of a shard.
    pub const ROOM: usize = 65_536;

    /// Notes one, if there is room.
    pub fn note(&mut self, event: Event) {
        if self.kept.len() < Self::ROOM {
            self.kept.push(event);
        } else {
            self.dropped += 1;
        }
    }

    /// The one noted last, to add to.
    pub fn last_mut(&mut self) -> Option<&mut Event> {
        self.kept.last_mut()
    }

    /// Adds those that came later; those that find no room are dropped.
    pub fn absorb(&mut self, later: Self) {
        self.dropped += later.dropped;
        if self.kept.is_empty() {
            self.kept = later.kept;
        } else {
            later.kept.into_iter().for_each(|event| self.note(event));
        }
    }

    /// Those that were kept.
    #[must_use]
    pub fn kept(&self) -> &[Event] {
        &self.kept
    }

    /// How many found no room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether there was none at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.dropped == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(update: u64) -> Event {
        Event { at: Nanos::new(update), device: 1, update, what: Happening::Due }
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut events = Events::default();
        (0..Events::ROOM as u64 - 1).for_each(|update| events.note(event(update)));
        let mut later = Events { dropped: 2, ..Events::default() };
        (0..3).for_each(|update| later.note(event(update)));
        events.absorb(later);
        assert_eq!((events.kept().len(), events.dropped()), (Events::ROOM, 4));
        assert_eq!(events.kept().last(), Some(&event(0)), "in their order");
    }
}
