//! A device of a plain broker against a scripted one, in virtual time.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::rig::{at, settings};
use crate::device::{Event, Fate, Input, Output, Session, Settings};
use crate::dialect::plain::{PlainDevice, PlainQos, PlainSettings, Topics};
use crate::measure::{MessageCounts, MessageKind, Messages};
use crate::mqtt::{
    ConnAck, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, PubRel, Publish, QoS, SubAck, SubscribeReasonCode,
    publish,
};
use crate::policy::{Series, Telemetry};
use crate::time::Nanos;

/// QoS `level` for everything that a device says and hears.
pub(super) fn plain(level: u8) -> PlainSettings {
    let qos = PlainQos { request: level, response: level, reported: level, presence: level };
    PlainSettings { qos, ..PlainSettings::default() }
}

/// The same where nobody is told who is connected.
pub(super) fn without_presence(level: u8) -> PlainSettings {
    PlainSettings { topics: Topics { presence: None, ..Topics::default() }, ..plain(level) }
}

pub(super) fn plain_settings(plain: PlainSettings) -> Settings<PlainDevice> {
    let Settings { ids, fleet, firmware, version, faults, seed, wall, .. } = settings(&[]);
    let dialect = PlainDevice::new(plain, None, 60).unwrap();
    Settings { dialect, ids, fleet, firmware, version, faults, seed, wall }
}

/// Those of a fleet whose devices send telemetry every second.
pub(super) fn with_telemetry(qos: u8) -> Settings<PlainDevice> {
    let mut settings = plain_settings(plain(1));
    settings.fleet.telemetry = Some(Telemetry { interval: Duration::from_secs(1), size: 64, qos });
    settings
}

/// What the broker keeps to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withheld {
    Nothing,
    /// PUBCOMP, and so the end of what goes at QoS 2.
    Second,
    /// Every acknowledgement.
    All,
}

pub(super) struct PlainRig {
    pub(super) session: Session<PlainDevice>,
    pub(super) now: Nanos,
    pub(super) withheld: Withheld,
    /// TCP connections are refused.
    pub(super) closed: bool,
    /// What the device did: `open`, `close`, the names of packets, the ends of the topics that it published to.
    pub(super) log: Vec<(Nanos, String)>,
    pub(super) published: Vec<(Nanos, Publish)>,
    pub(super) events: Vec<(Nanos, Event)>,
    /// Acknowledgements that the broker kept to itself, of the present connection.
    kept: Vec<Packet>,
    /// Identifiers of messages that the broker has yet to acknowledge.
    under_way: Vec<u16>,
    open: bool,
    inbox: VecDeque<Input>,
    calls: u16,
}

impl PlainRig {
    pub(super) fn new(settings: Settings<PlainDevice>, device: u32) -> Self {
        Self {
            session: Session::new(Rc::new(settings), device, false),
            now: Nanos::ZERO,
            withheld: Withheld::Nothing,
            closed: false,
            log: Vec::new(),
            published: Vec::new(),
            events: Vec::new(),
            kept: Vec::new(),
            under_way: Vec::new(),
            open: false,
            inbox: VecDeque::new(),
            calls: 0,
        }
    }

    /// A device that stands by, everything at QoS `level`.
    pub(super) fn online(level: u8) -> Self {
        Self::started(plain_settings(plain(level)))
    }

    /// A device that stands by.
    pub(super) fn started(settings: Settings<PlainDevice>) -> Self {
        let mut rig = Self::new(settings, 3);
        rig.run_until(at(1.0));
        rig
    }

