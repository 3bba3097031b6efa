//! What faults do to the session's connection, whatever the device is doing.

use std::time::Duration;

use super::Session;
use crate::device::affliction::{Affliction, Afflictions, EXPIRY_PATIENCE, Expiry, LEAST_LIFE, Stage, Way};
use crate::device::event::{Event, Output};
use crate::device::link::State;
use crate::dialect::DeviceDialect;
use crate::mqtt::{Impairment, Packet};
use crate::policy::{Failed, Failure, FaultKind};
use crate::time::Nanos;

/// A connection that goes so shortly after the hub has come back went because of that; and so does one that the last CONNECT
/// of an intruder takes, which was under way as that was called off.
const AFTERMATH: Duration = Duration::from_secs(1);

impl<D: DeviceDialect> Session<D> {
    /// Lets the faults that act on the connection begin and end.
    pub(super) fn check_afflictions(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let Some(mut afflictions) = self.afflictions.take() else {
            self.affliction_changes = Nanos::MAX;
            return;
        };
        let load = self.load_start();
        for index in 0..afflictions.list.len() {
            let (start, end) = afflictions.list[index].window(load, self.reported);
            match afflictions.list[index].stage {
                Stage::Ahead if matches!(afflictions.list[index].way, Way::TokenExpiry(_)) => {
                    self.await_expiry(now, &mut afflictions.list[index]);
                }
                Stage::Ahead if now >= end => afflictions.list[index].stage = Stage::Over,
                Stage::Ahead if now >= start && !afflictions.keeps_away() => {
                    self.strike(now, &mut afflictions.list[index], out);
                }
                Stage::Acting if now >= end => self.lift(now, &mut afflictions.list[index], out),
                _ => {}
            }
        }
        self.impair(&mut afflictions, out);
        self.affliction_changes = afflictions.next_change(now, load, self.reported);
        self.afflictions = Some(afflictions);
        if self.is_over() {
            // It gave up because of one of them.
            self.end_afflictions(out);
        }
    }

    /// Lets a fault begin, if the device's state is one that it can act on.
    fn strike(&mut self, now: Nanos, affliction: &mut Affliction, out: &mut Vec<Output>) {
        let is_up = self.link.state() == State::Up;
        let can_strike = match affliction.way {
            Way::Offline => true,
            Way::Latency(_) | Way::Bandwidth(_) => is_up || self.link.is_under_way(),
            _ => is_up,
        };
        if !can_strike {
            return;
        }
        self.afflicted(now, affliction, out);
        match affliction.way {
            Way::Offline => {
                self.decide(out, || "a fault takes the device offline".to_owned());
                self.leave(now, "offline by fault", out);
                self.link.go_away();
            }
            Way::WrongKey => {
                self.leave(now, "to come back with a wrong key, by fault", out);
                self.link.away_until(now);
            }
            Way::Reset => {
                affliction.stage = Stage::Mending;
                self.connection(out, || "reset, by fault".to_owned());
                out.push(Output::Cut { reset: true });
                out.push(Output::Event(Event::Disconnected));
                out.push(Output::Event(Event::Lost));
                self.connection_over(now, out);
                self.retry(now, Failed::new(Failure::Transient, Duration::ZERO), out);
            }
            Way::DuplicateId => out.push(Output::Intruder(true)),
            // Seen to by whoever asks for the state of the path, or elsewhere.
            Way::HalfOpen
            | Way::Latency(_)
            | Way::Bandwidth(_)
            | Way::SlowReader
            | Way::TokenExpiry(_)
            | Way::HubDown => {}
        }
    }

    /// The cause of a fault is gone.
    fn lift(&mut self, now: Nanos, affliction: &mut Affliction, out: &mut Vec<Output>) {
        affliction.stage = Stage::Mending;
        match affliction.way {
            Way::Offline | Way::WrongKey => {
                self.decide(out, || "the fault that kept the device away is over".to_owned());
                if matches!(self.link.state(), State::Down { .. }) {
                    self.link.come_back(now);
                }
            }
            Way::DuplicateId => {
                out.push(Output::Intruder(false));
                self.probe(now, out);
            }
            Way::HalfOpen => self.probe(now, out),
            Way::Latency(_) | Way::Bandwidth(_) | Way::SlowReader => self.relieved(now, affliction, out),
            Way::TokenExpiry(_) | Way::Reset | Way::HubDown => {}
        }
    }

