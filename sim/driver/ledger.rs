//! All updates of a range of devices: when each is called, what their twins show, what is to be done next. Pure, as
//! the updates themselves are; every method takes the present moment.

use std::collections::{BTreeSet, VecDeque};
use std::iter::Peekable;
use std::time::Duration;

use super::answer::in_words;
use super::board::Board;
use super::event::{Effect, Input, Rules};
use super::scribe::Scribe;
use super::update::Update;
use crate::dialect::{MethodAnswer, TwinReport};
use crate::measure::{Gauges, TraceEvent};
use crate::policy::{Arrival, Arrivals, DeviceIds, DeviceRange, Load, Outcome};
use crate::time::Nanos;

/// A call that the generator's own loop comes to so late is dropped: it would no longer be the planned load.
const TOO_LATE: Duration = Duration::from_secs(1);

/// What the edge is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Send the call of this device, and say so with [`Ledger::sent`] and [`Ledger::answered`].
    Call(u32),
    /// Read the twin of this device, and answer with [`Ledger::read`].
    Read(u32),
}

/// The part of a fleet's load that a ledger takes.
#[derive(Debug)]
pub(super) struct Part {
    /// The devices' ids.
    pub(super) ids: DeviceIds,
    /// Its devices.
    pub(super) range: DeviceRange,
    /// Devices in the whole fleet.
    pub(super) devices: u32,
    /// The whole fleet's load.
    pub(super) load: Load,
    /// Calls in flight at once.
    pub(super) max_in_flight: u32,
    /// Whether twins are polled, so that [`Ledger::next_observed`] is wanted.
    pub(super) polls: bool,
}

/// The updates of a range of devices.
#[derive(Debug)]
pub(super) struct Ledger {
    rules: Rules,
    ids: DeviceIds,
    range: DeviceRange,
    load: Load,
    /// Updates in progress at once in a closed load.
    share: u32,
    max_in_flight: u32,
    slots: Vec<Slot>,
    arrivals: Peekable<Arrivals>,
    start: Option<Nanos>,
    wakes: BTreeSet<(Nanos, u32)>,
    /// Retries that wait for a call to end; a device stands there at most once.
    backlog: VecDeque<u32>,
    in_flight: u32,
    in_progress: u32,
    planned: u32,
    ended: u32,
    stopped: bool,
    board: Board,
    /// Devices whose observation began since the last [`Ledger::next_observed`]; kept where twins are polled.
    observed: Option<VecDeque<u32>>,
    actions: VecDeque<Action>,
    effects: Vec<Effect>,
    scribe: Scribe,
}

/// One device.
#[derive(Debug, Default)]
struct Slot {
    update: Option<Update>,
    /// The faults, bit by bit, that kept it offline when it was called.
    offline: u64,
}

impl Ledger {
    /// A ledger in which nothing has happened yet.
    pub(super) fn new(rules: Rules, part: Part, mut scribe: Scribe) -> Self {
        let Part { ids, range, devices, load, max_in_flight, polls } = part;
        let arrivals = Arrivals::new(rules.seed, &load, devices, range).peekable();
        // Each device of the range is called once.
        let planned = DeviceRange { start: range.start, end: range.end.min(devices) };
        let planned = if planned.is_empty() { 0 } else { planned.len() };
        scribe.recorder().plan(u64::from(planned));
        let share = match load {
            Load::Open { .. } => 0,
            // A part to which no call falls must still end its updates, and knows of no other part that has ended its
            // own. So each part takes one at least: a load with fewer calls than parts has as many calls as parts.
            Load::Closed { in_flight } => {
                Load::in_flight_share(in_flight, range.start, range.start + planned, devices).max(1)
            }
        };
        Self {
            rules,
            ids,
            range,
            load,
            share,
            max_in_flight,
            slots: range.iter().map(|_| Slot::default()).collect(),
            arrivals,
            start: None,
            wakes: BTreeSet::new(),
            backlog: VecDeque::new(),
            in_flight: 0,
            in_progress: 0,
            planned,
            ended: 0,
            stopped: false,
            board: Board::new(range),
            observed: polls.then(VecDeque::new),
            actions: VecDeque::new(),
            effects: Vec::new(),
            scribe,
        }
    }

    /// The load starts at `at`.
    pub(super) fn begin(&mut self, at: Nanos) {
        self.start.get_or_insert(at);
    }

    /// When [`Ledger::tick`] has something to do.
    pub(super) fn wake(&mut self) -> Option<Nanos> {
        let start = self.start;
        let due = match self.load {
            Load::Open { .. } => self.arrivals.peek().and_then(|arrival| Some(start? + arrival.due)),
            Load::Closed { .. } if self.has_room() => self.arrivals.peek().and(start),
            Load::Closed { .. } => None,
        };
        let wake = self.wakes.first().map(|&(at, _)| at);
        due.into_iter().chain(wake).min()
    }

