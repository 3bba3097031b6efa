//! All updates of a range of devices: when each is called, what their twins show, what is to be done next. Pure, as
//! the updates themselves are; every method takes the present moment.

mod slot;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::board::{Board, News};
use super::event::{Effect, Input, Rules};
use super::marks::Marks;
use super::part::{Action, Part};
use super::schedule::Schedule;
use super::scribe::Scribe;
use super::update::Update;
use crate::dialect::azure::rest::DeltaRow;
use crate::dialect::{MethodAnswer, TwinReport};
use crate::measure::Gauges;
use crate::policy::{Arrival, Arrivals, DeviceIds, DeviceRange, Load, Outcome, RetryPolicy};
use crate::time::Nanos;
use slot::{Slot, place, slot};

/// A call that the generator's own loop comes to so late is dropped: it would no longer be the planned load.
const TOO_LATE: Duration = Duration::from_secs(1);

/// The updates of a range of devices.
#[derive(Debug)]
pub(super) struct Ledger {
    rules: Rules,
    /// Of updates that are there to settle: what is refused must not come again while others are measured.
    settling: Rules,
    ids: DeviceIds,
    range: DeviceRange,
    load: Load,
    /// Updates in progress at once in a closed load.
    share: u32,
    max_in_flight: u32,
    job_devices: Option<u32>,
    /// Devices of the job that is being put together.
    gathered: Vec<u32>,
    /// One place for each device; what stands there is made when the device is called.
    slots: Vec<Option<Box<Slot>>>,
    schedule: Schedule,
    wakes: BTreeSet<(Nanos, u32)>,
    /// Retries that wait for a call to end; a device stands there at most once.
    backlog: VecDeque<u32>,
    in_flight: u32,
    in_progress: u32,
    planned: u64,
    ended: u64,
    stopped: bool,
    lasts: Duration,
    /// When the load has lasted as long as it is to, once that is known; and whether it has.
    lasts_until: Option<Nanos>,
    has_lasted: bool,
    board: Board,
    /// Devices whose observation began since the last [`Ledger::next_observed`]; kept where twins are polled.
    observed: Option<VecDeque<u32>>,
    actions: VecDeque<Action>,
    effects: Vec<Effect>,
    scribe: Scribe,
}

impl Ledger {
    /// A ledger in which nothing has happened yet.
    pub(super) fn new(rules: Rules, part: Part, mut scribe: Scribe) -> Self {
        let Part { ids, range, devices, updates, settle, lasts, load, rollout, max_in_flight, job_devices, polls } =
            part;
        let arrivals = Arrivals::new(rules.seed, &load, devices, updates, range);
        let arrivals = arrivals.settled_by(&load, settle.as_ref()).in_waves(rules.seed, &load, rollout.as_ref());
        let planned = scribe.plan(&arrivals, rollout);
        let share = match load {
            Load::Open { .. } => 0,
            // A part to which no call falls must still end its updates, and knows of no other part that has ended its
            // own. So each part takes one at least: a load with fewer calls than parts has as many calls as parts.
            Load::Closed { in_flight } => {
                Load::in_flight_share(in_flight, range.start, range.end.min(devices).max(range.start), devices).max(1)
            }
        };
        Self {
            settling: Rules { retry: RetryPolicy::NEVER, ..rules.clone() },
            rules,
            ids,
            range,
            load,
            share,
            max_in_flight,
            job_devices,
            gathered: Vec::new(),
            slots: range.iter().map(|_| None).collect(),
            schedule: Schedule::new(arrivals),
            wakes: BTreeSet::new(),
            backlog: VecDeque::new(),
            in_flight: 0,
            in_progress: 0,
            planned,
            ended: 0,
            stopped: false,
            lasts,
            lasts_until: None,
            // Where nothing is planned, it must start before it can be over.
            has_lasted: lasts.is_zero() && (planned > 0 || range.is_empty()),
            board: Board::new(range),
            observed: polls.then(VecDeque::new),
            actions: VecDeque::new(),
            effects: Vec::new(),
            scribe,
        }
    }

    /// A wave is released at `at`, the first as the load starts; out of its turn it is not.
    pub(super) fn release_wave(&mut self, wave: u32, at: Nanos) {
        if self.schedule.release(wave, at) && wave == 0 {
            self.scribe.load_starts(at);
            self.lasts_until = (!self.has_lasted).then(|| at + self.lasts);
        }
    }

