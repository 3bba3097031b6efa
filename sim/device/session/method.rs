//! The session's direct methods.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::Session;
use crate::device::event::{Event, Output};
use crate::device::{Delays, Request, Script};
use crate::dialect::DeviceDialect;
use crate::dialect::{FIRMWARE_UPDATE, REBOOT};
use crate::measure::{MessageKind, TraceEvent};
use crate::policy::{Fault, FaultKind, Reject};
use crate::random::{Domain, Stream};
use crate::time::Nanos;

/// The tutorial's answer.
pub(super) const STARTED: Bytes = Bytes::from_static(br#"{"Response":"Firmware update started"}"#);

impl<D: DeviceDialect> Session<D> {
    /// A call of method `name`. It is answered at once, before anything is reported.
    pub(super) fn method(&mut self, now: Nanos, rid: &str, name: &str, payload: &[u8], out: &mut Vec<Output>) {
        self.trace(out, || TraceEvent::MethodReceived {
            name: name.to_owned(),
            payload: String::from_utf8_lossy(payload).into_owned(),
        });
        match name {
            FIRMWARE_UPDATE => self.firmware_update(now, rid, payload, out),
            REBOOT => self.reboot(now, rid, out),
            _ => self.answer(now, name, rid, 404, response(&format!("unknown method {name}")), out),
        }
    }

    fn firmware_update(&mut self, now: Nanos, rid: &str, payload: &[u8], out: &mut Vec<Output>) {
        let request = match Request::parse(payload) {
            Ok(request) => request,
            Err(error) => return self.answer(now, FIRMWARE_UPDATE, rid, 400, response(&error.to_string()), out),
        };
        let late = self.aside.as_ref().and_then(|aside| aside.late_reply.as_ref());
        if late.is_some_and(|late| late.repeats(&request)) {
            return self.await_answer(rid, out);
        }
        let is_busy = self.workflow.is_running() || late.is_some();
        if self.workflow.repeats(&request) {
            // Calls are retried where their answer was lost.
            self.decide(out, || "the call repeats a known update: answered as before, nothing started".to_owned());
            return self.answer(now, FIRMWARE_UPDATE, rid, 200, STARTED, out);
        }
        if is_busy {
            return self.answer(now, FIRMWARE_UPDATE, rid, 409, response("another update is running"), out);
        }
        if !self.outbox.has_room() {
            return self.answer(
                now,
                FIRMWARE_UPDATE,
                rid,
                503,
                response("reports of earlier updates still wait for the twin"),
                out,
            );
        }
        self.update(now, rid, request, out);
    }

    /// The call of a new update.
    fn update(&mut self, now: Nanos, rid: &str, mut request: Request, out: &mut Vec<Output>) {
        let refused = self.aside.as_mut().and_then(|aside| aside.refused.take());
        if refused.as_ref() != Some(&request.update_id) {
            self.updates += 1;
            self.struck = 0;
        }
        out.push(Output::Event(Event::Received { update_id: request.update_id.clone().unwrap_or_default() }));
        let nth = self.updates - 1;
        let settings = Rc::clone(&self.settings);
        let hits: Vec<(usize, &Fault)> =
            settings.faults.hits(self.device, nth).filter(|(_, fault)| self.is_active(fault, now)).collect();
        if let Some((fault, status)) = refusal(&hits) {
            self.aside.get_or_insert_default().refused = Some(request.update_id);
            self.injected(fault, out);
            if let Some(status) = status {
                self.answer(now, FIRMWARE_UPDATE, rid, status, response("rejected"), out);
            }
            return;
        }
        out.push(Output::Event(Event::Accepted));
        // Where nothing is downloaded, nobody has to remember what.
        request.package.take_if(|_| settings.firmware.downloads().is_none());
        let delays = Delays::draw(&settings.firmware, settings.seed, self.device, nth);
        let script = self.script(delays, nth, &hits, &request);
        self.decide(out, || {
            let [wait, download, apply] = delays.0;
            let faults = script.strikes().map(|fault| format!("; fault {fault} of the plan")).collect::<String>();
            format!("update {nth} starts: waiting {wait:?}, downloading {download:?}, applying {apply:?}{faults}")
        });
        match self.lateness(nth, &hits, out) {
            Some(delay) => self.answer_late(now, rid, delay, request, script, out),
            None => {
                self.answer(now, FIRMWARE_UPDATE, rid, 200, STARTED, out);
                self.workflow.start(now, request, script);
            }
        }
    }

    /// What the `nth` update will be, with what `hits` it.
    fn script(&self, delays: Delays, nth: u32, hits: &[(usize, &Fault)], request: &Request) -> Script {
        // Where the version does not change, or is not named, there is nothing to lie about.
        let can_lie = self.workflow.changes(request);
        let strikes = hits.iter().filter(|(_, fault)| can_lie || fault.kind != FaultKind::FalseSuccess);
        let strikes = strikes.map(|(index, fault)| (*index, &fault.kind));
        let script = Script::new(delays);
        let script = if request.package.is_some() { script.with_download() } else { script };
        script.with(strikes, |fault| self.fault_delays(fault, nth))
    }

    /// How late the faults `slow_reply` among `hits` make the answer, if there is any.
    fn lateness(&mut self, nth: u32, hits: &[(usize, &Fault)], out: &mut Vec<Output>) -> Option<Duration> {
        let mut lateness = None;
        for (index, fault) in hits {
            if let FaultKind::SlowReply(slow) = &fault.kind {
                let delay = slow.delay.sample(&mut self.fault_delays(*index, nth));
                self.injected(*index, out);
                lateness = Some(lateness.unwrap_or(Duration::ZERO) + delay);
            }
        }
        lateness
    }

    /// What `fault` draws its delays from in the `nth` update.
    fn fault_delays(&self, fault: usize, nth: u32) -> Stream {
        let update = (u64::from(nth) << 32) | u64::from(self.device);
        self.settings.seed.stream(Domain::FaultDelays, fault as u64, update)
    }

    /// Whether `fault` is active at `now`; before the start of the load is known, only one without a time is.
    fn is_active(&self, fault: &Fault, now: Nanos) -> bool {
        !self.healed && self.load_start().map_or(fault.at.is_zero(), |load_start| fault.active(now.since(load_start)))
    }

    /// Answers the call `rid` of `method`.
    pub(super) fn answer(
        &mut self,
        now: Nanos,
        method: &str,
        rid: &str,
        status: u16,
        payload: Bytes,
        out: &mut Vec<Output>,
    ) {
        self.trace(out, || TraceEvent::MethodAnswered {
            status,
            payload: String::from_utf8_lossy(&payload).into_owned(),
        });
        let answer = self.settings.dialect.method_response(&self.id(), method, rid, status, payload);
        self.publish(now, MessageKind::Response, answer, out);
    }
}

/// The first of `hits` that refuses the call: its index, and the status that it answers with, if it answers.
fn refusal(hits: &[(usize, &Fault)]) -> Option<(usize, Option<u16>)> {
    hits.iter().find_map(|(index, fault)| match fault.kind {
        FaultKind::Reject(Reject { status }) => Some((*index, Some(status))),
        FaultKind::NoReply => Some((*index, None)),
        _ => None,
    })
}

/// A payload in the shape of the tutorial's.
pub(super) fn response(text: &str) -> Bytes {
    serde_json::json!({ "Response": text }).to_string().into()
}
