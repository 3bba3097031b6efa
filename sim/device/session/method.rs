//! The session's direct methods.

use bytes::Bytes;

use super::Session;
use crate::device::event::{Event, Output};
use crate::device::{Delays, Request, Strike};
use crate::dialect::DeviceDialect;
use crate::dialect::azure::FIRMWARE_UPDATE;
use crate::measure::TraceEvent;
use crate::policy::{Fault, FaultKind, Reject};
use crate::time::Nanos;

/// The tutorial's answer.
const STARTED: Bytes = Bytes::from_static(br#"{"Response":"Firmware update started"}"#);

impl<D: DeviceDialect> Session<D> {
    /// A call of method `name`. It is answered at once, before anything is reported.
    pub(super) fn method(&mut self, now: Nanos, rid: &str, name: &str, payload: &[u8], out: &mut Vec<Output>) {
        self.trace(out, || TraceEvent::MethodReceived {
            name: name.to_owned(),
            payload: String::from_utf8_lossy(payload).into_owned(),
        });
        if name != FIRMWARE_UPDATE {
            return self.answer(now, rid, 404, response(&format!("unknown method {name}")), out);
        }
        let request = match Request::parse(payload) {
            Ok(request) => request,
            Err(error) => return self.answer(now, rid, 400, response(&error.to_string()), out),
        };
        if self.workflow.repeats(&request) {
            // Calls are retried where their answer was lost.
            self.decide(out, || "the call repeats a known update: answered as before, nothing started".to_owned());
            return self.answer(now, rid, 200, STARTED, out);
        }
        if self.workflow.is_running() {
            return self.answer(now, rid, 409, response("another update is running"), out);
        }
        if !self.outbox.has_room() {
            return self.answer(now, rid, 503, response("reports of earlier updates still wait for the twin"), out);
        }
        self.update(now, rid, request, out);
    }

    /// The call of a new update.
    fn update(&mut self, now: Nanos, rid: &str, mut request: Request, out: &mut Vec<Output>) {
        if self.refused.take().as_deref() != Some(&request.update_id) {
            self.updates += 1;
            self.struck = 0;
        }
        out.push(Output::Event(Event::Received { update_id: request.update_id.clone().unwrap_or_default() }));
        let nth = self.updates - 1;
        let settings = std::rc::Rc::clone(&self.settings);
        let hits = || settings.faults.hits(self.device, nth).filter(|(_, fault)| self.is_active(fault, now));
        let refusal = hits().find_map(|(index, fault)| match fault.kind {
            FaultKind::Reject(Reject { status }) => Some((index, Some(status))),
            FaultKind::NoReply => Some((index, None)),
            _ => None,
        });
        if let Some((fault, status)) = refusal {
            self.refused = Some(Box::new(request.update_id));
            self.injected(fault, out);
            if let Some(status) = status {
                self.answer(now, rid, status, response("rejected"), out);
            }
            return;
        }
        let strike = Strike::first(hits());
        let delays = Delays::draw(&settings.firmware, settings.seed, self.device, nth);
        // Where nothing is downloaded, nobody has to remember what.
        request.package.take_if(|_| settings.firmware.downloads().is_none());
        out.push(Output::Event(Event::Accepted));
        self.answer(now, rid, 200, STARTED, out);
        self.decide(out, || {
            let [wait, download, apply] = delays.0;
            let fault = strike.as_ref().map_or(String::new(), |strike| format!("; {strike:?}"));
            format!("update {nth} starts: waiting {wait:?}, downloading {download:?}, applying {apply:?}{fault}")
        });
        if let Some(fault) = self.workflow.start(now, request, delays, strike) {
            self.injected(fault, out);
        }
    }

    /// Whether `fault` is active at `now`; before the start of the load is known, only one without a time is.
    fn is_active(&self, fault: &Fault, now: Nanos) -> bool {
        self.load_start().map_or(fault.at.is_zero(), |load_start| fault.active(now.since(load_start)))
    }

    fn answer(&mut self, now: Nanos, rid: &str, status: u16, payload: Bytes, out: &mut Vec<Output>) {
        self.trace(out, || TraceEvent::MethodAnswered {
            status,
            payload: String::from_utf8_lossy(&payload).into_owned(),
        });
        let packet = self.settings.dialect.method_response(rid, status, payload);
        self.send(now, packet, out);
    }
}

/// A payload in the shape of the tutorial's.
fn response(text: &str) -> Bytes {
    serde_json::json!({ "Response": text }).to_string().into()
}
