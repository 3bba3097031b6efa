//! A device's connection as a state machine: when to open, to ping, to renew the token, and to try again.

use std::time::Duration;

use rand::Rng;

use crate::policy::{Failed, Failure, RetryPolicy, Retrying, Series};
use crate::time::Nanos;

/// How long a hub may take for CONNACK and SUBACK: the C SDK's limit (1.6). A throttling hub delays rather than
/// refuses.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keep-alives need no precision: their deadlines are moved to multiples of this, so that all devices of a worker whose
/// turn has nearly come share one wake-up. More would save little more, and make bursts that delay what is measured.
/// Nothing else spreads pings: they come as connections came, so never faster than the fleet connects.
const GRAIN: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Link {
    state: State,
    /// In seconds. Zero: no pings.
    keep_alive: u16,
    been: Been,
    /// Whether the last good connection was lost, not given up for a new token.
    lost: bool,
    attempts: u32,
    retrying: Retrying,
    last_sent: Nanos,
    last_heard: Nanos,
    /// When the PINGREQ was sent that is not answered yet; [`Nanos::MAX`] if there is none.
    pinged_at: Nanos,
    renew_at: Nanos,
    up_since: Nanos,
    /// When the last good connection went; [`Nanos::MAX`] unless it went, and not on purpose.
    down_since: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not connected; to be opened at this moment.
    Down { open_at: Nanos },
    /// Being opened.
    Opening,
    /// CONNECT was sent.
    Accepting { since: Nanos, until: Nanos },
    /// CONNACK came, SUBSCRIBE was sent.
    Subscribing { until: Nanos },
    /// SUBACK came.
    Up,
    /// Never again.
    Over,
}

