//! Writing down what happens to updates: series, census, the joins with the devices' truth, the trace.

mod events;
mod judging;

use std::sync::Arc;
use std::time::Duration;

use super::decision::Decision;
use super::event::Effect;
use super::marks::Marks;
use super::phases::PhasePlan;
use super::sighting::UpdateIds;
use super::update::Update;
use crate::measure::{
    Answer, DeviceTimes, Happening, Invariant, Measurements, MessageKind, Recorder, Settled, TraceEvent, Tracer, Truth,
    WaveCount,
};
use crate::policy::{Arrivals, DeviceIds, DeviceRange, Diagonal, FirmwareStatus, Hit, Outcome, Rollout, Series};
use crate::time::Nanos;

/// The driver's recorder, with what it joins and whom it tells.
#[derive(Debug)]
pub(super) struct Scribe {
    recorder: Recorder,
    /// What updates before this number do: it is counted, and in no other figure.
    settling: Recorder,
    first_measured: u64,
    /// How many others there are.
    measured: u64,
    truth: Option<Arc<Truth>>,
    tracer: Option<Arc<Tracer>>,
    ids: Option<UpdateIds>,
    /// Whether the hub makes the calls, so that none of them can be measured.
    by_job: bool,
    devices: DeviceIds,
    diagonal: Diagonal,
    load_start: Nanos,
    /// Where the run is a drill.
    phases: Option<PhasePlan>,
    /// Whether each report is delivered by itself.
    is_told: bool,
    swallow: u32,
    /// Whether somebody wants to know everything, and the answer that is being handled then.
    tells: bool,
    answer: Option<Answer>,
    /// The waves that updates are counted by, where there are any.
    rollout: Option<Rollout>,
}

/// What a scribe is given.
#[derive(Debug)]
pub(super) struct Sources {
    /// What the devices did, where that is known.
    pub(super) truth: Option<Arc<Truth>>,
    /// Who follows a device.
    pub(super) tracer: Option<Arc<Tracer>>,
    /// How update ids are written, where calls carry one.
    pub(super) ids: Option<UpdateIds>,
    /// The devices' ids.
    pub(super) devices: DeviceIds,
    /// By what updates are judged.
    pub(super) diagonal: Diagonal,
    /// Whether the hub makes the calls, so that none of them can be measured.
    pub(super) by_job: bool,
    /// Where the run is a drill: what is written down by phase.
    pub(super) phases: Option<PhasePlan>,
    /// Whether each report is delivered by itself, rather than looked for in twins.
    pub(super) is_told: bool,
    /// Whether every event is told.
    pub(super) events: bool,
    /// The first so many outcomes are forgotten, to prove that the census tells.
    pub(super) swallow: u32,
}

impl Scribe {
    /// A scribe.
    pub(super) fn new(sources: Sources) -> Self {
        let Sources { truth, tracer, ids, devices, diagonal, by_job, phases, is_told, events, swallow } = sources;
        let recorder = Recorder::default();
        Self {
            recorder,
            settling: Recorder::default(),
            first_measured: 0,
            measured: 0,
            truth,
            tracer,
            ids,
            devices,
            diagonal,
            load_start: Nanos::ZERO,
            by_job,
            phases,
            is_told,
            swallow,
            tells: events,
            answer: None,
            rollout: None,
        }
    }

    /// The load starts at `at`.
    pub(super) const fn load_starts(&mut self, at: Nanos) {
        self.load_start = at;
    }

    /// Counts what is planned, and gives it, with what is planned to settle; in a `rollout` by wave, too.
    pub(super) fn plan(&mut self, arrivals: &Arrivals, rollout: Option<Rollout>) -> u64 {
        let (planned, settling) = (arrivals.planned(), arrivals.settling());
        self.first_measured = arrivals.first_measured();
        self.measured = planned - settling;
        self.recorder.plan(self.measured);
        self.settling.plan(settling);
        self.rollout = rollout;
        for (wave, planned) in (0..).zip(arrivals.planned_by_wave()) {
            self.recorder.wave(wave).planned += planned;
        }
        planned
    }

    /// The wave of `update`, to count in.
    fn wave(&mut self, update: &Update) -> Option<&mut WaveCount> {
        let wave = self.rollout.as_ref()?.wave_of(update.number());
        Some(self.recorder.wave(wave))
    }

    /// The recorder, for what belongs to no single update.
    pub(super) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Hands over everything since the last time.
    pub(super) fn take(&mut self) -> Measurements {
        let mut measurements = self.recorder.take();
        if self.first_measured > 0 {
            let Measurements { census, counters, invariants, faults, .. } = self.settling.take();
            // What must hold of every update must hold of these, and faults strike them too.
            measurements.invariants.merge(&invariants);
            for (fault, counts) in &faults {
                measurements.faults.entry(*fault).or_default().merge(counts);
            }
            let settled = Settled { census, calls_due: counters.calls_due, calls_sent: counters.calls_sent };
            measurements.settled.merge(&settled);
        }
        measurements
    }

