//! What the session does without being called: telemetry, and leaving its connection for a while.

use std::time::Duration;

use crate::device::event::{Event, Fate, Output};
use crate::device::link::State;
use crate::dialect::{DeviceDialect, Message};
use crate::measure::MessageKind;
use crate::mqtt::QoS;
use crate::policy::Series;
use crate::random::Domain;
use crate::time::Nanos;

use super::Session;
use super::messages::Sent;

/// Telemetry that the generator comes to so late is dropped, as calls are: it would no longer be the planned load.
const TOO_LATE: Duration = Duration::from_secs(1);

/// What is to come.
#[derive(Debug)]
pub(super) struct Spontaneous {
    /// When the next message is due, by the schedule alone: neither a slow hub nor a late generator moves it.
    message_at: Nanos,
    /// Messages so far.
    messages: u32,
    /// When the connection is left; [`Nanos::MAX`] if it is not.
    leave_at: Nanos,
    /// Connections that were left so far.
    left: u32,
    /// Nothing of it is due any more from then on.
    until: Nanos,
    /// Whether the device is connected, so that what is due can be sent.
    is_here: bool,
}

impl Spontaneous {
    pub(super) fn wake_at(&self) -> Nanos {
        self.due().min(self.leave_at)
    }

    /// When the next message is due; [`Nanos::MAX`] if none is.
    fn due(&self) -> Nanos {
        if self.message_at < self.until { self.message_at } else { Nanos::MAX }
    }

    /// The next message, if it is due by `now`: its number, and when it was due.
    fn take_due(&mut self, now: Nanos, interval: Duration) -> Option<(u32, Nanos)> {
        let (seq, due) = (self.messages, self.due());
        (due <= now).then(|| {
            self.messages = seq.wrapping_add(1);
            self.message_at = due + interval;
            (seq, due)
        })
    }

    /// Passes over the messages that are due before `moment`: how many those were.
    fn pass_over(&mut self, moment: Nanos, interval: Duration) -> u64 {
        let behind = moment.min(self.until).since(self.message_at).as_nanos();
        let count = u32::try_from(behind.div_ceil(interval.as_nanos().max(1))).unwrap_or(u32::MAX);
        self.message_at = self.message_at + interval.saturating_mul(count);
        u64::from(count)
    }
}

impl<D: DeviceDialect> Session<D> {
    /// The load starts at `at`: from then on a device does what it does of its own.
    pub(super) fn begin_spontaneous(&mut self, at: Nanos, out: &mut Vec<Output>) {
        let fleet = &self.settings.fleet;
        if fleet.telemetry.is_none() && fleet.churn.is_none() {
            return;
        }
        let until = if fleet.spontaneous_for.is_zero() { Nanos::MAX } else { at + fleet.spontaneous_for };
        let message_at = fleet.telemetry.as_ref().map_or(Nanos::MAX, |telemetry| {
            // Each device has a phase of its own, so that their messages are spread.
            let interval = u64::try_from(telemetry.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
            let phase = self.settings.seed.hash(Domain::TelemetryPhase, u64::from(self.device), 0) % interval;
            Nanos::new(at.get().saturating_add(phase))
        });
        let spontaneous = Spontaneous { message_at, messages: 0, leave_at: Nanos::MAX, left: 0, until, is_here: false };
        self.aside.get_or_insert_default().spontaneous = Some(spontaneous);
        if self.link.state() == State::Up {
            self.stay_for_a_while(at, out);
        }
    }

    pub(super) fn spontaneous(&self) -> Option<&Spontaneous> {
        self.aside.as_ref()?.spontaneous.as_ref()
    }

    /// The connection is up since `now`: how long it is going to last, and which message is next.
    pub(super) fn stay_for_a_while(&mut self, now: Nanos, out: &mut Vec<Output>) {
        self.leave_out_telemetry(now, out);
        let Some(spontaneous) = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut()) else { return };
        spontaneous.is_here = true;
        let settings = &self.settings;
        if let Some(churn) = &settings.fleet.churn {
            let mut random =
                settings.seed.stream(Domain::Churn, u64::from(self.device), u64::from(spontaneous.left) * 2);
            spontaneous.leave_at = now + churn.up.sample(&mut random);
        }
    }

