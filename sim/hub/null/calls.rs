//! Method calls that wait for their device's answer.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::hub::partition::{CallId, DeviceAnswer};

/// Calls from which on those are looked for that nobody waits for any more.
const MANY: usize = 1024;

/// The calls of a worker. Who waits for an answer gives up by himself; his call is forgotten when there are many.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: HashMap<u64, oneshot::Sender<DeviceAnswer>>,
    last: u64,
    /// How many there may be before the next look.
    room: usize,
}

impl Calls {
    /// A call begins; `reply` gets its answer.
    pub(super) fn begin(&mut self, reply: oneshot::Sender<DeviceAnswer>) -> CallId {
        if self.open.len() >= self.room.max(MANY) {
            self.open.retain(|_, reply| !reply.is_closed());
            self.room = 2 * self.open.len();
        }
        self.last += 1;
        self.open.insert(self.last, reply);
        CallId(self.last)
    }

    /// A device has answered. Late answers, and answers to no call, are dropped.
    pub(super) fn answered(&mut self, call: CallId, status: i64, payload: &[u8]) {
        let Some(reply) = self.open.remove(&call.0) else { return };
        let payload = match payload {
            [] => "null".to_owned(),
            payload => String::from_utf8_lossy(payload).into_owned(),
        };
        // Nobody waits any more if the HTTP connection has broken.
        let _ = reply.send(DeviceAnswer { status, payload });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_call_once_and_calls_that_nobody_waits_for_are_forgotten() {
        let mut calls = Calls::default();
        let (reply, mut answer) = oneshot::channel();
        let call = calls.begin(reply);
        for status in [200, 500] {
            calls.answered(call, status, b"");
        }
        let expected = DeviceAnswer { status: 200, payload: "null".to_owned() };
        assert_eq!(answer.try_recv(), Ok(expected));
        let waiting: Vec<_> = (0..3 * MANY)
            .map(|number| {
                let (reply, answer) = oneshot::channel();
                calls.begin(reply);
                (number % 10 == 0).then_some(answer)
            })
            .collect();
        assert!(calls.open.len() <= 2 * MANY, "{}", calls.open.len());
        assert!(calls.open.len() >= waiting.iter().flatten().count());
    }
}
