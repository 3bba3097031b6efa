//! What a line has published and the broker has not acknowledged, and what it has received at QoS 2. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::dialect::Message;
use crate::measure::MessageCounts;
use crate::mqtt::{Packet, PubAck, PubComp, PubRec, PubRel, Publish, QoS};

/// The flow of messages over one connection.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The identifier that was given last.
    last: u16,
    /// Those under way, and whether PUBREC has come.
    sent: HashMap<u16, bool>,
    /// Those received at QoS 2 that PUBREL has yet to come for.
    received: BTreeSet<u16>,
}

/// What is to be done with a message that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is new.
    New,
    /// It is one that came before.
    Again,
}

impl Flow {
    /// The packet for `message`, counted in `counts`; `None` if as many are under way as can be.
    pub(super) fn send(&mut self, message: Message, counts: &mut MessageCounts) -> Option<Packet> {
        if message.qos == QoS::AtMostOnce {
            counts.sent += 1;
            counts.unconfirmed += 1;
            return Some(message.packet(0));
        }
        let pkid = self.identifier()?;
        counts.sent += 1;
        self.sent.insert(pkid, false);
        Some(message.packet(pkid))
    }

    /// An identifier that is not in use.
    fn identifier(&mut self) -> Option<u16> {
        if self.sent.len() >= usize::from(u16::MAX) - 1 {
            return None;
        }
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.sent.contains_key(&self.last) {
                return Some(self.last);
            }
        }
    }

    /// The broker acknowledged something; what is to be answered.
    pub(super) fn acknowledged(&mut self, packet: &Packet, counts: &mut MessageCounts) -> Option<Packet> {
        match packet {
            Packet::PubAck(PubAck { pkid }) | Packet::PubComp(PubComp { pkid }) => {
                counts.acknowledged += u64::from(self.sent.remove(pkid).is_some());
                None
            }
            Packet::PubRec(PubRec { pkid }) => {
                if let Some(recorded) = self.sent.get_mut(pkid) {
                    *recorded = true;
                }
                Some(Packet::PubRel(PubRel::new(*pkid)))
            }
            Packet::PubRel(PubRel { pkid }) => {
                self.received.remove(pkid);
                Some(Packet::PubComp(PubComp::new(*pkid)))
            }
            _ => None,
        }
    }

    /// A message came: whether it is new, and what is to be answered.
    pub(super) fn received(&mut self, publish: &Publish) -> (Arrival, Option<Packet>) {
        match publish.qos {
            QoS::AtMostOnce => (Arrival::New, None),
            QoS::AtLeastOnce => (Arrival::New, Some(Packet::PubAck(PubAck::new(publish.pkid)))),
            QoS::ExactlyOnce => {
                let arrival = if self.received.insert(publish.pkid) { Arrival::New } else { Arrival::Again };
                (arrival, Some(Packet::PubRec(PubRec::new(publish.pkid))))
            }
        }
    }

    /// The connection is over: what was not acknowledged is given up.
    pub(super) fn lost(&mut self, counts: &mut MessageCounts) {
        counts.lost += self.sent.len() as u64;
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(qos: QoS) -> Message {
        Message::new("t".to_owned(), qos, Bytes::new())
    }

    fn publish(qos: QoS, pkid: u16) -> Publish {
        let mut publish = Publish::from_bytes("t", qos, Bytes::new());
        publish.pkid = pkid;
        publish
    }

    #[test]
    fn what_is_sent_is_acknowledged_or_lost() {
        let (mut flow, mut counts) = (Flow::default(), MessageCounts::default());
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce] {
            assert!(flow.send(message(qos), &mut counts).is_some());
        }
        assert_eq!((counts.sent, counts.under_way()), (4, 3));
        assert_eq!(flow.acknowledged(&Packet::PubAck(PubAck::new(1)), &mut counts), None);
        assert_eq!(flow.acknowledged(&Packet::PubAck(PubAck::new(1)), &mut counts), None, "once is enough");
        let release = flow.acknowledged(&Packet::PubRec(PubRec::new(2)), &mut counts);
        assert_eq!(release, Some(Packet::PubRel(PubRel::new(2))));
        flow.acknowledged(&Packet::PubComp(PubComp::new(2)), &mut counts);
        assert_eq!((counts.acknowledged, counts.under_way()), (2, 1));
        flow.lost(&mut counts);
        assert_eq!((counts.lost, counts.under_way()), (1, 0));
    }

    #[test]
    fn exactly_once_is_once() {
        let (mut flow, mut counts) = (Flow::default(), MessageCounts::default());
        let twice = publish(QoS::ExactlyOnce, 5);
        assert_eq!(flow.received(&twice).0, Arrival::New);
        assert_eq!(flow.received(&twice), (Arrival::Again, Some(Packet::PubRec(PubRec::new(5)))));
        let done = flow.acknowledged(&Packet::PubRel(PubRel::new(5)), &mut counts);
        assert_eq!(done, Some(Packet::PubComp(PubComp::new(5))));
        assert_eq!(flow.received(&twice).0, Arrival::New, "the identifier is free again");
        assert_eq!(flow.received(&publish(QoS::AtLeastOnce, 5)).1, Some(Packet::PubAck(PubAck::new(5))));
    }

    #[test]
    fn an_identifier_in_use_is_not_given_again() {
        let (mut flow, mut counts) = (Flow::default(), MessageCounts::default());
        for _ in 0..u16::MAX - 1 {
            assert!(flow.send(message(QoS::AtLeastOnce), &mut counts).is_some());
        }
        assert!(flow.send(message(QoS::AtLeastOnce), &mut counts).is_none());
        assert!(flow.send(message(QoS::AtMostOnce), &mut counts).is_some());
    }
}