    pub(super) fn run_until(&mut self, until: Nanos) {
        self.settle();
        while self.session.wake_at() <= until {
            self.now = self.session.wake_at();
            self.settle();
        }
        self.now = self.now.max(until);
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Lets time pass in which nobody comes to the session.
    pub(super) fn stall(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    pub(super) fn input(&mut self, input: Input) {
        self.inbox.push_back(input);
        self.settle();
    }

    pub(super) fn cut(&mut self) {
        if std::mem::take(&mut self.open) {
            self.input(Input::Lost("cut".to_owned()));
        }
    }

    pub(super) fn stop(&mut self) {
        self.input(Input::Stop);
    }

    /// Calls `firmwareUpdate` for a further update.
    pub(super) fn call(&mut self, level: QoS) {
        let message = self.next_call(level);
        self.deliver([message]);
    }

    /// The call for a further update.
    pub(super) fn next_call(&mut self, level: QoS) -> Publish {
        self.calls += 1;
        let number = self.calls;
        let payload = format!(r#"{{"fwPackageUri":"x","updateId":"u{number}","fwVersion":"2"}}"#);
        let topic = format!("twinstorm/sim-0000003/methods/firmwareUpdate/c{number}");
        let pkid = if level == QoS::AtMostOnce { 0 } else { number };
        let Packet::Publish(message) = publish(topic, level, pkid, Bytes::from(payload)) else { unreachable!() };
        message
    }

    /// Delivers these at once, before anything is heard of any.
    pub(super) fn deliver(&mut self, messages: impl IntoIterator<Item = Publish>) {
        if self.open {
            self.inbox.extend(messages.into_iter().map(|message| Input::Packet(Packet::Publish(message))));
            self.settle();
        }
    }

    /// Lets go what the broker kept to itself, of which it keeps nothing from now on.
    pub(super) fn release(&mut self) {
        self.withheld = Withheld::Nothing;
        for packet in std::mem::take(&mut self.kept) {
            self.send(packet);
        }
        self.settle();
    }

    /// What became of messages of this kind.
    pub(super) fn counts(&self, kind: MessageKind) -> MessageCounts {
        self.messages().counts(Some(kind))
    }

    pub(super) fn messages(&self) -> Messages {
        let mut messages = Messages::default();
        for (_, event) in &self.events {
            let (kind, fate) = match event {
                Event::Message(kind, fate) => (kind, fate),
                Event::TelemetryLeftOut(count) => {
                    messages.of(MessageKind::Telemetry).left_out += count;
                    continue;
                }
                Event::TelemetryDropped(count) => {
                    messages.of(MessageKind::Telemetry).dropped += count;
                    continue;
                }
                _ => continue,
            };
            let counts = messages.of(*kind);
            *match fate {
                Fate::Sent => &mut counts.sent,
                Fate::Resent => &mut counts.resent,
                Fate::Acknowledged => &mut counts.acknowledged,
                Fate::Lost => &mut counts.lost,
                Fate::Unconfirmed => &mut counts.unconfirmed,
            } += 1;
        }
        messages
    }

    pub(super) fn count(&self, event: &Event) -> usize {
        self.events.iter().filter(|(_, seen)| seen == event).count()
    }

    pub(super) fn samples(&self, wanted: impl Fn(Series) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| matches!(event, Event::Sample(series, _) if wanted(*series))).count()
    }

    /// What was logged since the last time, without times.
    pub(super) fn did(&mut self) -> Vec<String> {
        self.log.drain(..).map(|(_, what)| what).collect()
    }

    /// When this was logged.
    pub(super) fn times(&self, what: &str) -> Vec<Nanos> {
        self.log.iter().filter(|(_, logged)| logged == what).map(|(time, _)| *time).collect()
    }

    /// Numbers and times of the telemetry that was published.
    pub(super) fn telemetry(&self) -> Vec<(u32, Nanos)> {
        self.published.iter().filter_map(|(_, message)| Telemetry::read(&message.payload)).collect()
    }

    /// Numbers of the telemetry that was told to be lost.
    pub(super) fn lost_telemetry(&self) -> Vec<u32> {
        let lost = |(_, event): &(Nanos, Event)| match event {
            Event::TelemetryLost(seq) => Some(*seq),
            _ => None,
        };
        self.events.iter().filter_map(lost).collect()
    }

    fn settle(&mut self) {
        loop {
            let mut out = Vec::new();
            while let Some(input) = self.inbox.pop_front() {
                self.session.handle(self.now, input, &mut out);
            }
            self.session.poll(self.now, &mut out);
            assert!(self.session.wake_at() > self.now, "the session wants to be polled for ever");
            out.into_iter().for_each(|output| self.take(output));
            if self.inbox.is_empty() {
                return;
            }
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Event(event) => self.events.push((self.now, event)),
            Output::Connect => {
                assert!(!self.open);
                self.log("open");
                (self.kept, self.under_way) = (Vec::new(), Vec::new());
                self.open = !self.closed;
                let since = self.now;
                self.inbox.push_back(match self.closed {
                    true => Input::OpenFailed { since, reason: "refused".to_owned() },
                    false => Input::Opened { since },
                });
            }
            Output::Close | Output::Cut { .. } => {
                self.log("close");
                self.open = false;
                self.inbox.clear();
            }
            Output::Send(packet) => {
                assert!(self.open, "sent over a closed connection: {packet:?}");
                self.receive(packet);
            }
            other => panic!("{other:?}"),
        }
    }

    fn receive(&mut self, packet: Packet) {
        let answer = match packet {
            Packet::Connect(_) => {
                self.log("CONNECT");
                Packet::ConnAck(ConnAck { session_present: false, code: ConnectReturnCode::Success })
            }
            Packet::Subscribe(subscribe) => {
                self.log("SUBSCRIBE");
                let granted = subscribe.filters.iter().map(|filter| SubscribeReasonCode::Success(filter.qos));
                Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes: granted.collect() })
            }
            Packet::PingReq => Packet::PingResp,
            Packet::Publish(message) => {
                self.log(message.topic.split('/').nth(2).unwrap());
                let (qos, pkid) = (message.qos, message.pkid);
                self.published.push((self.now, message));
                if qos == QoS::AtMostOnce {
                    return;
                }
                assert!(!self.under_way.contains(&pkid) && pkid != 0, "{pkid} is in use");
                self.under_way.push(pkid);
                match qos {
                    QoS::AtLeastOnce => Packet::PubAck(PubAck::new(pkid)),
                    _ => Packet::PubRec(PubRec::new(pkid)),
                }
            }
            Packet::PubRel(PubRel { pkid }) => Packet::PubComp(PubComp::new(pkid)),
            Packet::PubRec(PubRec { pkid }) => Packet::PubRel(PubRel::new(pkid)),
            other => return self.log(&format!("{other:?}")),
        };
        let is_kept = match answer {
            Packet::PubAck(_) | Packet::PubRec(_) => self.withheld == Withheld::All,
            Packet::PubComp(_) => self.withheld != Withheld::Nothing,
            _ => false,
        };
        if is_kept {
            return self.kept.push(answer);
        }
        self.send(answer);
    }

    fn send(&mut self, packet: Packet) {
        if let Packet::PubAck(PubAck { pkid }) | Packet::PubComp(PubComp { pkid }) = packet {
            self.under_way.retain(|waiting| *waiting != pkid);
        }
        self.inbox.push_back(Input::Packet(packet));
    }

    fn log(&mut self, what: &str) {
        self.log.push((self.now, what.to_owned()));
    }
}
