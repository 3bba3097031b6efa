//! The session's messages on their way to the hub, and what is counted of them.

use super::Session;
use crate::device::event::{Event, Fate, Output};
use crate::dialect::{DeviceDialect, Message};
use crate::measure::MessageKind;
use crate::mqtt::{Arrival, Flow, Packet, Publish, QoS};
use crate::time::Nanos;

/// What an identifier stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// This sending of a report.
    Report(u32),
    /// A message that is given up with its connection.
    Once(MessageKind),
    /// Telemetry of this number, sent then; it, too, is given up with its connection.
    Telemetry(u32, Nanos),
    /// Something whose acknowledgement says nothing.
    Unwatched,
}

impl<D: DeviceDialect> Session<D> {
    /// What the hub has yet to acknowledge, to add to.
    pub(super) fn flow(&mut self) -> &mut Flow<Sent> {
        &mut self.aside.get_or_insert_default().flow
    }

    /// Whether what becomes of messages is counted: not where a twin answers, which says more.
    pub(super) fn counts_messages(&self) -> bool {
        !self.settings.dialect.answers_reports()
    }

    /// Publishes a message that nobody waits for: if its connection ends before it is acknowledged, it is given up.
    pub(super) fn publish(&mut self, now: Nanos, kind: MessageKind, message: Message, out: &mut Vec<Output>) {
        let pkid = match message.qos {
            QoS::AtMostOnce => 0,
            _ => match self.flow().claim(Sent::Once(kind)) {
                Some(pkid) => pkid,
                None => {
                    let text = format!("a {} was not sent: too many wait for the hub", kind.name());
                    return out.push(Output::Event(Event::Failed(text)));
                }
            },
        };
        self.count(kind, Fate::Sent, out);
        if pkid == 0 {
            self.count(kind, Fate::Unconfirmed, out);
        }
        self.send(now, message.packet(pkid), out);
    }

    /// Publishes the last word over a connection: nothing is heard of it any more. At QoS 2 a hub would wait in vain for the
    /// second half, so that it goes at QoS 1 at most.
    fn publish_last(&mut self, now: Nanos, kind: MessageKind, mut message: Message, out: &mut Vec<Output>) {
        if message.qos == QoS::ExactlyOnce {
            message.qos = QoS::AtLeastOnce;
        }
        let pkid = match message.qos {
            QoS::AtMostOnce => Some(0),
            _ => self.flow().claim(Sent::Unwatched),
        };
        if let Some(pkid) = pkid {
            self.count(kind, Fate::Sent, out);
            self.count(kind, Fate::Unconfirmed, out);
            self.send(now, message.packet(pkid), out);
        }
    }

    /// Says that the device listens, where the dialect has such a thing.
    pub(super) fn say_online(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if let Some(message) = self.settings.dialect.presence(&self.id(), true) {
            self.publish(now, MessageKind::Presence, message, out);
        }
    }

    /// Says that the device goes.
    pub(super) fn say_offline(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if let Some(message) = self.settings.dialect.presence(&self.id(), false) {
            self.publish_last(now, MessageKind::Presence, message, out);
        }
    }

    /// The hub says something of a message's way.
    pub(super) fn acknowledged(&mut self, now: Nanos, packet: &Packet, out: &mut Vec<Output>) {
        let (sent, answer) = match &mut self.aside {
            Some(aside) => aside.flow.acknowledged(packet),
            // The hub may have sent something at QoS 2 that was forgotten with an earlier connection.
            None => Flow::default().acknowledged(packet),
        };
        if let Some(answer) = answer {
            self.send(now, answer, out);
        }
        match sent {
            Some(Sent::Telemetry(_, sent)) => self.telemetry_acknowledged(now, sent, out),
            Some(Sent::Unwatched) | None => {}
            Some(Sent::Report(number)) => {
                self.report_answered(now, number, ARRIVED, Some(Fate::Acknowledged), out);
            }
            Some(Sent::Once(kind)) => self.count(kind, Fate::Acknowledged, out),
        }
    }

    /// A message came; whether it is new.
    pub(super) fn is_new(&mut self, now: Nanos, publish: &Publish, out: &mut Vec<Output>) -> bool {
        let (arrival, answer) = match publish.qos {
            QoS::ExactlyOnce => self.flow().received(publish),
            _ => Flow::<Sent>::default().received(publish),
        };
        if let Some(answer) = answer {
            self.send(now, answer, out);
        }
        arrival == Arrival::New
    }

    /// The connection is over: what was not acknowledged is given up, but for reports, which go out again.
    pub(super) fn connection_over(&mut self, now: Nanos, out: &mut Vec<Output>) {
        self.outbox.connection_lost();
        self.stay_no_longer(now, out);
        let Some(aside) = &mut self.aside else { return };
        for sent in aside.flow.take() {
            match sent {
                Sent::Once(kind) => self.count(kind, Fate::Lost, out),
                Sent::Telemetry(seq, _) => {
                    out.push(Output::Event(Event::TelemetryLost(seq)));
                    self.count(MessageKind::Telemetry, Fate::Lost, out);
                }
                Sent::Report(_) | Sent::Unwatched => {}
            }
        }
    }

    /// Whether something that was published waits for its acknowledgement.
    pub(super) fn awaits_acknowledgement(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.flow.has_sent())
    }

    /// The device goes for good: a report that was sent, and that nobody has acknowledged, never will be.
    pub(super) fn give_up_reports(&mut self, out: &mut Vec<Output>) {
        if self.outbox.give_up() {
            self.count(MessageKind::Report, Fate::Lost, out);
        }
    }

    pub(super) fn count(&self, kind: MessageKind, fate: Fate, out: &mut Vec<Output>) {
        if self.counts_messages() || kind == MessageKind::Telemetry {
            out.push(Output::Event(Event::Message(kind, fate)));
        }
    }
}

/// What a twin would answer to a report that has arrived.
pub(super) const ARRIVED: u16 = 204;