    /// When [`Ledger::tick`] has something to do.
    pub(super) fn wake(&mut self) -> Option<Nanos> {
        let due = match self.load {
            Load::Open { .. } => self.schedule.next_due(),
            Load::Closed { .. } => self.schedule.release_of_next().filter(|_| self.has_room()),
        };
        let wake = self.wakes.first().map(|&(at, _)| at);
        due.into_iter().chain(wake).chain(self.lasts_until).min()
    }

    /// Calls what is due and lets deadlines pass.
    pub(super) fn tick(&mut self, now: Nanos) {
        self.has_lasted |= self.lasts_until.take_if(|until| *until <= now).is_some();
        while let Some(&(at, device)) = self.wakes.first()
            && at <= now
        {
            self.handle(now, device, Input::Time);
        }
        match self.load {
            Load::Open { .. } => {
                while let Some(due) = self.schedule.next_due().filter(|due| *due <= now)
                    && let Some(arrival) = self.schedule.take()
                {
                    self.due_by_schedule(now, arrival, due);
                }
            }
            // A closed load has no due times: a call is due when there is room for it and its device is free.
            Load::Closed { .. } => {
                while self.schedule.release_of_next().is_some_and(|release| release <= now)
                    && self.has_room()
                    && let Some(arrival) = self.schedule.take()
                {
                    self.due(now, arrival, now, None);
                }
            }
        }
    }

    /// The call of `device` is about to be handed to the client; whether it is to be. What the twin showed or a stop
    /// may have made it needless since its action was given; then there is nothing to answer.
    #[must_use]
    pub(super) fn sent(&mut self, now: Nanos, device: u32) -> bool {
        if !self.update(device).is_some_and(Update::wants_call) {
            self.release();
            return false;
        }
        self.handle(now, device, Input::Sent);
        if let Some(slot) = slot(&mut self.slots, self.range, device) {
            slot.marks.hit |= self.scribe.afflictions(device);
            // A closed load has no due times that a call could be late for.
            let lag = matches!(self.load, Load::Open { .. }).then(|| now.since(slot.update.due()));
            self.scribe.sent(now, device, &slot.update, lag);
        }
        true
    }

    /// The call of `device` was answered, or failed.
    pub(super) fn answered(&mut self, now: Nanos, device: u32, answer: &MethodAnswer) {
        let number = self.number(device);
        self.scribe.hears(now, device, number, answer);
        self.handle(now, device, Input::Answer(answer));
        self.release();
    }

    /// A call is no longer in flight; those that wait for room get on.
    fn release(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        while self.in_flight < self.max_in_flight
            && let Some(device) = self.backlog.pop_front()
        {
            self.call(device);
        }
    }

    /// The observer received `row` at `now`; it is read in full only if it is news.
    pub(super) fn glance(&mut self, now: Nanos, row: &DeltaRow<'_>) -> Result<(), serde_json::Error> {
        let Some(device) = self.ids.device(&row.device_id) else { return Ok(()) };
        match self.board.glance(device, row.connected(), row.version(), row.last_updated()) {
            News::New => self.look(now, &row.report()?),
            news => self.looked(now, device, news),
        }
        Ok(())
    }

    /// A device says whether it is connected.
    pub(super) fn present(&mut self, device: u32, online: bool) {
        // No version is older than every other.
        self.board.glance(device, Some(online), 0, None);
    }

    /// The observer received `report` at `now`.
    pub(super) fn look(&mut self, now: Nanos, report: &TwinReport) {
        let Some(device) = self.ids.device(&report.device_id) else { return };
        let news = self.board.learn(device, report);
        self.looked(now, device, news);
        if news == News::New {
            self.handle(now, device, Input::Report(report));
        }
    }

    /// A device's report came, after which its twin shows this; whether it is the first of its stage in the update that the
    /// device was called for last.
    pub(super) fn hear(&mut self, now: Nanos, report: &TwinReport) -> bool {
        let device = self.ids.device(&report.device_id);
        let delivered = |ledger: &Self| device.and_then(|device| ledger.update(device)).map(Update::delivered);
        let before = delivered(self);
        self.look(now, report);
        delivered(self) != before
    }

    /// When the latest call of `device` was due.
    pub(super) fn call_due(&self, device: u32) -> Option<Nanos> {
        self.update(device).map(Update::due)
    }