    /// Asks whether the connection is still there.
    fn probe(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if self.link.probe(now) {
            self.send(now, Packet::PingReq, out);
        }
    }

    /// Takes a token that ends at the time of the fault, once that is known, and waits for its end.
    fn await_expiry(&mut self, now: Nanos, affliction: &mut Affliction) {
        if let Some((_, taken)) = affliction.token(now, self.load_start()) {
            self.link.renew_by(taken);
        }
        if let Way::TokenExpiry(Expiry { ends, .. }) = affliction.way
            && now >= ends + EXPIRY_PATIENCE
        {
            // This hub does not close connections whose token has ended: nothing has befallen the device.
            affliction.stage = Stage::Over;
        }
    }

    /// The end of the token that a new connection is to be opened with, if a fault decides it.
    pub(super) fn doomed_token(&mut self, now: Nanos) -> Option<Nanos> {
        let mut doomed = None;
        for affliction in self.afflictions.iter_mut().flat_map(|afflictions| &mut afflictions.list) {
            if let (Stage::Ahead, Way::TokenExpiry(expiry)) = (affliction.stage, &mut affliction.way) {
                // Of several the first; the others have their turn on a later connection.
                expiry.used = doomed.is_none() && expiry.ends < Nanos::MAX && now + LEAST_LIFE <= expiry.ends;
                if expiry.used {
                    doomed = Some(expiry.ends);
                }
            }
        }
        doomed
    }

    /// Whether a fault says when the device may come back.
    pub(super) fn is_kept_away(&self) -> bool {
        self.afflictions.as_ref().is_some_and(|afflictions| afflictions.keeps_away())
    }

    /// Whether a fault makes the device sign with a wrong key.
    pub(super) fn has_wrong_key(&self) -> bool {
        let mut acting = self.afflictions.iter().flat_map(|afflictions| afflictions.acting());
        acting.any(|affliction| affliction.way == Way::WrongKey)
    }

    /// The hub has refused a connection for good: whether that is a fault's doing, which ends it another day.
    pub(super) fn refused_by_fault(&mut self, now: Nanos) -> bool {
        let felt = self.afflictions.iter().flat_map(|afflictions| &afflictions.list);
        let mut felt = felt.filter(|affliction| affliction.is_felt() && affliction.way == Way::WrongKey);
        let Some(stage) = felt.next().map(|affliction| affliction.stage) else { return false };
        match stage {
            Stage::Acting => self.link.go_away(),
            // It was under way as the fault ended.
            _ => self.link.come_back(now),
        }
        true
    }

    /// A connection was opened: it is a sound one so far. A black hole swallows one connection, however that went.
    pub(super) fn path_is_new(&mut self) {
        if let Some(afflictions) = &mut self.afflictions {
            afflictions.impairment = Impairment::default();
            for affliction in &mut afflictions.list {
                if affliction.way == Way::HalfOpen && affliction.stage == Stage::Acting {
                    affliction.stage = Stage::Mending;
                }
            }
        }
    }

    fn impair(&self, afflictions: &mut Afflictions, out: &mut Vec<Output>) {
        let is_up = self.link.state() == State::Up;
        if is_up || self.link.is_under_way() {
            let wanted = afflictions.wanted(self.link.attempts(), is_up);
            if afflictions.impairment != wanted {
                afflictions.impairment.clone_from(&wanted);
                self.connection(out, || format!("{wanted:?}"));
                out.push(Output::Impair(wanted));
            }
        }
    }

    /// An accepted connection was lost: which faults that is the doing of, and who has noticed.
    pub(super) fn explain_loss(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let mut explained = self.blame_hub(now, out);
        if let Some(mut afflictions) = self.afflictions.take() {
            for affliction in &mut afflictions.list {
                if let (Stage::Ahead, Way::TokenExpiry(Expiry { ends, used: true, .. })) =
                    (affliction.stage, affliction.way)
                    && now + LEAST_LIFE >= ends
                {
                    self.afflicted(now.min(ends), affliction, out);
                    affliction.stage = Stage::Mending;
                }
                explained |= affliction.is_felt() || self.is_late_takeover(affliction, now);
                let kills = matches!(affliction.way, Way::HalfOpen | Way::DuplicateId | Way::TokenExpiry(_));
                if kills && affliction.is_felt() && !std::mem::replace(&mut affliction.found, true) {
                    out.push(Output::Event(Event::Found(affliction.fault as usize, now.since(affliction.since))));
                }
            }
            self.afflictions = Some(afflictions);
        }
        if !explained {
            out.push(Output::Event(Event::LostUnexplained));
        }
    }

