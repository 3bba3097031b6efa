//! Messages above QoS 0 on their way over one connection: which packet identifiers are in use and for what, and what has
//! come that must not come twice. Pure.

use super::packet::{Packet, PubAck, PubComp, PubRec, PubRel, Publish, QoS};

/// An identifier that no flow gives away: for SUBSCRIBE, or for whoever has found none left.
pub const SPARE_ID: u16 = u16::MAX;

/// The flow of messages over one connection; what each is, only who sends it knows (`T`).
#[derive(Debug)]
pub struct Flow<T> {
    /// The identifier that was given last.
    last: u16,
    sent: Vec<(u16, T)>,
    /// Those received at QoS 2 that PUBREL has yet to come for.
    received: Vec<u16>,
}

/// Whether a message came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is new.
    New,
    /// It is one that came before.
    Again,
}

impl<T> Default for Flow<T> {
    fn default() -> Self {
        Self { last: 0, sent: Vec::new(), received: Vec::new() }
    }
}

impl<T> Flow<T> {
    /// So many messages may be under way at once; there are 65,534 identifiers beside [`SPARE_ID`].
    const MAX: usize = 60_000;
    /// From so many on only those are to be sent that cannot be done without.
    const CROWD: usize = 50_000;

    /// Whether so many are under way that what comes in masses has to stay out, so that there is an identifier for the rest.
    #[must_use]
    pub const fn is_crowded(&self) -> bool {
        self.sent.len() >= Self::CROWD
    }

    /// An identifier for a message that is about to be sent; `None` if too many are under way.
    pub fn claim(&mut self, what: T) -> Option<u16> {
        if self.sent.len() >= Self::MAX {
            return None;
        }
        loop {
            self.last = self.last % (SPARE_ID - 1) + 1;
            if self.sent.iter().all(|(pkid, _)| *pkid != self.last) {
                self.sent.push((self.last, what));
                return Some(self.last);
            }
        }
    }

    /// The peer says something of a message's way: which of those sent has arrived by that, and what is to be answered.
    pub fn acknowledged(&mut self, packet: &Packet) -> (Option<T>, Option<Packet>) {
        match packet {
            Packet::PubAck(PubAck { pkid }) | Packet::PubComp(PubComp { pkid }) => (self.release(*pkid), None),
            Packet::PubRec(PubRec { pkid }) => (None, Some(Packet::PubRel(PubRel::new(*pkid)))),
            Packet::PubRel(PubRel { pkid }) => {
                self.received.retain(|received| received != pkid);
                (None, Some(Packet::PubComp(PubComp::new(*pkid))))
            }
            _ => (None, None),
        }
    }

    fn release(&mut self, pkid: u16) -> Option<T> {
        let place = self.sent.iter().position(|(sent, _)| *sent == pkid)?;
        Some(self.sent.swap_remove(place).1)
    }

    /// A message came: whether it is new, and what is to be answered.
    pub fn received(&mut self, publish: &Publish) -> (Arrival, Option<Packet>) {
        match publish.qos {
            QoS::AtMostOnce => (Arrival::New, None),
            QoS::AtLeastOnce => (Arrival::New, Some(Packet::PubAck(PubAck::new(publish.pkid)))),
            QoS::ExactlyOnce => {
                let came_before = self.received.contains(&publish.pkid);
                if !came_before {
                    self.received.push(publish.pkid);
                }
                let arrival = if came_before { Arrival::Again } else { Arrival::New };
                (arrival, Some(Packet::PubRec(PubRec::new(publish.pkid))))
            }
        }
    }

    /// Whether something that was sent is not acknowledged yet.
    #[must_use]
    pub fn has_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.received.is_empty()
    }

    /// The connection is over: what had not arrived.
    pub fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(self).sent.into_iter().map(|(_, what)| what)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn publish(qos: QoS, pkid: u16) -> Publish {
        let mut publish = Publish::from_bytes("t", qos, Bytes::new());
        publish.pkid = pkid;
        publish
    }

    #[test]
    fn what_is_sent_is_acknowledged_or_left_over() {
        let mut flow = Flow::default();
        assert_eq!(["a", "b", "c"].map(|what| flow.claim(what)), [Some(1), Some(2), Some(3)]);
        assert_eq!(flow.acknowledged(&Packet::PubAck(PubAck::new(1))), (Some("a"), None));
        assert_eq!(flow.acknowledged(&Packet::PubAck(PubAck::new(1))), (None, None), "once is enough");
        let release = Packet::PubRel(PubRel::new(2));
        assert_eq!(flow.acknowledged(&Packet::PubRec(PubRec::new(2))), (None, Some(release)));
        assert_eq!(flow.acknowledged(&Packet::PubComp(PubComp::new(2))), (Some("b"), None));
        assert_eq!((flow.take().collect::<Vec<_>>(), flow.is_empty()), (vec!["c"], true));
    }

    #[test]
    fn exactly_once_is_once() {
        let mut flow = Flow::<()>::default();
        let twice = publish(QoS::ExactlyOnce, 5);
        assert_eq!(flow.received(&twice).0, Arrival::New);
        assert_eq!(flow.received(&twice), (Arrival::Again, Some(Packet::PubRec(PubRec::new(5)))));
        let done = flow.acknowledged(&Packet::PubRel(PubRel::new(5)));
        assert_eq!(done, (None, Some(Packet::PubComp(PubComp::new(5)))));
        assert_eq!(flow.received(&twice).0, Arrival::New, "the identifier is free again");
        assert_eq!(flow.received(&publish(QoS::AtLeastOnce, 5)).1, Some(Packet::PubAck(PubAck::new(5))));
    }

    #[test]
    fn an_identifier_in_use_is_not_given_again() {
        let mut flow = Flow::default();
        for count in 0..Flow::<()>::MAX {
            assert_eq!(flow.is_crowded(), count >= Flow::<()>::CROWD);
            assert!(flow.claim(()).is_some());
        }
        assert_eq!(flow.claim(()), None);
        assert!(flow.acknowledged(&Packet::PubAck(PubAck::new(7))).0.is_some());
        flow.last = SPARE_ID - 1;
        assert_eq!(flow.claim(()), Some(7));
        let mut flow = Flow { last: SPARE_ID - 2, ..Flow::default() };
        assert_eq!([(), ()].map(|what| flow.claim(what)), [Some(SPARE_ID - 1), Some(1)], "the spare one is left out");
    }
}