    /// Whether the update of this number is there to settle.
    pub(super) const fn is_settling(&self, update: u64) -> bool {
        update < self.first_measured
    }

    /// Where it is written down what the update of this number does.
    pub(super) fn book(&mut self, update: u64) -> &mut Recorder {
        if self.is_settling(update) { &mut self.settling } else { &mut self.recorder }
    }

    /// Whether somebody follows `device`.
    pub(super) fn follows(&self, device: u32) -> bool {
        self.tracer.as_ref().is_some_and(|tracer| tracer.follows(device))
    }

    /// Tells whoever follows `device`.
    pub(super) fn note(&self, device: u32, now: Nanos, event: impl FnOnce() -> TraceEvent) {
        if let Some(tracer) = &self.tracer {
            tracer.note(device, now, event);
        }
    }

    /// The faults, bit by bit, that afflict `device` now. A device that is away learns of no update, so that it is here
    /// that its update is counted as hit.
    pub(super) fn afflictions(&self, device: u32) -> u64 {
        self.truth.as_ref().map_or(0, |truth| truth.afflictions(device))
    }

    /// The faults, bit by bit, that have afflicted `device` since it was called.
    pub(super) fn felt(&self, device: u32) -> u64 {
        self.truth.as_ref().map_or(0, |truth| truth.felt(device))
    }

    /// The call was due at `due`.
    pub(super) fn due(&mut self, now: Nanos, device: u32, update: u64, due: Nanos) {
        self.book(update).counters().calls_due += 1;
        if let Some(phases) = &self.phases {
            phases.due(&mut self.recorder, due.since(self.load_start));
        }
        self.note(device, now, || TraceEvent::Due);
    }

    /// An attempt was handed to the client, so long after its due time if the schedule has one.
    pub(super) fn sent(&mut self, now: Nanos, device: u32, update: &Update, lag: Option<Duration>) {
        self.book(update.number()).retries().method.attempts += 1;
        if update.attempts() == 1 {
            self.book(update.number()).sent(now);
            if let Some(truth) = self.truth.as_ref().filter(|_| !self.diagonal.is_empty()) {
                truth.called(device);
            }
            if let Some(wave) = self.wave(update) {
                wave.call(now);
            }
            if let Some(lag) = lag {
                self.record(update, Series::ScheduleLag, lag);
            }
        }
        self.tell(now, device, update, || Happening::Called { attempt: update.attempts(), lag });
        self.note(device, now, || TraceEvent::CallSent { attempt: update.attempts() });
    }

    /// Writes down one effect on `update`.
    pub(super) fn effect(&mut self, now: Nanos, device: u32, update: &Update, marks: &mut Marks, effect: &Effect) {
        self.tell_effect(now, device, update, effect);
        match effect {
            Effect::Call | Effect::ReadTwin => {}
            Effect::Attempt { .. } | Effect::Response { .. } if self.by_job => {}
            Effect::Attempt { failed, service } => {
                let series = if *failed { Series::MethodServiceError } else { Series::MethodService };
                self.record(update, series, *service);
                self.delivery(device, update);
            }
            Effect::Response { failed, response } => {
                let series = if *failed { Series::MethodResponseError } else { Series::MethodResponse };
                self.record(update, series, *response);
            }
            Effect::Seen { status, version, transition } => {
                self.book(update.number()).invariants().checked(Invariant::ForwardOnly);
                self.seen(now, device, update, *status, *transition);
                self.note(device, now, || TraceEvent::Seen { status: *status, version: *version });
            }
            Effect::SeenLate => self.book(update.number()).counters().seen_late += 1,
            Effect::Late => self.book(update.number()).counters().late += 1,
            Effect::Decided(decision) => {
                self.decided(update, *decision);
                if let Some(invariant) = decision.breaks() {
                    self.broken(device, update, marks, invariant, decision);
                }
                self.note(device, now, || TraceEvent::Decision(decision.to_string()));
            }
            Effect::Ended { outcome, detail } => self.ended(now, device, update, marks, *outcome, detail),
        }
    }

    /// A call that failed is tried again, or has failed for good; in doubt that is said twice.
    fn decided(&mut self, update: &Update, decision: Decision) {
        let counts = &mut self.book(update.number()).retries().method;
        match decision {
            Decision::Retry(_, wait) => counts.retry(wait),
            Decision::Doubt(_) => counts.give_ups += 1,
            Decision::GiveUp(failure) if failure.failure().is_some() && !update.is_doubted() => counts.give_ups += 1,
            _ => {}
        }
    }

    /// The attempt that reached the device is the one sent last before the device received the call.
    fn delivery(&mut self, device: u32, update: &Update) {
        let received = self.of(device, update).and_then(|times| times.received);
        if let Some(received) = received.filter(|&received| received >= update.sent_at()) {
            self.record(update, Series::MethodDelivery, received.since(update.sent_at()));
        }
    }

    fn seen(&mut self, now: Nanos, device: u32, update: &Update, status: FirmwareStatus, transition: Option<Duration>) {
        if let Some(transition) = transition {
            self.record(update, Series::Transition(status), transition);
        }
        if let Some(published) = self.published(device, update, status) {
            self.record(update, Series::TwinVisible(status), now.since(published));
        }
    }

