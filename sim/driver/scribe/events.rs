//! Telling everything that happens to updates, one event after the other, where somebody wants that.

use super::Scribe;
use crate::dialect::MethodAnswer;
use crate::driver::answer;
use crate::driver::decision::Decision;
use crate::driver::event::Effect;
use crate::driver::update::Update;
use crate::measure::{Answer, Event, Happening, TraceEvent};
use crate::policy::Outcome;
use crate::time::Nanos;

impl Scribe {
    /// The call of `device` was answered, or failed; what follows of it is about to be handled.
    pub(in crate::driver) fn hears(&mut self, now: Nanos, device: u32, update: Option<u64>, answer: &MethodAnswer) {
        self.note(device, now, || TraceEvent::CallAnswered(answer::in_words(answer)));
        if let (Some(update), Answer::Throttled | Answer::Hub(429)) = (update, answer::kind(answer)) {
            self.book(update).retries().method.throttled += 1;
        }
        if self.tells {
            self.answer = Some(answer::kind(answer));
        }
    }

    /// An update is due.
    pub(in crate::driver) fn tell_due(&mut self, device: u32, update: &Update) {
        self.tell(update.due(), device, update, || Happening::Due);
    }

    /// So many updates ended before they were called.
    pub(super) fn tell_uncalled(&mut self, at: Nanos, device: u32, outcome: Outcome, detail: &str, count: u64) {
        if self.tells && count > 0 {
            let what = Happening::EndedUncalled { outcome, detail: detail.into(), count };
            self.recorder.events().note(Event { at, device, update: 0, what });
        }
    }

    /// What one effect on `update` means to whoever wants to know everything.
    pub(super) fn tell_effect(&mut self, now: Nanos, device: u32, update: &Update, effect: &Effect) {
        if !self.tells {
            return;
        }
        let what = match effect {
            Effect::Attempt { service, .. } => {
                // In a job only the hub knows how long each call took.
                let service = (!self.by_job).then_some(*service);
                Happening::Answered { answer: self.answer.take(), service, response: None }
            }
            Effect::Response { response, .. } if !self.by_job => {
                let last = self.recorder.events().last_mut();
                let same = last.filter(|last| (last.at, last.device) == (now, device)).map(|last| &mut last.what);
                // The attempt that was answered just now is the last one of its call.
                if let Some(Happening::Answered { answer: Some(_), response: open @ None, .. }) = same {
                    *open = Some(*response);
                    return;
                }
                Happening::Answered { answer: None, service: None, response: Some(*response) }
            }
            Effect::Seen { status, version, transition } => Happening::Stage {
                stage: *status,
                version: *version,
                transition: *transition,
                visible: self.published(device, update, *status).map(|published| now.since(published)),
            },
            Effect::Decided(Decision::Recovered(stage)) => Happening::SeenLate(*stage),
            Effect::Decided(Decision::Late(stage)) => Happening::Late(*stage),
            // What the census forgets is told by nobody.
            Effect::Ended { outcome, detail } if self.swallow == 0 => {
                let total = now.since(update.due());
                let times = self.of(device, update).filter(|_| *outcome == Outcome::Completed);
                let overhead = times.map(|times| total.saturating_sub(times.chosen));
                Happening::Ended { outcome: *outcome, detail: detail.as_str().into(), total, overhead }
            }
            _ => return,
        };
        self.tell(now, device, update, || what);
    }

    /// Notes what happens to `update`, if anybody wants to know; it is built only then.
    pub(super) fn tell(&mut self, at: Nanos, device: u32, update: &Update, what: impl FnOnce() -> Happening) {
        if self.tells && !self.is_settling(update.number()) {
            let update = if self.ids.is_some() { update.named() } else { update.number() };
            self.recorder.events().note(Event { at, device, update, what: what() });
        }
    }
}
