//! The state machine of one update, from its due time to its one outcome. Pure: moments, answers and reports in,
//! effects out.

mod forbidden;

use std::mem::take;
use std::time::Duration;

use super::answer::CallFailure;
use super::decision::Decision;
use super::event::{Effect, Input, Rules};
use super::sighting::{Baseline, Owner, Shown, Sighting, Violation, content, failure_detail, judge, owner};
use crate::dialect::{MethodAnswer, TwinReport};
use crate::policy::{FirmwareStatus, Outcome, Retrying};
use crate::random::Domain;
use crate::time::Nanos;

/// How often a twin that could not be read is asked for before an update ends without it.
pub(super) const READS: u8 = 3;

/// Where an update stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Scheduled,
    /// The call is to be sent.
    Ready,
    /// The call is under way.
    Calling,
    /// Until the next attempt.
    Waiting(Nanos),
    /// Until the stage's deadline.
    Observing(Nanos),
    /// The deadline has passed, and the twin is being read for the n-th time.
    Reading(u8),
    /// Until the twin, which was read in vain n times, is read again.
    Rereading(u8, Nanos),
    /// Whether an answer to the call is still to come.
    Ended(bool),
}

/// One update.
#[derive(Debug, Clone, Default)]
pub(super) struct Update {
    number: u64,
    /// The number in the id that its call carries: its own, or that of the first update of its job.
    named: u64,
    due: Nanos,
    phase: Phase,
    /// Attempts sent.
    attempts: u32,
    retrying: Retrying,
    sent_at: Nanos,
    answered_at: Nanos,
    /// Whether the device may be running it: it said so, or an answer was lost.
    may_run: bool,
    /// How the call failed for good, as long as the twin may still show that the device started all the same.
    doubt: Option<CallFailure>,
    baseline: Baseline,
    /// The latest `$version` that was looked at.
    version: u64,
    shown: Shown,
    /// Bit n: a report of stage n has come.
    delivered: u8,
    /// Whether the device was seen to be at another update at the same time.
    overlapped: bool,
    /// When the latest stage was seen, or the call answered.
    previous: Option<Nanos>,
}

impl Update {
    /// Update `number`, due at `due`.
    pub(super) fn new(number: u64, due: Nanos) -> Self {
        Self { number, named: number, due, ..Self::default() }
    }

    /// The same as part of the job that is named after update `first`: a job has one payload for all of its devices,
    /// so that the id which each echoes is the job's.
    pub(super) fn in_job(self, first: u64) -> Self {
        Self { named: first, ..self }
    }

    /// The number in the id that its call carries.
    pub(super) const fn named(&self) -> u64 {
        self.named
    }

    /// Its number.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// When it was due.
    pub(super) const fn due(&self) -> Nanos {
        self.due
    }

    /// Attempts sent.
    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When the latest attempt was sent.
    pub(super) const fn sent_at(&self) -> Nanos {
        self.sent_at
    }

    /// Bit n: a report of stage n has come.
    pub(super) const fn delivered(&self) -> u8 {
        self.delivered
    }

    /// Whether its call has failed for good, and its twin is to show whether the device has started all the same.
    pub(super) const fn is_doubted(&self) -> bool {
        self.doubt.is_some()
    }

    /// Whether its call is still wanted; a report may have made it needless.
    pub(super) fn wants_call(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether its device must not be called for another update: it has not ended, or its call is still under way.
    pub(super) fn is_busy(&self) -> bool {
        self.phase != Phase::Ended(false)
    }

    /// Whether its twin is worth polling.
    pub(super) const fn is_observed(&self) -> bool {
        matches!(self.phase, Phase::Observing(_))
    }

    /// When [`Input::Time`] is due.
    pub(super) const fn wake(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Waiting(until) | Phase::Observing(until) | Phase::Rereading(_, until) => Some(until),
            _ => None,
        }
    }

    /// Takes one input; what is to be done comes to the end of `effects`.
    pub(super) fn handle(&mut self, now: Nanos, input: Input<'_>, rules: &Rules, effects: &mut Vec<Effect>) {
        match input {
            Input::Due(baseline) if self.phase == Phase::Scheduled => {
                self.baseline = baseline;
                self.version = baseline.version;
                self.phase = Phase::Ready;
                effects.push(Effect::Call);
            }
            Input::Refused(reason) if self.phase == Phase::Scheduled => {
                self.end(Outcome::NotSent, reason.to_owned(), effects);
            }
            Input::Sent if self.phase == Phase::Ready => {
                self.phase = Phase::Calling;
                self.attempts += 1;
                self.sent_at = now;
            }
            Input::Due(_) | Input::Refused(_) | Input::Sent => {}
            Input::Answer(answer) => self.answer(now, answer, rules, effects),
            Input::Report(report) => self.report(now, report, rules, effects),
            Input::Read(report) => self.read(now, report, rules, effects),
            Input::Time => self.time(now, effects),
            Input::Stop(outcome) => self.stop(outcome, effects),
        }
    }