    fn ended(&mut self, now: Nanos, device: u32, update: &Update, marks: &mut Marks, outcome: Outcome, detail: &str) {
        if let Some(truth) = self.truth.as_ref().filter(|_| update.attempts() > 0 && !self.diagonal.is_empty()) {
            truth.ended(device, &self.carried_id(update));
        }
        let times = self.of(device, update);
        self.ends_once(device, update, marks, outcome);
        let total = now.since(update.due());
        match outcome {
            Outcome::Completed => {
                self.record(update, Series::UpdateTotal, total);
                if let Some(times) = times {
                    self.record(update, Series::UpdateOverhead, total.saturating_sub(times.chosen));
                }
            }
            Outcome::Failed | Outcome::RolledBack => self.record(update, Series::UpdateTotalError, total),
            _ => {}
        }
        self.note(device, now, || TraceEvent::Ended { outcome, detail: detail.to_owned() });
        // A wave must come to its end whatever is forgotten.
        if let Some(wave) = self.wave(update) {
            wave.end(outcome);
        }
        if self.swallow > 0 {
            self.swallow -= 1;
            return;
        }
        self.judge(now, device, update, marks, times, outcome, detail);
        if let Some(phases) = &self.phases {
            phases.ended(&mut self.recorder, update.due().since(self.load_start), outcome, detail);
        }
    }

    /// A duration of `update`.
    fn record(&mut self, update: &Update, series: Series, duration: Duration) {
        self.book(update.number()).record(series, duration);
        if let Some(phases) = &self.phases {
            phases.record(&mut self.recorder, update.due().since(self.load_start), series, duration);
        }
    }

    /// So many updates end in `outcome` before they were called; `dues` are the times of those that would have been some
    /// time, and are asked for only in a drill.
    pub(super) fn uncalled(
        &mut self,
        now: Nanos,
        range: DeviceRange,
        outcome: Outcome,
        count: u64,
        dues: impl Iterator<Item = Nanos>,
    ) {
        if count == 0 {
            return;
        }
        let detail = Update::stopped_uncalled(outcome);
        // Whoever is followed waits for one of them, if for any.
        if let Some(device) = range.iter().find(|device| self.follows(*device)) {
            self.note(device, now, || TraceEvent::Ended { outcome, detail: detail.to_owned() });
        }
        // The last of the schedule are never called: those to settle only where there are no others left.
        let count = count - self.uncalled_settling(outcome, detail, count);
        let swallowed = count.min(u64::from(self.swallow));
        self.swallow -= u32::try_from(swallowed).unwrap_or(self.swallow);
        self.recorder.outcomes(outcome, detail, count - swallowed);
        self.tell_uncalled(now, range.start, outcome, detail, count - swallowed);
        if !self.diagonal.is_empty() {
            self.recorder.judged().add(Hit::None, outcome, count - swallowed);
        }
        if let Some(phases) = &self.phases {
            for due in dues.map(|due| due.since(self.load_start)) {
                phases.due(&mut self.recorder, due);
                phases.ended(&mut self.recorder, due, outcome, detail);
            }
        }
    }

    /// Counts those of `uncalled` updates that were there to settle.
    fn uncalled_settling(&mut self, outcome: Outcome, detail: &str, uncalled: u64) -> u64 {
        if self.first_measured == 0 {
            return 0;
        }
        let settling = uncalled.saturating_sub(self.measured);
        self.settling.outcomes(outcome, detail, settling);
        settling
    }

    /// Counts the reports of `update` that the hub was given and never delivered, where each is to be delivered.
    pub(super) fn undelivered(&mut self, device: u32, update: &Update) {
        let missing = self.missing(device, update);
        if missing > 0 {
            self.recorder.messages(MessageKind::Report).undelivered += missing;
        }
    }

    /// The reports of `update` that the hub was given and has not delivered, where each is to be delivered.
    pub(super) fn missing(&self, device: u32, update: &Update) -> u64 {
        if !self.is_told || update.attempts() == 0 {
            return 0;
        }
        // `standBy` is no part of an update.
        let stages = !(1 << FirmwareStatus::StandBy as u8);
        let handed_over = self.of(device, update).map_or(0, |times| times.handed_over & stages);
        u64::from((handed_over & !update.delivered()).count_ones())
    }

    /// When the device published `status`, where that is known.
    fn published(&self, device: u32, update: &Update, status: FirmwareStatus) -> Option<Nanos> {
        self.of(device, update)?.published[status as usize]
    }

    fn of(&self, device: u32, update: &Update) -> Option<DeviceTimes> {
        self.truth.as_ref()?.of(device, &self.carried_id(update))
    }

    /// The id that the device knows the update by: a call without one is known by an empty one.
    fn carried_id(&self, update: &Update) -> String {
        self.ids.as_ref().map(|ids| ids.id(update.named())).unwrap_or_default()
    }
}