    /// Whether what is lost at `now` may have been taken by an intruder's CONNECT that was under way as the fault ended.
    fn is_late_takeover(&self, affliction: &Affliction, now: Nanos) -> bool {
        let ends = self.settings.faults.get(affliction.fault as usize).and_then(|fault| fault.ends());
        let ended = self.load_start().zip(ends).map(|(load, ends)| load + ends);
        affliction.way == Way::DuplicateId
            && affliction.stage == Stage::Over
            && ended.is_some_and(|ended| ended <= now && now < ended + AFTERMATH)
    }

    /// A connection, or an attempt at one, has failed: the doing of a hub that faults take down now, if any does.
    pub(super) fn blame_hub(&mut self, now: Nanos, out: &mut Vec<Output>) -> bool {
        let Some(load) = self.load_start() else { return false };
        let down_within = |aftermath| -> Vec<u32> {
            let faults = self.settings.faults.faults().enumerate().filter(|(_, fault)| {
                let end = fault.ends().map_or(Nanos::MAX, |end| load + end + aftermath);
                fault.kind == FaultKind::HubDown && load + fault.at <= now && now < end
            });
            faults.map(|(fault, _)| fault as u32).collect()
        };
        let mut down = down_within(Duration::ZERO);
        if down.is_empty() {
            down = down_within(AFTERMATH);
        }
        for &fault in &down {
            let mut known = self.afflictions.iter().flat_map(|afflictions| &afflictions.list);
            if known.all(|affliction| affliction.fault != fault) {
                let mut affliction = Affliction::hub_down(fault, now);
                self.afflicted(now, &mut affliction, out);
                affliction.stage = Stage::Mending;
                self.afflictions.get_or_insert_default().list.push(affliction);
            }
        }
        !down.is_empty()
    }

    /// The device is connected, subscribed, and hears the hub: what has gone, it has got over.
    pub(super) fn recover(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if self.link.state() == State::Up
            && let Some(mut afflictions) = self.afflictions.take()
        {
            for affliction in &mut afflictions.list {
                if affliction.stage == Stage::Mending {
                    self.relieved(now, affliction, out);
                }
            }
            // The hub may go down again.
            afflictions.list.retain(|affliction| affliction.stage != Stage::Over || affliction.way != Way::HubDown);
            self.afflictions = Some(afflictions).filter(|afflictions| !afflictions.list.is_empty());
        }
    }

    /// Everything that is wrong ends, and nothing more begins.
    pub(super) fn heal(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let Some(mut afflictions) = self.afflictions.take() else { return };
        for affliction in &mut afflictions.list {
            match affliction.stage {
                Stage::Ahead => {
                    affliction.stage = Stage::Over;
                    if let Way::TokenExpiry(expiry) = affliction.way {
                        // A token that would end has to be renewed before.
                        self.link.renew_by(expiry.taken_after(now));
                    }
                }
                Stage::Acting => self.lift(now, affliction, out),
                Stage::Mending | Stage::Over => {}
            }
        }
        self.afflictions = Some(afflictions);
    }

    /// The device goes for good, and with it who makes trouble for it.
    pub(super) fn end_afflictions(&mut self, out: &mut Vec<Output>) {
        if let Some(afflictions) = self.afflictions.take()
            && afflictions.acting().any(|affliction| affliction.way == Way::DuplicateId)
        {
            out.push(Output::Intruder(false));
        }
    }

    fn afflicted(&mut self, since: Nanos, affliction: &mut Affliction, out: &mut Vec<Output>) {
        let fault = affliction.fault as usize;
        (affliction.stage, affliction.since) = (Stage::Acting, since);
        out.push(Output::Event(Event::Afflicted(fault)));
        self.decide(out, || format!("fault {fault} of the plan afflicts the device"));
        // Updates that are called from now on, the driver knows to be hit.
        let starts_late = self.aside.as_ref().is_some_and(|aside| aside.late_reply.is_some());
        if self.workflow.is_running() || starts_late {
            self.injected(fault, out);
        }
    }

    fn relieved(&self, now: Nanos, affliction: &mut Affliction, out: &mut Vec<Output>) {
        affliction.stage = Stage::Over;
        out.push(Output::Event(Event::Relieved(affliction.fault as usize, now.since(affliction.since))));
        self.decide(out, || format!("the device has got over fault {} of the plan", affliction.fault));
    }
}
