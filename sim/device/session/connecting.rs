//! The session's connection: opened, accepted, subscribed, renewed, lost, given up, taken away.

use std::time::Duration;

use jiff::SignedDuration;
use rand::RngExt;

use super::Session;
use crate::device::affliction::EXPIRY_PATIENCE;
use crate::device::event::{Event, Output};
use crate::device::link::State;
use crate::dialect::DeviceDialect;
use crate::mqtt::{ConnAck, ConnectReturnCode, Packet, SPARE_ID, Subscribe, SubscribeReasonCode};
use crate::policy::{Failed, Failure, Series};
use crate::random::Domain;
use crate::time::Nanos;

/// How long a device that is told to go waits for what it has published to be acknowledged.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl<D: DeviceDialect> Session<D> {
    pub(super) fn opened(&mut self, now: Nanos, since: Nanos, out: &mut Vec<Output>) {
        if self.link.state() != State::Opening {
            out.push(Output::Close);
            return;
        }
        out.push(Output::Event(Event::Attempted));
        let settings = &self.settings;
        let id = settings.ids.id(self.device);
        let life = settings.fleet.token_life;
        let expires = settings.wall.at(now);
        let expires = expires.saturating_add(SignedDuration::try_from(life).unwrap_or_default()).unwrap_or(expires);
        // 1.4: every official SDK renews at a fixed time, so that a fleet started together renews together. This one
        // spreads it.
        let connection = u64::from(self.link.attempts());
        let mut random = settings.seed.stream(Domain::TokenRenewal, u64::from(self.device), connection);
        let renew_at = match settings.dialect.has_tokens() {
            true => now + life.mul_f64(random.random_range(0.75..0.90)),
            false => Nanos::MAX,
        };
        let doomed = self.doomed_token(now);
        let expires = doomed.map_or(expires, |ends| self.settings.wall.at(ends));
        let renew_at = doomed.map_or(renew_at, |ends| ends + EXPIRY_PATIENCE);
        let connect = match self.has_wrong_key() {
            true => self.settings.dialect.connect_with_wrong_key(self.device, &id, expires),
            false => self.settings.dialect.connect(self.device, &id, expires),
        };
        self.path_is_new();
        self.link.opened(now, since, connect.keep_alive, renew_at);
        self.connection(out, || format!("open, CONNECT sent; the token is renewed at {renew_at}"));
        self.send(now, Packet::Connect(connect), out);
    }

    pub(super) fn open_failed(&mut self, now: Nanos, since: Nanos, reason: String, out: &mut Vec<Output>) {
        if self.link.state() == State::Opening {
            out.push(Output::Event(Event::Attempted));
            self.blame_hub(now, out);
            self.attempt_failed(now, since, reason, out);
            self.retry(now, Failed::new(Failure::Transient, now.since(since)), out);
        }
    }

    /// The attempt failed here, not at the hub: it is no connect error of the hub's.
    pub(super) fn starved(&mut self, now: Nanos, shortage: &'static str, out: &mut Vec<Output>) {
        if self.link.state() == State::Opening {
            out.push(Output::Event(Event::Attempted));
            out.push(Output::Event(Event::Starved(shortage)));
            self.connection(out, || format!("failed: {shortage}"));
            self.retry(now, Failed::new(Failure::Transient, Duration::ZERO), out);
        }
    }

    pub(super) fn connection_answered(&mut self, now: Nanos, answer: ConnAck, out: &mut Vec<Output>) {
        let State::Accepting { since, .. } = self.link.state() else { return };
        if answer.code == ConnectReturnCode::Success {
            return self.accepted(now, out);
        }
        let not_authorized = format!("CONNACK: not authorized ({})", self.settings.dialect.refusal_hint());
        // 1.6: 3 is transient; 4 and 5 say that this device will not be let in; the others never come right.
        let (reason, why) = match answer.code {
            ConnectReturnCode::Success => return,
            ConnectReturnCode::ServiceUnavailable => ("CONNACK: service unavailable", Some(Failure::Transient)),
            ConnectReturnCode::RefusedProtocolVersion => ("CONNACK: MQTT 3.1.1 refused", None),
            ConnectReturnCode::BadClientId => ("CONNACK: device id refused", None),
            ConnectReturnCode::BadUserNamePassword => ("CONNACK: bad user name or password", Some(Failure::Refused)),
            ConnectReturnCode::NotAuthorized => (not_authorized.as_str(), Some(Failure::Refused)),
        };
        out.push(Output::Close);
        if why != Some(Failure::Transient) && self.refused_by_fault(now) {
            out.push(Output::Event(Event::Sample(Series::ConnectError, now.since(since))));
            return self.connection(out, || format!("failed, by fault: {reason}"));
        }
        if answer.code == ConnectReturnCode::ServiceUnavailable {
            out.push(Output::Event(Event::ConnectThrottled));
        }
        self.attempt_failed(now, since, reason.to_owned(), out);
        match why {
            Some(why) => {
                self.blame_hub(now, out);
                self.retry(now, Failed::new(why, now.since(since)), out);
            }
            None => self.give_up(out),
        }
    }

    fn accepted(&mut self, now: Nanos, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::Connected));
        if let Some((series, duration)) = self.link.accepted(now) {
            out.push(Output::Event(Event::Sample(series, duration)));
            if self.link.was_lost() && series == Series::Reconnect {
                out.push(Output::Event(Event::Back(duration)));
            }
        }
        self.connection(out, || "CONNACK: accepted".to_owned());
        // On every connection, whatever the hub remembers: 1.7 warns of SDKs that trust it to.
        let mut subscribe = Subscribe::new_many(self.settings.dialect.subscriptions(&self.id()));
        // None that is given to a message: one may leave before SUBACK has come.
        subscribe.pkid = SPARE_ID;
        self.send(now, Packet::Subscribe(subscribe), out);
    }

    pub(super) fn subscription_answered(&mut self, now: Nanos, codes: &[SubscribeReasonCode], out: &mut Vec<Output>) {
        if !matches!(self.link.state(), State::Subscribing { .. }) {
            return;
        }
        if codes.contains(&SubscribeReasonCode::Failure) {
            out.push(Output::Close);
            return self.lost(now, "SUBACK: subscription refused", out);
        }
        self.link.subscribed();
        self.connection(out, || "SUBACK: subscribed".to_owned());
        self.say_online(now, out);
        if self.load_start < Nanos::MAX {
            self.stay_for_a_while(now.max(self.load_start), out);
        }
        if !std::mem::replace(&mut self.greeted, true) {
            let report = self.workflow.stand_by(now, self.stamp());
            self.report(&report);
        }
    }

    /// The connection, or the attempt at one, is over, unwanted.
    pub(super) fn lost(&mut self, now: Nanos, reason: &str, out: &mut Vec<Output>) {
        let took = match self.link.state() {
            State::Accepting { since, .. } => {
                self.blame_hub(now, out);
                self.attempt_failed(now, since, format!("no CONNACK: {reason}"), out);
                now.since(since)
            }
            State::Subscribing { .. } | State::Up => {
                out.push(Output::Event(Event::Disconnected));
                out.push(Output::Event(Event::Lost));
                out.push(Output::Event(Event::Failed(format!("connection lost: {reason}"))));
                self.connection(out, || format!("lost: {reason}"));
                self.explain_loss(now, out);
                self.connection_over(now, out);
                Duration::ZERO
            }
            State::Down { .. } | State::Opening | State::Over => return,
        };
        self.retry(now, Failed::new(Failure::Transient, took), out);
    }

    fn attempt_failed(&self, now: Nanos, since: Nanos, reason: String, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::Sample(Series::ConnectError, now.since(since))));
        self.connection(out, || format!("failed: {reason}"));
        out.push(Output::Event(Event::Failed(reason)));
    }

    pub(super) fn retry(&mut self, now: Nanos, failed: Failed, out: &mut Vec<Output>) {
        let settings = &self.settings;
        let attempt = u64::from(self.link.attempts());
        let mut random = settings.seed.stream(Domain::ConnectRetry, u64::from(self.device), attempt);
        match self.link.lost(now, failed, settings.fleet.retry_connect.of(self.device), &mut random) {
            Some(wait) => {
                out.push(Output::Event(Event::ConnectRetry(wait)));
                self.decide(out, || format!("connecting again in {wait:?}"));
            }
            None => self.give_up(out),
        }
    }

    fn give_up(&mut self, out: &mut Vec<Output>) {
        self.end_afflictions(out);
        self.give_up_reports(out);
        self.link.end();
        self.decide(out, || "gave up connecting".to_owned());
        out.push(Output::Event(Event::GaveUp));
        if !self.reported {
            out.push(Output::Event(Event::Ready));
        }
    }

    /// Closes an accepted connection the clean way.
    pub(super) fn hang_up(&mut self, now: Nanos, why: &str, out: &mut Vec<Output>) {
        self.connection(out, || format!("closed: {why}"));
        self.say_offline(now, out);
        self.send(now, Packet::Disconnect, out);
        out.push(Output::Close);
        out.push(Output::Event(Event::Disconnected));
        self.connection_over(now, out);
    }

    /// The device goes for good, once what it has published is acknowledged.
    pub(super) fn stop(&mut self, now: Nanos, out: &mut Vec<Output>) {
        self.end_spontaneous(now, out);
        if self.link.state() == State::Up && self.awaits_acknowledgement() {
            self.aside.get_or_insert_default().goes_by = Some(now + LAST_WORDS);
        } else {
            self.go(now, out);
        }
    }

    /// Goes if it is time to: nothing is awaited any more, or has been for too long.
    pub(super) fn go_if_done(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let Some(goes_by) = self.aside.as_ref().and_then(|aside| aside.goes_by) else { return };
        if now >= goes_by || self.link.state() != State::Up || !self.awaits_acknowledgement() {
            self.go(now, out);
        }
    }

    fn go(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if let Some(aside) = &mut self.aside {
            aside.goes_by = None;
        }
        self.end_afflictions(out);
        self.leave(now, "the fleet stops", out);
        self.give_up_reports(out);
        self.link.end();
    }

    /// Ends the connection, in whatever state it is.
    pub(super) fn leave(&mut self, now: Nanos, why: &str, out: &mut Vec<Output>) {
        match self.link.state() {
            State::Subscribing { .. } | State::Up => self.hang_up(now, why, out),
            State::Opening | State::Accepting { .. } => out.push(Output::Close),
            State::Down { .. } | State::Over => {}
        }
    }
}
