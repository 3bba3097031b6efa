//! Answers that leave late: the fault `slow_reply`. The update starts when its call is answered.

use std::time::Duration;

use super::Session;
use crate::device::event::Output;
use crate::device::{Request, Script};
use crate::dialect::{DeviceDialect, FIRMWARE_UPDATE};
use crate::time::Nanos;

/// A call that is accepted and not answered yet.
#[derive(Debug)]
pub(super) struct LateReply {
    due: Nanos,
    request: Request,
    script: Script,
    /// The calls that wait for the answer, the first and its repetitions, each with the number of its connection: a
    /// request's name means something on the connection only that it came over.
    calls: Vec<(u32, String)>,
}

impl LateReply {
    /// So many calls may wait; the hub times out the others.
    const MAX_CALLS: usize = 4;

    /// When the answer leaves.
    pub(super) const fn due(&self) -> Nanos {
        self.due
    }

    /// Whether `request` repeats the call.
    pub(super) fn repeats(&self, request: &Request) -> bool {
        request.update_id.is_some() && request.update_id == self.request.update_id
    }
}

impl<D: DeviceDialect> Session<D> {
    /// Accepts the call `rid`, to be answered only after `delay`.
    pub(super) fn answer_late(
        &mut self,
        now: Nanos,
        rid: &str,
        delay: Duration,
        request: Request,
        script: Script,
        out: &mut Vec<Output>,
    ) {
        self.decide(out, || format!("the answer leaves in {delay:?}, and the update starts then"));
        let calls = vec![(self.link.attempts(), rid.to_owned())];
        let late = LateReply { due: now + delay, request, script, calls };
        self.aside.get_or_insert_default().late_reply = Some(late);
    }

    /// The call `rid` repeats the one that is to be answered late: both get their answers then.
    pub(super) fn await_answer(&mut self, rid: &str, out: &mut Vec<Output>) {
        let connection = self.link.attempts();
        let late = self.aside.as_mut().and_then(|aside| aside.late_reply.as_mut());
        if let Some(late) = late.filter(|late| late.calls.len() < LateReply::MAX_CALLS) {
            late.calls.push((connection, rid.to_owned()));
        }
        self.decide(out, || "the call repeats one that is not answered yet".to_owned());
    }

    /// Answers the calls whose time has come, and starts their update.
    pub(super) fn answer_those_due(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let late = self.aside.as_mut().and_then(|aside| aside.late_reply.take_if(|late| late.due <= now));
        let Some(late) = late else { return };
        for (connection, rid) in &late.calls {
            if self.link.is_connected() && *connection == self.link.attempts() {
                self.answer(now, FIRMWARE_UPDATE, rid, 200, super::method::STARTED, out);
            }
        }
        self.workflow.start(late.due, late.request, late.script);
    }
}