    /// A device's report came that a later one had overtaken, so that its twin shows that one; whether it came for the first
    /// time.
    pub(super) fn overtaken(&mut self, report: &TwinReport) -> bool {
        let device = self.ids.device(&report.device_id);
        let slot = device.and_then(|device| slot(&mut self.slots, self.range, device));
        slot.is_none_or(|slot| slot.update.overtaken(report, &self.rules))
    }

    /// Has written down that a twin was looked at.
    fn looked(&mut self, now: Nanos, device: u32, news: News) {
        let update = slot(&mut self.slots, self.range, device).map(|slot| &slot.update);
        self.scribe.looked(now, device, update, news);
    }

    /// The twin of `device` that an action asked for in the name of update `number`; `None` if it could not be read.
    /// If the device has got another update meanwhile, that one did not ask, and takes it for what it is.
    pub(super) fn read(&mut self, now: Nanos, device: u32, number: u64, report: Option<&TwinReport>) {
        if self.number(device) != Some(number) {
            return report.map_or((), |report| self.look(now, report));
        }
        if let Some(report) = report {
            let news = self.board.learn(device, report);
            self.looked(now, device, news);
        }
        self.handle(now, device, Input::Read(report));
    }

    /// Ends everything that has not ended yet in `outcome`.
    pub(super) fn stop(&mut self, now: Nanos, outcome: Outcome) {
        self.stopped = true;
        self.schedule.stop();
        for device in self.range.iter() {
            self.handle(now, device, Input::Stop(outcome));
        }
        // What was never called ends in one go: there may be a hundred million.
        let uncalled = self.planned - self.ended;
        self.ended = self.planned;
        self.scribe.uncalled(now, self.range, outcome, uncalled, self.schedule.rest());
        self.actions.clear();
        self.backlog.clear();
    }

    /// Nothing more is on its way: what never came has to be counted.
    pub(super) fn settle(&mut self) {
        for (device, slot) in self.range.iter().zip(&self.slots) {
            if let Some(slot) = slot {
                self.scribe.undelivered(device, &slot.update);
            }
        }
    }

    /// Reports that the hub has acknowledged and that have not come yet.
    pub(super) fn missing(&self) -> u64 {
        let slots = self.range.iter().zip(&self.slots);
        slots.filter_map(|(device, slot)| Some(self.scribe.missing(device, &slot.as_ref()?.update))).sum()
    }

    /// The next thing to do.
    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next device whose observation has begun.
    pub(super) fn next_observed(&mut self) -> Option<u32> {
        self.observed.as_mut()?.pop_front()
    }