    /// The connection is over: nothing is said, and nothing left.
    pub(super) fn stay_no_longer(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if self.spontaneous().is_some_and(|spontaneous| spontaneous.is_here) {
            self.drop_telemetry(now, out);
        }
        if let Some(spontaneous) = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut()) {
            (spontaneous.leave_at, spontaneous.is_here) = (Nanos::MAX, false);
        }
    }

    /// The device is told to go: what is due by `now` is all.
    pub(super) fn end_spontaneous(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if self.link.state() == State::Up {
            self.send_telemetry(now, out);
        } else {
            self.leave_out_telemetry(now, out);
        }
        if let Some(aside) = &mut self.aside {
            aside.spontaneous = None;
        }
    }

    /// Does what is due of its own.
    pub(super) fn act_spontaneously(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let is_due = self.spontaneous().is_some_and(|spontaneous| spontaneous.wake_at() <= now);
        if !is_due || self.link.state() != State::Up {
            return;
        }
        self.send_telemetry(now, out);
        let Some(spontaneous) = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut()) else { return };
        if spontaneous.leave_at <= now {
            if now < spontaneous.until {
                self.leave_for_a_while(now, out);
            } else {
                spontaneous.leave_at = Nanos::MAX;
            }
        }
    }

    /// Sends all that is due, each message as of when it was.
    fn send_telemetry(&mut self, now: Nanos, out: &mut Vec<Output>) {
        self.drop_telemetry(now, out);
        let Some(telemetry) = self.settings.fleet.telemetry else { return };
        let level = match telemetry.qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        while let Some((seq, due)) = self
            .aside
            .as_mut()
            .and_then(|aside| aside.spontaneous.as_mut())
            .and_then(|spontaneous| spontaneous.take_due(now, telemetry.interval))
        {
            out.push(Output::Event(Event::Sample(Series::TelemetryLag, now.since(due))));
            let payload = telemetry.message(seq, due).into();
            let message = self.settings.dialect.telemetry(&self.id(), level, payload);
            self.publish_telemetry(now, seq, message, out);
        }
    }

    fn publish_telemetry(&mut self, now: Nanos, seq: u32, message: Message, out: &mut Vec<Output>) {
        self.count(MessageKind::Telemetry, Fate::Sent, out);
        if message.qos == QoS::AtMostOnce {
            self.count(MessageKind::Telemetry, Fate::Unconfirmed, out);
            return self.send(now, message.packet(0), out);
        }
        let flow = self.flow();
        let claimed = if flow.is_crowded() { None } else { flow.claim(Sent::Telemetry(seq, now)) };
        match claimed {
            Some(pkid) => self.send(now, message.packet(pkid), out),
            None => {
                // Nobody has acknowledged any for so long that hardly a name is left, and reports need one.
                out.push(Output::Event(Event::TelemetryLost(seq)));
                self.count(MessageKind::Telemetry, Fate::Lost, out);
            }
        }
    }

    /// Drops what the generator, though the device was connected, has not come to until too late.
    fn drop_telemetry(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let dropped = self.pass_over_telemetry(now - TOO_LATE);
        if dropped > 0 {
            out.push(Output::Event(Event::TelemetryDropped(dropped)));
        }
    }

    /// Leaves out what was due while the device was away.
    fn leave_out_telemetry(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let left_out = self.pass_over_telemetry(now);
        if left_out > 0 {
            out.push(Output::Event(Event::TelemetryLeftOut(left_out)));
        }
    }

    fn pass_over_telemetry(&mut self, moment: Nanos) -> u64 {
        let spontaneous = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut());
        let both = spontaneous.zip(self.settings.fleet.telemetry);
        both.map_or(0, |(spontaneous, telemetry)| spontaneous.pass_over(moment, telemetry.interval))
    }

    /// The hub has acknowledged telemetry that was sent at `sent`.
    pub(super) fn telemetry_acknowledged(&self, now: Nanos, sent: Nanos, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::Sample(Series::TelemetryAck, now.since(sent))));
        self.count(MessageKind::Telemetry, Fate::Acknowledged, out);
    }

    /// Says good-bye, and comes back later.
    fn leave_for_a_while(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let Some(spontaneous) = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut()) else { return };
        let number = u64::from(spontaneous.left) * 2 + 1;
        spontaneous.left += 1;
        let Some(churn) = &self.settings.fleet.churn else { return };
        let down = churn.down.sample(&mut self.settings.seed.stream(Domain::Churn, u64::from(self.device), number));
        self.hang_up(now, "for a while", out);
        // Not at this very moment: whoever polls is told a later one.
        self.link.rejoin_at(now + down.max(Duration::from_nanos(1)));
    }
}
