//! What the session does without being called: telemetry, and leaving its connection for a while.

use std::time::Duration;

use crate::device::event::{Event, Fate, Output};
use crate::device::link::State;
use crate::dialect::DeviceDialect;
use crate::measure::MessageKind;
use crate::mqtt::QoS;
use crate::policy::Series;
use crate::random::Domain;
use crate::time::Nanos;

use super::Session;
use super::messages::Sent;

/// What is to come.
#[derive(Debug)]
pub(super) struct Spontaneous {
    /// When the next message is due; [`Nanos::MAX`] if none is.
    message_at: Nanos,
    /// Messages so far.
    messages: u32,
    /// When the connection is left; [`Nanos::MAX`] if it is not.
    leave_at: Nanos,
    /// Connections that were left so far.
    left: u32,
    /// Nothing of it any more from then on.
    until: Nanos,
}

impl Spontaneous {
    pub(super) fn wake_at(&self) -> Nanos {
        self.message_at.min(self.leave_at)
    }
}

impl<D: DeviceDialect> Session<D> {
    /// The load starts at `at`: from then on a device does what it does of its own.
    pub(super) fn begin_spontaneous(&mut self, at: Nanos) {
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
        let spontaneous = Spontaneous { message_at, messages: 0, leave_at: Nanos::MAX, left: 0, until };
        self.aside.get_or_insert_default().spontaneous = Some(spontaneous);
        if self.link.state() == State::Up {
            self.stay_for_a_while(at);
        }
    }

    pub(super) fn spontaneous(&self) -> Option<&Spontaneous> {
        self.aside.as_ref()?.spontaneous.as_ref()
    }

    /// The connection is up since `now`: how long it is going to last, and which message is next.
    pub(super) fn stay_for_a_while(&mut self, now: Nanos) {
        let Some(spontaneous) = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut()) else { return };
        let settings = &self.settings;
        if let Some(churn) = &settings.fleet.churn {
            let mut random =
                settings.seed.stream(Domain::Churn, u64::from(self.device), u64::from(spontaneous.left) * 2);
            spontaneous.leave_at = now + churn.up.sample(&mut random);
        }
        if let Some(telemetry) = &settings.fleet.telemetry {
            // What was due while the device was away is left out.
            let missed = now.since(spontaneous.message_at).as_nanos().div_ceil(telemetry.interval.as_nanos().max(1));
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            spontaneous.message_at = spontaneous.message_at + telemetry.interval.saturating_mul(missed);
        }
    }

    /// The connection is over: nothing is said, and nothing left.
    pub(super) fn stay_no_longer(&mut self) {
        if let Some(spontaneous) = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut()) {
            spontaneous.leave_at = Nanos::MAX;
        }
    }

    /// Does what is due of its own.
    pub(super) fn act_spontaneously(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let is_up = self.link.state() == State::Up;
        let spontaneous = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut());
        let Some(spontaneous) = spontaneous.filter(|spontaneous| is_up && spontaneous.wake_at() <= now) else { return };
        if now >= spontaneous.until {
            (spontaneous.message_at, spontaneous.leave_at) = (Nanos::MAX, Nanos::MAX);
            return;
        }
        if spontaneous.message_at <= now {
            self.send_telemetry(now, out);
        }
        if self.spontaneous().is_some_and(|spontaneous| spontaneous.leave_at <= now) {
            self.leave_for_a_while(now, out);
        }
    }

    fn send_telemetry(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let spontaneous = self.aside.as_mut().and_then(|aside| aside.spontaneous.as_mut());
        let Some((spontaneous, telemetry)) = spontaneous.zip(self.settings.fleet.telemetry) else { return };
        let seq = spontaneous.messages;
        spontaneous.messages = seq.wrapping_add(1);
        spontaneous.message_at = spontaneous.message_at + telemetry.interval;
        if spontaneous.message_at <= now {
            // A device that was held up does not make up for it: what it left out, it left out.
            spontaneous.message_at = now + telemetry.interval;
        }
        let level = match telemetry.qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        let payload = telemetry.message(seq, now).into();
        let message = self.settings.dialect.telemetry(&self.id(), level, payload);
        self.count(MessageKind::Telemetry, Fate::Sent, out);
        let pkid = match level {
            QoS::AtMostOnce => {
                self.count(MessageKind::Telemetry, Fate::Unconfirmed, out);
                0
            }
            _ => match self.flow().claim(Sent::Telemetry(seq, now)) {
                Some(pkid) => pkid,
                None => {
                    // Nobody has acknowledged any for so long that there is no name left for it.
                    out.push(Output::Event(Event::TelemetryLost(seq)));
                    return self.count(MessageKind::Telemetry, Fate::Lost, out);
                }
            },
        };
        self.send(now, message.packet(pkid), out);
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
