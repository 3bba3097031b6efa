//! The device goes down without a word and comes up again: told to by the direct method `reboot`, or by a fault.

use std::time::Duration;

use super::Session;
use super::method::response;
use crate::device::event::{Event, Output};
use crate::device::link::State;
use crate::dialect::{DeviceDialect, REBOOT};
use crate::time::Nanos;

/// From the answer to `reboot` to its going down: the answer must have left by then.
const FAREWELL: Duration = Duration::from_millis(100);

/// How long it is down.
const DOWN: Duration = Duration::from_secs(1);

/// A restart that was asked for.
#[derive(Debug)]
pub(super) struct Restart {
    /// Whether it is down already.
    is_down: bool,
    /// When it goes down, or comes up.
    at: Nanos,
}

impl Restart {
    /// When something is to be done.
    pub(super) const fn due(&self) -> Nanos {
        self.at
    }
}

impl<D: DeviceDialect> Session<D> {
    /// A call of `reboot`, which is answered at once; a device that restarts already does so once.
    pub(super) fn reboot(&mut self, now: Nanos, rid: &str, out: &mut Vec<Output>) {
        if !self.outbox.has_room() {
            return self.answer(now, REBOOT, rid, 503, response("earlier reports still wait for the twin"), out);
        }
        self.answer(now, REBOOT, rid, 200, response("Reboot started"), out);
        let restart = &mut self.aside.get_or_insert_default().restart;
        restart.get_or_insert(Restart { is_down: false, at: now + FAREWELL });
    }

    /// Goes down or comes up, if that is due. The firmware's workflow goes on meanwhile.
    pub(super) fn go_on_restarting(&mut self, now: Nanos, out: &mut Vec<Output>) {
        while let Some(restart) = self.aside.as_mut().and_then(|aside| aside.restart.take_if(|it| it.at <= now)) {
            if restart.is_down {
                let time = self.stamp().text(now);
                // The tutorials of the other languages look for it inside of `iothubDM`.
                let dm = serde_json::json!({ "reboot": { "lastReboot": time } });
                let document = serde_json::json!({ "lastReboot": time, "iothubDM": dm }).to_string();
                self.outbox.push(None, document.into(), self.updates);
            } else {
                let up = restart.at + DOWN;
                self.aside.get_or_insert_default().restart = Some(Restart { is_down: true, at: up });
                self.drop_out(now, up, "told to reboot", out);
            }
        }
    }

    /// Lets the connection go without a word, and comes back at `until`.
    pub(super) fn drop_out(&mut self, now: Nanos, until: Nanos, why: &str, out: &mut Vec<Output>) {
        self.cut(now, why, out);
        // Whom a fault keeps away comes back when that fault says so.
        if !self.is_kept_away() {
            self.link.away_until(until);
        }
    }

    /// Lets the connection go without a word, and never comes back.
    pub(super) fn vanish(&mut self, now: Nanos, out: &mut Vec<Output>) {
        self.end_afflictions(out);
        self.cut(now, "vanished by fault", out);
        self.end_afflictions(out);
        self.give_up_reports(out);
        self.link.end();
        out.push(Output::Event(Event::Gone));
    }

    fn cut(&mut self, now: Nanos, why: &str, out: &mut Vec<Output>) {
        self.connection(out, || format!("cut: {why}"));
        match self.link.state() {
            State::Subscribing { .. } | State::Up => {
                out.push(Output::Cut { reset: false });
                out.push(Output::Event(Event::Disconnected));
                self.connection_over(now, out);
            }
            State::Opening | State::Accepting { .. } => out.push(Output::Cut { reset: false }),
            State::Down { .. } | State::Over => {}
        }
    }
}
