//! Calls that wait for their answers.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::dialect::MethodAnswer;

/// The calls of a driver that are not answered yet: as many as may be in flight at once.
#[derive(Debug)]
pub(super) struct Calls {
    /// What each name begins with: of this run and this driver.
    prefix: String,
    opened: u64,
    waiting: HashMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    device: u32,
    line: usize,
    answer: oneshot::Sender<MethodAnswer>,
}

/// What an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// The one that somebody waited for.
    Awaited,
    /// Nobody waits for it any more: it came late, or again.
    Unawaited,
    /// It is no answer to a call of this driver's.
    Foreign,
}

impl Calls {
    /// None, of a driver whose calls are named after `prefix`.
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, opened: 0, waiting: HashMap::new() }
    }

    /// One more, of `device` over this line: its number, its name, and where its answer comes.
    pub(super) fn open(&mut self, device: u32, line: usize) -> (u64, String, oneshot::Receiver<MethodAnswer>) {
        self.opened += 1;
        let (answer, receiver) = oneshot::channel();
        self.waiting.insert(self.opened, Waiting { device, line, answer });
        (self.opened, format!("{}{}", self.prefix, self.opened), receiver)
    }

    /// Nobody waits for the answer to this one any more.
    pub(super) fn close(&mut self, number: u64) {
        self.waiting.remove(&number);
    }

    /// `device` answered the call `name`.
    pub(super) fn answered(&mut self, device: u32, name: &str, answer: MethodAnswer) -> Answered {
        let number = name.strip_prefix(&self.prefix).and_then(|digits| digits.parse::<u64>().ok());
        let Some(number) = number.filter(|number| (1..=self.opened).contains(number)) else { return Answered::Foreign };
        if self.waiting.get(&number).is_none_or(|waiting| waiting.device != device) {
            return Answered::Unawaited;
        }
        if let Some(waiting) = self.waiting.remove(&number) {
            // Whoever waited may have gone this very moment.
            let _ = waiting.answer.send(answer);
        }
        Answered::Awaited
    }

    /// The request of this call has not left this process, and does not.
    pub(super) fn unsent(&mut self, number: u64, reason: &str) {
        if let Some(waiting) = self.waiting.remove(&number) {
            let _ = waiting.answer.send(MethodAnswer::Unreachable { reason: reason.to_owned() });
        }
    }

    /// The request of this call has left, and whether it arrived is not known to anybody.
    pub(super) fn broken(&mut self, number: u64, reason: &str) {
        if let Some(waiting) = self.waiting.remove(&number) {
            let _ = waiting.answer.send(MethodAnswer::Broken { reason: reason.to_owned() });
        }
    }

    /// A line is lost: the answers to what went over it may be lost with it.
    pub(super) fn line_lost(&mut self, line: usize, reason: &str) {
        let lost: Vec<u64> =
            self.waiting.iter().filter(|(_, waiting)| waiting.line == line).map(|(number, _)| *number).collect();
        for number in lost {
            self.broken(number, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(status: i64) -> MethodAnswer {
        MethodAnswer::Device { status, payload: serde_json::Value::Null }
    }

    #[test]
    fn an_answer_goes_to_the_call_that_it_names() {
        let mut calls = Calls::new("run-0-".to_owned());
        let (_, name, mut answer) = calls.open(7, 0);
        assert_eq!(name, "run-0-1");
        assert_eq!(calls.answered(8, &name, device(200)), Answered::Unawaited, "of another device");
        for foreign in ["run-0-2", "run-1-1", "1", "run-0-"] {
            assert_eq!(calls.answered(7, foreign, device(200)), Answered::Foreign, "{foreign}");
        }
        assert_eq!(calls.answered(7, &name, device(200)), Answered::Awaited);
        assert_eq!(answer.try_recv(), Ok(device(200)));
        assert_eq!(calls.answered(7, &name, device(200)), Answered::Unawaited, "again");
    }

    #[test]
    fn a_line_takes_its_own_calls_with_it() {
        let mut calls = Calls::new(String::new());
        let (_, _, mut first) = calls.open(1, 0);
        let (number, _, mut second) = calls.open(2, 1);
        calls.line_lost(0, "gone");
        assert_eq!(first.try_recv(), Ok(MethodAnswer::Broken { reason: "gone".to_owned() }));
        assert!(second.try_recv().is_err());
        let (unsent, _, mut third) = calls.open(3, 0);
        calls.unsent(unsent, "down");
        assert_eq!(third.try_recv(), Ok(MethodAnswer::Unreachable { reason: "down".to_owned() }));
        calls.close(number);
        assert_eq!(calls.answered(2, "2", device(200)), Answered::Unawaited);
    }
}
