//! What became of messages: of each kind how many were published, acknowledged, given up, and received by the driver.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RunResult;
use crate::policy::{MessageFigure, MessageWitnesses, Series};

pub use crate::policy::MessageKind;

/// What became of the messages of one kind. In the end `sent` is the sum of `acknowledged`, `lost` and `unconfirmed`; as long
/// as some are under way it is more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageCounts {
    /// Messages that were published, each once.
    pub sent: u64,
    /// Times that one of them was published again.
    #[serde(default)]
    pub resent: u64,
    /// Those that the hub acknowledged: by PUBACK at QoS 1, PUBCOMP at QoS 2.
    pub acknowledged: u64,
    /// Those that were given up before any acknowledgement: whether they arrived is not known to who published them.
    pub lost: u64,
    /// Those that nobody acknowledges: at QoS 0, and a device's last word before it disconnects.
    #[serde(default)]
    pub unconfirmed: u64,
    /// Those that the driver received, each once.
    #[serde(default)]
    pub delivered: u64,
    /// Times that it received one of them again.
    #[serde(default)]
    pub duplicates: u64,
    /// Those that were acknowledged, or not acknowledged but not given up either (QoS 0), and that the driver never received.
    /// Counted with a plain broker, where fleet and driver are parts of one run, and of two kinds alone: of telemetry, and of
    /// the reports that say which stage of its update a device has reached (`standBy` is none). Elsewhere it is 0, and says
    /// nothing.
    #[serde(default)]
    pub undelivered: u64,
    /// Those of telemetry that were due and never sent, as their device was not connected.
    #[serde(default)]
    pub left_out: u64,
    /// Those of telemetry that were due and never sent, as the generator itself was too late for them.
    #[serde(default)]
    pub dropped: u64,
}

impl MessageCounts {
    /// Adds another part's.
    pub const fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.resent += other.resent;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.unconfirmed += other.unconfirmed;
        self.delivered += other.delivered;
        self.duplicates += other.duplicates;
        self.undelivered += other.undelivered;
        self.left_out += other.left_out;
        self.dropped += other.dropped;
    }

    /// This figure of them.
    #[must_use]
    pub const fn figure(&self, figure: MessageFigure) -> u64 {
        match figure {
            MessageFigure::Sent => self.sent,
            MessageFigure::Resent => self.resent,
            MessageFigure::Acknowledged => self.acknowledged,
            MessageFigure::Lost => self.lost,
            MessageFigure::Unconfirmed => self.unconfirmed,
            MessageFigure::Delivered => self.delivered,
            MessageFigure::Duplicates => self.duplicates,
            MessageFigure::Undelivered => self.undelivered,
        }
    }

    /// Those of which nothing is known yet; 0 in the end.
    #[must_use]
    pub const fn under_way(&self) -> i64 {
        self.sent as i64 - (self.acknowledged + self.lost + self.unconfirmed) as i64
    }
}

impl RunResult {
    /// Whether this figure of messages of `kind` is counted in this run.
    #[must_use]
    pub fn counts_messages(&self, kind: MessageKind, figure: MessageFigure) -> bool {
        let has = |series| !self.absent.contains(&series);
        let broker = self.observer.presence.is_some();
        let known = MessageWitnesses { broker, fleet: has(Series::Connect), driver: has(Series::UpdateTotal) };
        figure.is_counted(kind, known)
    }
}

/// What became of messages, by what they say; a kind of which there were none is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Messages(pub BTreeMap<MessageKind, MessageCounts>);

impl Messages {
    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a kind, to add to.
    pub fn of(&mut self, kind: MessageKind) -> &mut MessageCounts {
        self.0.entry(kind).or_default()
    }

    /// Those of this kind, or of all kinds together.
    #[must_use]
    pub fn counts(&self, kind: Option<MessageKind>) -> MessageCounts {
        let mut sum = MessageCounts::default();
        for (_, counts) in self.0.iter().filter(|(of, _)| kind.is_none_or(|kind| kind == **of)) {
            sum.merge(counts);
        }
        sum
    }

    /// Adds another part's.
    pub fn merge(&mut self, other: &Self) {
        for (kind, counts) in &other.0 {
            self.of(*kind).merge(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_figure_by_figure_and_kind_by_kind() {
        let one = MessageCounts {
            sent: 10,
            resent: 2,
            acknowledged: 3,
            lost: 4,
            unconfirmed: 1,
            delivered: 5,
            duplicates: 6,
            undelivered: 7,
            left_out: 8,
            dropped: 9,
        };
        let mut whole = Messages::default();
        assert!(whole.is_empty() && whole.counts(Some(MessageKind::Report)) == MessageCounts::default());
        for kind in [MessageKind::Report, MessageKind::Telemetry, MessageKind::Report] {
            let mut part = Messages::default();
            *part.of(kind) = one;
            whole.merge(&part);
        }
        let times = |kind, times: u64| {
            let sum = whole.counts(kind);
            MessageFigure::ALL.iter().all(|figure| sum.figure(*figure) == times * one.figure(*figure))
        };
        assert!(times(Some(MessageKind::Report), 2) && times(Some(MessageKind::Telemetry), 1) && times(None, 3));
        assert_eq!((whole.0.len(), one.under_way(), whole.counts(None).under_way()), (2, 2, 6));
        let sum = whole.counts(None);
        assert_eq!((sum.left_out, sum.dropped), (3 * one.left_out, 3 * one.dropped));
        let figures: std::collections::BTreeSet<u64> = MessageFigure::ALL.iter().map(|of| one.figure(*of)).collect();
        assert_eq!(figures.len(), 8, "each figure is its own");
    }
}