    /// Calls what is due and lets deadlines pass.
    pub(super) fn tick(&mut self, now: Nanos) {
        while let Some(&(at, device)) = self.wakes.first()
            && at <= now
        {
            self.handle(now, device, Input::Time);
        }
        let Some(start) = self.start else { return };
        match self.load {
            Load::Open { .. } => {
                while let Some(arrival) = self.arrivals.next_if(|arrival| start + arrival.due <= now) {
                    self.due(now, arrival, start + arrival.due);
                }
            }
            // A closed load has no due times: a call is due when there is room for it.
            Load::Closed { .. } => {
                while start <= now
                    && self.has_room()
                    && let Some(arrival) = self.arrivals.next()
                {
                    self.due(now, arrival, now);
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
        let offline = self.scribe.offline_fault(device);
        if let Some(slot) = slot(&mut self.slots, self.range, device)
            && let Some(update) = &slot.update
        {
            slot.offline |= offline.map_or(0, |fault| 1 << fault);
            // A closed load has no due times that a call could be late for.
            let lag = matches!(self.load, Load::Open { .. }).then(|| now.since(update.due()));
            self.scribe.sent(now, device, update, lag);
        }
        true
    }

    /// The call of `device` was answered, or failed.
    pub(super) fn answered(&mut self, now: Nanos, device: u32, answer: &MethodAnswer) {
        self.scribe.note(device, now, || TraceEvent::CallAnswered(in_words(answer)));
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

    /// The observer received `report` at `now`.
    pub(super) fn look(&mut self, now: Nanos, report: &TwinReport) {
        let Some(device) = self.ids.device(&report.device_id) else { return };
        if self.board.learn(device, report) {
            self.handle(now, device, Input::Report(report));
        }
    }

    /// The twin of `device` that an action asked for; `None` if it could not be read.
    pub(super) fn read(&mut self, now: Nanos, device: u32, report: Option<&TwinReport>) {
        if let Some(report) = report {
            self.board.learn(device, report);
        }
        self.handle(now, device, Input::Read(report));
    }

    /// Ends everything that has not ended yet in `outcome`.
    pub(super) fn stop(&mut self, now: Nanos, outcome: Outcome) {
        self.stopped = true;
        for device in self.range.iter() {
            self.handle(now, device, Input::Stop(outcome));
        }
        let start = self.start.unwrap_or(now);
        while let Some(arrival) = self.arrivals.next() {
            self.plan(arrival, start + arrival.due);
            self.handle(now, arrival.device, Input::Stop(outcome));
        }
        self.actions.clear();
        self.backlog.clear();
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
        self.ended >= self.planned && (self.in_flight == 0 || self.stopped)
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
        self.slots.get(device.checked_sub(self.range.start)? as usize)?.update.as_ref()
    }

    fn has_room(&self) -> bool {
        self.in_progress < self.share && self.in_flight < self.max_in_flight
    }

    fn plan(&mut self, arrival: Arrival, due: Nanos) {
        self.in_progress += 1;
        if let Some(slot) = slot(&mut self.slots, self.range, arrival.device) {
            slot.update = Some(Update::new(arrival.update, due));
        }
    }

    fn due(&mut self, now: Nanos, arrival: Arrival, due: Nanos) {
        self.plan(arrival, due);
        self.scribe.due(now, arrival.device);
        let device = arrival.device;
        if now.since(due) > TOO_LATE {
            self.scribe.recorder().counters().dropped += 1;
            return self.handle(now, device, Input::Refused("generator_late"));
        }
        if self.in_flight >= self.max_in_flight {
            return self.handle(now, device, Input::Refused("max_in_flight"));
        }
        self.handle(now, device, Input::Due(self.board.baseline(device)));
    }

    /// Sends the call of `device`, or lets it wait until another has ended.
    fn call(&mut self, device: u32) {
        if !self.update(device).is_some_and(Update::wants_call) {
            return;
        }
        if self.in_flight < self.max_in_flight {
            self.in_flight += 1;
            self.actions.push_back(Action::Call(device));
        } else {
            self.backlog.push_back(device);
        }
    }

    fn handle(&mut self, now: Nanos, device: u32, input: Input<'_>) {
        let Some(slot) = slot(&mut self.slots, self.range, device) else { return };
        let Some(update) = &mut slot.update else { return };
        let (wake, observed) = (update.wake(), update.is_observed());
        let mut effects = std::mem::take(&mut self.effects);
        update.handle(now, input, &self.rules, &mut effects);
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
            self.scribe.effect(now, device, update, slot.offline, effect);
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Call => self.call(device),
                Effect::ReadTwin => self.actions.push_back(Action::Read(device)),
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

fn slot(slots: &mut [Slot], range: DeviceRange, device: u32) -> Option<&mut Slot> {
    slots.get_mut(device.checked_sub(range.start)? as usize)
}

#[cfg(test)]
mod tests;