/// What a device has been before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Been {
    /// Never connected.
    Nowhere,
    /// Connected.
    Connected,
    /// Connected, and gone in order to join anew.
    Away,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Open,
    Ping,
    Renew,
    TimedOut(&'static str),
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            state: State::Down { open_at: Nanos::ZERO },
            keep_alive: 0,
            been: Been::Nowhere,
            lost: false,
            attempts: 0,
            retrying: Retrying::default(),
            last_sent: Nanos::ZERO,
            last_heard: Nanos::ZERO,
            pinged_at: Nanos::MAX,
            renew_at: Nanos::MAX,
            up_since: Nanos::ZERO,
            down_since: Nanos::MAX,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// Whether the hub has accepted the connection.
    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.state, State::Subscribing { .. } | State::Up)
    }

    /// Whether a connection is open that the hub has yet to accept, or to grant the subscriptions of.
    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.state, State::Accepting { .. } | State::Subscribing { .. })
    }

    /// Whether the hub has ever accepted a connection.
    pub(super) const fn was_connected(&self) -> bool {
        !matches!(self.been, Been::Nowhere)
    }

    /// Connections tried so far.
    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What is to be done at `now`. Each answer changes something, so asking until `None` ends.
    pub(super) fn due(&mut self, now: Nanos) -> Option<Due> {
        match self.state {
            State::Down { open_at } if open_at <= now => {
                self.state = State::Opening;
                self.attempts += 1;
                Some(Due::Open)
            }
            State::Accepting { until, .. } if until <= now => Some(Due::TimedOut("no CONNACK within 30 s")),
            State::Subscribing { until } if until <= now => Some(Due::TimedOut("no SUBACK within 30 s")),
            State::Subscribing { .. } | State::Up if self.pong_by() <= now => {
                Some(Due::TimedOut("no PINGRESP within half a keep-alive"))
            }
            State::Subscribing { .. } | State::Up if self.renew_at <= now => {
                self.went_down(now);
                self.state = State::Down { open_at: now };
                Some(Due::Renew)
            }
            State::Subscribing { .. } | State::Up if self.ping_at() <= now => {
                self.pinged_at = now;
                Some(Due::Ping)
            }
            _ => None,
        }
    }

    /// When [`Link::due`] has something to say.
    pub(super) fn wake_at(&self) -> Nanos {
        let up = self.renew_at.min(self.pong_by()).min(self.ping_at());
        match self.state {
            State::Down { open_at } => open_at,
            State::Accepting { until, .. } => until,
            State::Subscribing { until } => until.min(up),
            State::Up => up,
            State::Opening | State::Over => Nanos::MAX,
        }
    }

    /// When the hub has to hear of a silent device, for which 1.5 allows 1.5 times the keep-alive; and when a silent hub
    /// is asked, even by a device that speaks: so a dead connection is noticed within the same time.
    fn ping_at(&self) -> Nanos {
        if self.pinged_at < Nanos::MAX || self.keep_alive == 0 {
            return Nanos::MAX;
        }
        rounded_down(self.last_sent.min(self.last_heard) + self.keep_alive())
    }

    /// When PINGRESP is overdue; [`Nanos::MAX`] if none is awaited.
    fn pong_by(&self) -> Nanos {
        if self.pinged_at == Nanos::MAX {
            return Nanos::MAX;
        }
        rounded_down(self.pinged_at + self.keep_alive() / 2).max(self.pinged_at + GRAIN)
    }

    const fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive as u64)
    }

    /// The connection, tried since `since`, is open, and CONNECT goes out; `keep_alive` in seconds.
    pub(super) fn opened(&mut self, now: Nanos, since: Nanos, keep_alive: u16, renew_at: Nanos) {
        self.state = State::Accepting { since, until: now + PATIENCE };
        (self.keep_alive, self.renew_at, self.pinged_at) = (keep_alive, renew_at, Nanos::MAX);
    }

    /// The hub accepted: what is measured by that.
    pub(super) fn accepted(&mut self, now: Nanos) -> Option<(Series, Duration)> {
        let State::Accepting { since, .. } = self.state else { return None };
        self.state = State::Subscribing { until: now + PATIENCE };
        self.up_since = now;
        let down_since = std::mem::replace(&mut self.down_since, Nanos::MAX);
        if std::mem::replace(&mut self.been, Been::Connected) != Been::Connected {
            return Some((Series::Connect, now.since(since)));
        }
        (down_since < Nanos::MAX).then(|| (Series::Reconnect, now.since(down_since)))
    }

    /// Whether the connection before the present one was lost; once for each.
    pub(super) const fn was_lost(&mut self) -> bool {
        std::mem::replace(&mut self.lost, false)
    }

    /// The hub granted the subscriptions.
    pub(super) fn subscribed(&mut self) {
        self.state = State::Up;
    }

    /// Something was sent.
    pub(super) fn sent(&mut self, now: Nanos) {
        self.last_sent = now;
    }

    /// Something was heard.
    pub(super) fn heard(&mut self, now: Nanos) {
        self.last_heard = now;
    }

    /// Whether a PINGREQ has to be sent to learn if the connection is alive: not if one is under way already.
    pub(super) fn probe(&mut self, now: Nanos) -> bool {
        let asks = self.is_connected() && self.pinged_at == Nanos::MAX && self.keep_alive > 0;
        if asks {
            self.pinged_at = now;
        }
        asks
    }

    /// The token is renewed by `moment` at the latest.
    pub(super) fn renew_by(&mut self, moment: Nanos) {
        self.renew_at = self.renew_at.min(moment);
    }

    /// PINGRESP came: how long after its PINGREQ; `None` if there was none.
    pub(super) fn pong(&mut self, now: Nanos) -> Option<Duration> {
        let pinged_at = std::mem::replace(&mut self.pinged_at, Nanos::MAX);
        (pinged_at < Nanos::MAX).then(|| now.since(pinged_at))
    }

    /// The connection, or the attempt that `failed`, is over, unwanted: the wait before the next one; `None` to give up.
    pub(super) fn lost(
        &mut self,
        now: Nanos,
        failed: Failed,
        retry: &RetryPolicy,
        random: &mut impl Rng,
    ) -> Option<Duration> {
        let failed = if self.is_connected() {
            self.lost = true;
            let why = if self.went_down(now) { Failure::Lost } else { Failure::Transient };
            Failed::new(why, now.since(self.up_since))
        } else {
            failed
        };
        let wait = self.retrying.next(retry, failed, random);
        self.state = wait.map_or(State::Over, |wait| State::Down { open_at: now + wait });
        wait
    }

    /// A connection is over. Whether it was a good one: then the back-off begins anew.
    fn went_down(&mut self, now: Nanos) -> bool {
        self.down_since = now;
        let held = now.since(self.up_since) >= RetryPolicy::HELD;
        if held {
            self.retrying.reset();
        }
        held
    }

    /// A fault takes the device away until [`Link::come_back`].
    pub(super) fn go_away(&mut self) {
        self.state = State::Down { open_at: Nanos::MAX };
        self.down_since = Nanos::MAX;
        self.retrying.reset();
    }

    /// The device goes on purpose, and comes back at `until`: nothing that its retry policy has a say in.
    pub(super) fn away_until(&mut self, until: Nanos) {
        self.go_away();
        self.come_back(until);
    }

    /// The device goes, and joins anew at `until`.
    pub(super) fn rejoin_at(&mut self, until: Nanos) {
        self.away_until(until);
        self.been = Been::Away;
    }

    /// The fault is over.
    pub(super) fn come_back(&mut self, now: Nanos) {
        self.state = State::Down { open_at: now };
    }

    /// Nothing more.
    pub(super) fn end(&mut self) {
        self.state = State::Over;
    }
}

fn rounded_down(moment: Nanos) -> Nanos {
    let grain = GRAIN.as_nanos() as u64;
    Nanos::new(moment.get() / grain * grain)
}