    /// Whether [`Ledger::next_observed`] has something.
    pub(super) fn has_observed(&self) -> bool {
        self.observed.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    /// Whether the twin of `device` is worth polling.
    pub(super) fn is_observed(&self, device: u32) -> bool {
        self.update(device).is_some_and(Update::is_observed)
    }

    /// Number of the update of `device`, once it was due.
    pub(super) fn number(&self, device: u32) -> Option<u64> {
        self.update(device).map(Update::number)
    }

    /// Whether every planned update has ended. An update may end by what its twin shows before its call is answered;
    /// that answer belongs to the measurement and is waited for, except after a stop.
    pub(super) const fn is_finished(&self) -> bool {
        self.ended >= self.planned && ((self.in_flight == 0 && self.has_lasted) || self.stopped)
    }

    /// Calls in flight.
    pub(super) const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// What the observer knows of the devices.
    pub(super) const fn seen(&self) -> Gauges {
        self.board.gauges()
    }

    /// The scribe.
    pub(super) const fn scribe(&mut self) -> &mut Scribe {
        &mut self.scribe
    }

    fn update(&self, device: u32) -> Option<&Update> {
        let slot = self.slots.get(device.checked_sub(self.range.start)? as usize)?;
        slot.as_ref().map(|slot| &slot.update)
    }

    /// Whether an earlier update of `device` is not over yet.
    fn is_busy(&self, device: u32) -> bool {
        self.update(device).is_some_and(Update::is_busy)
    }

    /// Whether a closed load may start its next update: there is one, and its device is free.
    fn has_room(&mut self) -> bool {
        if self.in_progress >= self.share || self.in_flight >= self.max_in_flight {
            return false;
        }
        let next = self.schedule.peek().map(|arrival| arrival.device);
        next.is_some_and(|device| !self.is_busy(device))
    }

    /// A job is due when the first of its updates is; the others of its wave come with it.
    fn due_by_schedule(&mut self, now: Nanos, first: Arrival, due: Nanos) {
        let Some(devices) = self.job_devices else { return self.due(now, first, due, None) };
        self.due(now, first, due, Some(first.update));
        for _ in 1..devices {
            let Some(arrival) = self.schedule.take_of(first.wave) else { break };
            self.due(now, arrival, due, Some(first.update));
        }
        let gathered = std::mem::take(&mut self.gathered);
        if !gathered.is_empty() {
            self.actions.push_back(Action::Job(first.update, gathered));
        }
    }

    /// The call of an update is due, by itself or as part of the job that is named after update `job`.
    fn due(&mut self, now: Nanos, arrival: Arrival, due: Nanos, job: Option<u64>) {
        let device = arrival.device;
        self.scribe.due(now, device, arrival.update, due);
        if now.since(due) > TOO_LATE {
            self.scribe.book(arrival.update).counters().dropped += 1;
            return self.end_uncalled(now, arrival, due, Input::Refused("generator_late"));
        }
        if self.is_busy(device) {
            return self.end_uncalled(now, arrival, due, Input::Refused("device_busy"));
        }
        if self.in_flight >= self.max_in_flight {
            return self.end_uncalled(now, arrival, due, Input::Refused("max_in_flight"));
        }
        let Some(place) = place(&mut self.slots, self.range, device) else {
            // None of the schedule's devices is outside the range; if one were, it would be counted all the same.
            return self.end_uncalled(now, arrival, due, Input::Refused("unknown_device"));
        };
        let update = Update::new(arrival.update, due).in_job(job.unwrap_or(arrival.update));
        self.scribe.tell_due(device, &update);
        if let Some(before) = place {
            self.scribe.undelivered(device, &before.update);
        }
        let marks = place.as_ref().map(|slot| slot.marks.next()).unwrap_or_default();
        *place = Some(Box::new(Slot { update, marks }));
        self.in_progress += 1;
        self.handle(now, device, Input::Due(self.board.baseline(device)));
    }

    /// Ends an update that is never called; its device may have an earlier one, which goes on.
    fn end_uncalled(&mut self, now: Nanos, arrival: Arrival, due: Nanos, input: Input<'_>) {
        let mut update = Update::new(arrival.update, due);
        self.scribe.tell_due(arrival.device, &update);
        update.handle(now, input, &self.rules, &mut self.effects);
        for effect in self.effects.drain(..) {
            self.scribe.effect(now, arrival.device, &update, &mut Marks::default(), &effect);
        }
        self.ended += 1;
    }

    /// Sends the call of `device`, or lets it wait until another has ended.
    fn call(&mut self, device: u32) {
        if !self.update(device).is_some_and(Update::wants_call) {
            return;
        }
        if self.in_flight < self.max_in_flight {
            self.in_flight += 1;
            match self.job_devices {
                None => self.actions.push_back(Action::Call(device)),
                Some(_) => self.gathered.push(device),
            }
        } else {
            self.backlog.push_back(device);
        }
    }

    fn handle(&mut self, now: Nanos, device: u32, input: Input<'_>) {
        let Some(slot) = slot(&mut self.slots, self.range, device) else { return };
        let update = &mut slot.update;
        let (wake, observed) = (update.wake(), update.is_observed());
        let mut effects = std::mem::take(&mut self.effects);
        let rules = if self.scribe.is_settling(update.number()) { &self.settling } else { &self.rules };
        update.handle(now, input, rules, &mut effects);
        if update.wake() != wake {
            wake.map(|at| self.wakes.remove(&(at, device)));
            update.wake().map(|at| self.wakes.insert((at, device)));
        }
        // A device leaves observation to be read and may come back; it stands here once at a time.
        if let Some(queue) = self.observed.as_mut()
            && update.is_observed()
            && !observed
        {
            queue.push_back(device);
        }
        for effect in &effects {
            self.scribe.effect(now, device, update, &mut slot.marks, effect);
        }
        let number = update.number();
        for effect in effects.drain(..) {
            match effect {
                Effect::Call => self.call(device),
                Effect::ReadTwin => self.actions.push_back(Action::Read(device, number)),
                Effect::Ended { .. } => {
                    self.ended += 1;
                    self.in_progress = self.in_progress.saturating_sub(1);
                }
                _ => {}
            }
        }
        self.effects = effects;
    }
}

#[cfg(test)]
mod tests;
