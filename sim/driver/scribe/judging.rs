//! Judging updates: how they ended against the faults that hit them, and what must hold of every one.

use super::Scribe;
use crate::driver::board::News;
use crate::driver::decision::Decision;
use crate::driver::marks::Marks;
use crate::driver::sighting::Violation as Forbidden;
use crate::driver::update::Update;
use crate::measure::{DeviceTimes, Invariant, OffDiagonal, TraceEvent, Truth, Violation};
use crate::policy::{Expected, Hit, Hits, Outcome};
use crate::time::Nanos;

impl Scribe {
    /// A twin was looked at while `update` was the device's latest.
    pub(in crate::driver) fn looked(&mut self, now: Nanos, device: u32, update: Option<&Update>, news: News) {
        self.recorder.invariants().checked(Invariant::VersionGrows);
        if let News::Fell(from, to) = news {
            let transition = format!("$version {from}>{to}, though written later");
            self.note(device, now, || TraceEvent::Decision(transition.clone()));
            self.violated(Invariant::VersionGrows, device, update, transition);
        }
    }

    /// What was seen of `update` breaks an invariant; whether a fault was injected that does so is for the truth to say.
    pub(super) fn broken(
        &mut self,
        device: u32,
        update: &Update,
        marks: &Marks,
        invariant: Invariant,
        decision: &Decision,
    ) {
        if invariant == Invariant::ForwardOnly {
            self.book(update.number()).invariants().checked(invariant);
        }
        let faults = marks.hit | self.of(device, update).map_or(0, |times| times.injected);
        if self.diagonal.forbidden_by(faults) {
            self.recorder.invariants().injected(invariant);
        } else {
            self.violated(invariant, device, Some(update), transition(decision));
        }
    }

    /// An update ends, for the first time as it must be.
    pub(super) fn ends_once(&mut self, device: u32, update: &Update, marks: &mut Marks, outcome: Outcome) {
        let book = self.book(update.number());
        book.invariants().checked(Invariant::OneOutcome);
        if update.attempts() > 0 {
            book.invariants().checked(Invariant::OneAtATime);
        }
        if let Outcome::Failed | Outcome::RolledBack = outcome {
            book.invariants().checked(Invariant::NoSuccessAfterFailure);
        }
        if let Some(before) = marks.ended.replace(outcome) {
            self.violated(Invariant::OneOutcome, device, Some(update), format!("{before}>{outcome}"));
        }
    }

    /// Counts the outcome of an update, and judges it by what hit it.
    #[expect(clippy::too_many_arguments, reason = "all that is known of an update's end")]
    pub(super) fn judge(
        &mut self,
        now: Nanos,
        device: u32,
        update: &Update,
        marks: &mut Marks,
        times: Option<DeviceTimes>,
        outcome: Outcome,
        detail: &str,
    ) {
        // Without the truth there is nothing to judge by.
        if self.truth.is_none() || self.diagonal.is_empty() {
            return self.book(update.number()).outcome(outcome, detail, []);
        }
        let hits = self.hits(now, device, update, marks, times);
        let judgement = self.diagonal.judge(&hits, outcome, detail);
        marks.hit = judgement.as_ref().map_or(hits.faults, |judgement| judgement.faults);
        let faults = |faults: u64| (0..Truth::MAX_FAULTS).filter(move |fault| faults >> fault & 1 == 1);
        if self.is_settling(update.number()) {
            return self.settling.outcome(outcome, detail, faults(marks.hit));
        }
        self.recorder.outcome(outcome, detail, faults(marks.hit));
        self.recorder.judged().add(Hit::of(marks.hit), outcome, 1);
        if let Some(expected) = judgement.and_then(|judgement| judgement.off_diagonal) {
            let example = OffDiagonal {
                device: self.devices.id(device),
                update: self.name(update),
                injected: faults(marks.hit).map(|fault| self.diagonal.name(fault).to_owned()).collect(),
                expected: in_words(&expected),
                observed: outcome.as_str().to_owned(),
                detail: detail.to_owned(),
            };
            self.recorder.off_diagonal(faults(marks.hit), example);
        }
    }

    /// What really happened to an update that ends now.
    fn hits(&self, now: Nanos, device: u32, update: &Update, marks: &Marks, times: Option<DeviceTimes>) -> Hits {
        let times = times.unwrap_or_default();
        let mut faults = marks.hit | times.injected;
        if update.attempts() > 0 {
            let since_start = |moment: Nanos| moment.since(self.load_start);
            faults |= self.diagonal.of_the_hub(since_start(update.due()), since_start(now));
            if !times.accepted {
                // It may have been away for a moment while the call was under way; a job's calls are the hub's to send.
                faults |= self.felt(device);
            }
        }
        Hits {
            faults,
            decisive: times.decisive,
            accepted: times.accepted,
            failed_itself: times.failed_itself,
            left_behind: marks.left_behind,
        }
    }

    fn violated(&mut self, invariant: Invariant, device: u32, update: Option<&Update>, transition: String) {
        let update = update.map(|update| self.name(update)).unwrap_or_default();
        let example = Violation { device: self.devices.id(device), update, transition };
        self.recorder.invariants().violated(invariant, 1, example);
    }

    /// The update's id; its number where calls carry none.
    fn name(&self, update: &Update) -> String {
        self.ids.as_ref().map_or_else(|| update.number().to_string(), |ids| ids.id(update.named()))
    }
}

fn transition(decision: &Decision) -> String {
    match decision {
        Decision::Violated(violation @ (Forbidden::Backward(..) | Forbidden::Skipped(_))) => violation.to_string(),
        decision => decision.to_string(),
    }
}

fn in_words(expected: &Expected) -> Vec<String> {
    let word = |outcome: &Outcome| match &expected.detail {
        Some((of, detail)) if of == outcome => format!("{outcome}:{detail}"),
        _ => outcome.to_string(),
    };
    expected.outcomes.iter().map(word).collect()
}