    fn answer(&mut self, now: Nanos, answer: &MethodAnswer, rules: &Rules, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Calling | Phase::Ended(true)) {
            return;
        }
        self.answered_at = now;
        let answer = CallFailure::of(answer);
        effects.push(Effect::Attempt { failed: answer.is_err(), service: now.since(self.sent_at) });
        if let Phase::Ended(answer_due) = &mut self.phase {
            *answer_due = false;
            return self.respond(answer.is_err(), effects);
        }
        // No answer is to come any more; what follows says where the update stands instead.
        self.phase = Phase::Waiting(now);
        match answer {
            Ok(()) => {
                self.respond(false, effects);
                effects.push(Effect::Decided(Decision::Observe));
                // A stage may have been seen before the answer came; then that moment is the latest.
                self.previous = if rules.by_job { self.previous } else { self.previous.or(Some(now)) };
                self.observe(now, rules);
            }
            Err((failure, retry_after)) => self.fail(now, failure, retry_after, rules, effects),
        }
    }

    fn fail(
        &mut self,
        now: Nanos,
        failure: CallFailure,
        retry_after: Option<Duration>,
        rules: &Rules,
        effects: &mut Vec<Effect>,
    ) {
        self.may_run |= failure.may_have_started();
        if self.shown.stage.is_some() {
            self.respond(true, effects);
            effects.push(Effect::Decided(Decision::TwinShowsIt));
            return self.observe(now, rules);
        }
        let failed = failure.failed(now.since(self.sent_at), retry_after);
        let mut random = rules.seed.stream(Domain::MethodRetry, self.number, u64::from(self.attempts));
        let wait = failed.and_then(|failed| self.retrying.next(&rules.retry, failed, &mut random));
        if let Some(wait) = wait {
            effects.push(Effect::Decided(Decision::Retry(failure, wait)));
            self.phase = Phase::Waiting(now + wait);
            return;
        }
        self.respond(true, effects);
        // The answer to any attempt may have been the one that was lost.
        if self.may_run {
            effects.push(Effect::Decided(Decision::Doubt(failure)));
            self.observe(now, rules);
            self.doubt = Some(failure);
        } else {
            self.give_up(failure, effects);
        }
    }

    fn give_up(&mut self, failure: CallFailure, effects: &mut Vec<Effect>) {
        effects.push(Effect::Decided(Decision::GiveUp(failure)));
        self.end(failure.outcome(), failure.detail(), effects);
    }

    fn report(&mut self, now: Nanos, report: &TwinReport, rules: &Rules, effects: &mut Vec<Effect>) {
        // What was seen already, or comes from a query that lags behind, says nothing new.
        if self.attempts == 0 || report.version <= self.version {
            return;
        }
        self.version = report.version;
        // It came in before the call went out, and is only being told now.
        if self.attempts == 1 && now < self.sent_at {
            self.baseline = Baseline { version: report.version, updated: report.last_updated };
            return;
        }
        let owner = owner(report, self.named, &rules.ids, self.baseline);
        if owner == Owner::Other {
            return self.other(report, effects);
        }
        self.deliver(report);
        if matches!(self.phase, Phase::Ended(_)) {
            return self.late(report, owner, effects);
        }
        match judge(report, owner, self.baseline, self.shown, rules.version.as_deref()) {
            Sighting::Nothing => {}
            Sighting::Violation(violation) => self.violated(violation, effects),
            Sighting::Stage(status, unseen) => {
                for stage in unseen.into_iter().flatten() {
                    effects.extend([Effect::Decided(Decision::Recovered(stage)), Effect::SeenLate]);
                    // The moment from which this transition runs was not seen.
                    self.previous = None;
                }
                let transition = self.previous.replace(now).map(|previous| now.since(previous));
                self.shown = Shown { stage: Some(status), content: content(report) };
                effects.push(Effect::Seen { status, version: report.version, transition });
                match status {
                    FirmwareStatus::Completed => self.finish(Outcome::Completed, String::new(), effects),
                    FirmwareStatus::Failed => self.finish(Outcome::Failed, failure_detail(report), effects),
                    FirmwareStatus::RolledBack => self.finish(Outcome::RolledBack, String::new(), effects),
                    _ => self.progress(now, rules, effects),
                }
            }
        }
    }

    /// A report came that a later one had overtaken; whether it is the first of its stage. Of another update every one is.
    pub(super) fn overtaken(&mut self, report: &TwinReport, rules: &Rules) -> bool {
        let is_own = self.attempts > 0 && owner(report, self.named, &rules.ids, self.baseline) != Owner::Other;
        !is_own || self.deliver(report)
    }

    /// A report of this update came; whether it is the first of its stage. `standBy` is none.
    fn deliver(&mut self, report: &TwinReport) -> bool {
        let before = self.delivered;
        if let Some(Ok(status)) = report.status
            && status != FirmwareStatus::StandBy
        {
            self.delivered |= 1 << status as u8;
        }
        self.delivered != before
    }

    /// A stage that is not the last was seen.
    fn progress(&mut self, now: Nanos, rules: &Rules, effects: &mut Vec<Effect>) {
        match self.phase {
            // The answer is still to come, and may be measured.
            Phase::Calling => {}
            Phase::Waiting(_) | Phase::Ready => {
                self.respond(true, effects);
                effects.push(Effect::Decided(Decision::TwinShowsIt));
                self.observe(now, rules);
            }
            _ => {
                if self.doubt.is_some() {
                    effects.push(Effect::Decided(Decision::TwinShowsIt));
                }
                self.observe(now, rules);
            }
        }
    }

    fn read(&mut self, now: Nanos, report: Option<&TwinReport>, rules: &Rules, effects: &mut Vec<Effect>) {
        let phase = self.phase;
        if let Some(report) = report {
            self.report(now, report, rules, effects);
        }
        let Phase::Reading(reads) = phase else { return };
        if self.phase != phase {
            return;
        }
        match (report, self.doubt) {
            (None, _) if reads < READS => {
                effects.push(Effect::Decided(Decision::ReadAgain));
                self.phase = Phase::Rereading(reads, now + rules.read_again);
            }
            // The device knows of this update, though it has shown no stage of it yet.
            (Some(report), Some(_)) if report.update_id.as_deref().is_some_and(|id| rules.ids.is(id, self.named)) => {
                effects.push(Effect::Decided(Decision::TwinShowsIt));
                self.observe(now, rules);
            }
            (_, Some(failure)) => self.give_up(failure, effects),
            (None, None) => {
                effects.push(Effect::Decided(Decision::Unread));
                // That the device stands still was not seen: it is the hub that failed.
                self.end(Outcome::HubError, CallFailure::Unreachable.detail(), effects);
            }
            (Some(report), None) => {
                effects.push(Effect::Decided(Decision::NoProgress(report.connected)));
                let outcome = if report.connected == Some(false) { Outcome::LostDevice } else { Outcome::Stuck };
                self.end(outcome, self.shown.name().to_owned(), effects);
            }
        }
    }

    fn time(&mut self, now: Nanos, effects: &mut Vec<Effect>) {
        if self.wake().is_none_or(|wake| now < wake) {
            return;
        }
        match self.phase {
            Phase::Waiting(_) => {
                self.phase = Phase::Ready;
                effects.push(Effect::Call);
            }
            Phase::Observing(_) => {
                let decision = Decision::Deadline(self.shown.stage);
                effects.extend([Effect::Decided(decision), Effect::ReadTwin]);
                self.phase = Phase::Reading(1);
            }
            Phase::Rereading(reads, _) => {
                effects.push(Effect::ReadTwin);
                self.phase = Phase::Reading(reads + 1);
            }
            _ => {}
        }
    }

    /// The detail of an update that a stop found before it was called.
    pub(super) const fn stopped_uncalled(outcome: Outcome) -> &'static str {
        if matches!(outcome, Outcome::HubError) { "hub_died" } else { "not_called" }
    }

    fn stop(&mut self, outcome: Outcome, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Ended(_)) {
            return;
        }
        let detail = match (self.attempts, self.phase) {
            (attempts, _) if attempts == 0 || outcome == Outcome::HubError => {
                Self::stopped_uncalled(outcome).to_owned()
            }
            (_, Phase::Ready | Phase::Calling | Phase::Waiting(_)) => "calling".to_owned(),
            _ => self.shown.name().to_owned(),
        };
        effects.push(Effect::Decided(Decision::Stopped));
        self.end(outcome, detail, effects);
    }

    fn violated(&mut self, violation: Violation, effects: &mut Vec<Effect>) {
        effects.push(Effect::Decided(Decision::Violated(violation)));
        self.finish(Outcome::ProtocolViolation, violation.to_string(), effects);
    }

    /// Ends an update by what its twin shows; a call that was to be tried again has failed for good.
    fn finish(&mut self, outcome: Outcome, detail: String, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Waiting(_) | Phase::Ready) {
            self.respond(true, effects);
        }
        self.may_run = true;
        self.end(outcome, detail, effects);
    }

    fn end(&mut self, outcome: Outcome, detail: String, effects: &mut Vec<Effect>) {
        self.phase = Phase::Ended(take(&mut self.phase) == Phase::Calling);
        effects.push(Effect::Ended { outcome, detail });
    }

    fn respond(&self, failed: bool, effects: &mut Vec<Effect>) {
        effects.push(Effect::Response { failed, response: self.answered_at.since(self.due) });
    }

    /// The device runs this update, or may: the next stage has until the deadline.
    fn observe(&mut self, now: Nanos, rules: &Rules) {
        self.may_run = true;
        self.doubt = None;
        self.phase = Phase::Observing(now + rules.stage_deadline);
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
