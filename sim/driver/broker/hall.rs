//! What the lines of a driver share: who is called and waits for an answer, and what is known of each device.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout, timeout_at};

use super::calls::Calls;
use super::deliveries::Deliveries;
use super::line::{self, Line};
use super::open::{self, LineError};
use super::settings::BrokerSettings;
use super::share::{Sharing, before_asking};
use crate::dialect::{FIRMWARE_UPDATE, MethodAnswer, ObservedTwin, Presence, Scope, TwinReport};
use crate::driver::LineShare;
use crate::driver::shared::Shared;
use crate::measure::MessageKind;
use crate::mqtt::Scratch;
use crate::policy::{DeviceIds, DeviceRange};
use crate::time::Nanos;

/// How often it is looked whether something has come, and after how long without anything no more is expected.
const LOOK: Duration = Duration::from_millis(20);
const QUIET: Duration = Duration::from_secs(3);
/// How long what devices said of being connected may take to be told again once a line is back.
const RETOLD: Duration = Duration::from_secs(5);

/// The line that takes the presence of all devices where lines do not share by device: what is retained goes to no group.
const PRESENCE: usize = 0;

/// A broker as a driver knows it.
#[derive(Debug)]
pub(in crate::driver) struct Broker {
    pub(super) settings: BrokerSettings,
    pub(super) range: DeviceRange,
    pub(super) lines: Vec<Line>,
    pub(super) calls: RefCell<Calls>,
    /// One for each device of the range.
    pub(super) twins: RefCell<Vec<ObservedTwin>>,
    /// Of telemetry; one for each device of the range, where any is wanted.
    pub(super) deliveries: RefCell<Vec<Deliveries>>,
    /// Who waits for which device to say whether it is connected.
    listeners: RefCell<HashMap<u32, Vec<oneshot::Sender<()>>>>,
    pub(super) sharing: Cell<Sharing>,
    pub(super) scratch: RefCell<Scratch>,
    /// Whether the lines are to say good-bye.
    pub(super) closing: Cell<bool>,
}

impl Broker {
    /// One that no line leads to yet, for the devices of `range`; `run_id` names the run.
    pub(in crate::driver) fn new(settings: BrokerSettings, range: DeviceRange, run_id: &str) -> Self {
        let name = format!("{run_id}-{}", range.start);
        let lines = (0..settings.lines.connections.max(1)).map(|number| Line::new(&name, number)).collect();
        let twins = range.iter().map(|_| ObservedTwin::default()).collect();
        let deliveries = range.iter().filter(|_| settings.telemetry).map(|_| Deliveries::default()).collect();
        Self {
            range,
            lines,
            calls: RefCell::new(Calls::new(format!("{name}-"))),
            twins: RefCell::new(twins),
            deliveries: RefCell::new(deliveries),
            listeners: RefCell::default(),
            sharing: Cell::new(Sharing::All),
            scratch: RefCell::default(),
            closing: Cell::new(false),
            settings,
        }
    }

    /// Opens all lines, and waits until each is subscribed to what it is to hear.
    pub(in crate::driver) async fn open(&self, shared: &Rc<Shared>) -> Result<(), LineError> {
        let sharing = match before_asking(self.settings.lines, self.settings.has_others) {
            Some(sharing) => sharing,
            None if open::has_groups(self, &shared.clock).await? => Sharing::Group,
            None if self.settings.lines.share == LineShare::Group => return Err(LineError::NoGroups),
            None => Sharing::Devices,
        };
        self.sharing.set(sharing);
        let mut opening = Vec::new();
        for number in 0..self.lines.len() {
            let (tell, told) = oneshot::channel();
            tokio::task::spawn_local(line::run(Rc::clone(shared), number, tell));
            opening.push(told);
        }
        for told in opening {
            told.await.unwrap_or(Err(LineError::Ended))?;
        }
        Ok(())
    }

    /// Waits until the driver has heard of as many devices as are `connected`, or of no more for a while.
    pub(in crate::driver) async fn hear_of(&self, shared: &Shared, connected: u32) {
        if !self.has_presence() {
            return;
        }
        let heard = || shared.ledger.borrow_mut().seen().connected;
        let mut last = (heard(), shared.clock.now());
        while heard() < connected && shared.clock.now().since(last.1) < QUIET {
            sleep_until(shared.clock.instant(shared.clock.now() + LOOK)).await;
            if heard() != last.0 {
                last = (heard(), shared.clock.now());
            }
        }
    }

    /// Waits until what devices have published has arrived and requests are acknowledged, or no more comes.
    pub(in crate::driver) async fn settle(&self, shared: &Shared) {
        let mut last = (self.awaited(shared), shared.clock.now());
        while last.0 > 0 && shared.clock.now().since(last.1) < QUIET {
            sleep_until(shared.clock.instant(shared.clock.now() + LOOK)).await;
            let awaited = self.awaited(shared);
            if awaited != last.0 {
                last = (awaited, shared.clock.now());
            }
        }
        let undelivered = self.undelivered(shared);
        if undelivered > 0 {
            shared.messages(MessageKind::Telemetry, |counts| counts.undelivered += undelivered);
        }
    }

    /// What may still come: telemetry, reports, and acknowledgements of requests.
    fn awaited(&self, shared: &Shared) -> u64 {
        let requests: u64 = self.lines.iter().map(|line| line.under_way.get()).sum();
        self.undelivered(shared) + shared.ledger.borrow().missing() + requests
    }

    /// Messages of telemetry that have not arrived, though their devices have not given them up. Where devices are of
    /// another process, only those are known that others have overtaken.
    fn undelivered(&self, shared: &Shared) -> u64 {
        let deliveries = self.deliveries.borrow();
        let missing = self.range.iter().zip(deliveries.iter()).map(|(device, deliveries)| {
            let truth = shared.truth.as_ref().map(|truth| truth.telemetry(device)).unwrap_or_default();
            // Which of the lost ones are not named is not known: at most so many of the missing are those.
            deliveries.undelivered(truth.sent, &truth.lost.named).saturating_sub(truth.lost.unnamed.into())
        });
        missing.sum()
    }

    /// Lets the lines say good-bye, and waits for that.
    pub(in crate::driver) async fn close(&self) {
        self.closing.set(true);
        for line in &self.lines {
            line.wake.notify_one();
        }
        for line in &self.lines {
            line.ended().await;
        }
    }

    /// The filters of line number `line`.
    pub(super) fn filters(&self, line: usize, ids: &DeviceIds) -> Vec<crate::mqtt::SubscribeFilter> {
        let BrokerSettings { dialect, telemetry, .. } = &self.settings;
        let own = self.range.iter().filter(|device| self.line_of(*device) == line);
        match self.sharing.get() {
            Sharing::Devices => {
                let mut filters = Vec::new();
                for device in own {
                    let id = ids.id(device);
                    filters.extend(dialect.presence(Scope::Device(&id)));
                    filters.extend(dialect.subscriptions(Scope::Device(&id), *telemetry));
                }
                filters
            }
            sharing => {
                let group = self.group();
                let scope = if sharing == Sharing::Group { Scope::Group(&group) } else { Scope::All };
                let presence = (line == PRESENCE).then(|| dialect.presence(Scope::All)).flatten();
                presence.into_iter().chain(dialect.subscriptions(scope, *telemetry)).collect()
            }
        }
    }

    /// The name of this driver's group.
    fn group(&self) -> String {
        self.lines.first().map(|line| line.group.clone()).unwrap_or_default()
    }

    fn line_of(&self, device: u32) -> usize {
        device as usize % self.lines.len().max(1)
    }

    /// The line that is told whether `device` is connected.
    fn presence_line(&self, device: u32) -> usize {
        match self.sharing.get() {
            Sharing::Devices => self.line_of(device),
            Sharing::All | Sharing::Group => PRESENCE,
        }
    }

    /// Calls `firmwareUpdate` on `device`: what came of it.
    pub(in crate::driver) async fn call(&self, shared: &Shared, device: u32, payload: Vec<u8>) -> MethodAnswer {
        let line = self.line_of(device);
        // Who has lost the broker cannot know who else has.
        if let Some(reason) = self.lines[line].why_down() {
            return MethodAnswer::Unreachable { reason };
        }
        if !self.is_reachable(shared, device).await {
            return match self.lines[line].why_down() {
                Some(reason) => MethodAnswer::Unreachable { reason },
                None => {
                    if self.is_unheard(shared, device) {
                        shared.unheard();
                    }
                    MethodAnswer::NotOnline
                }
            };
        }
        let (number, name, answer) = self.calls.borrow_mut().open(device, line);
        let id = shared.ids.id(device);
        let request = self.settings.dialect.request(&id, FIRMWARE_UPDATE, &name, payload.into());
        if let Err(reason) = self.lines[line].request(number, request) {
            self.calls.borrow_mut().close(number);
            return MethodAnswer::Unreachable { reason };
        }
        match timeout(shared.config.response_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => MethodAnswer::Broken { reason: "the driver's connection has ended".to_owned() },
            Err(_) => {
                self.calls.borrow_mut().close(number);
                MethodAnswer::NoResponse
            }
        }
    }

    /// Whether devices say of themselves whether they are connected.
    pub(super) fn has_presence(&self) -> bool {
        self.settings.dialect.presence(Scope::All).is_some()
    }

    /// Whether a call can reach `device`: it is connected, or comes within the plan's patience. Where nobody says so, or says
    /// it again in time once a line is back, it may be.
    async fn is_reachable(&self, shared: &Shared, device: u32) -> bool {
        if !self.has_presence() {
            return true;
        }
        let patience = shared.config.connect_timeout;
        let asked = shared.clock.now();
        loop {
            let now = shared.clock.now();
            let presence = self.presence(device);
            let line = &self.lines[self.presence_line(device)];
            let patience = match presence {
                Presence::Told(true) => return true,
                Presence::Forgotten | Presence::Untold if line.is_unsettled(now, RETOLD) => patience.max(RETOLD),
                _ => patience,
            };
            let until = asked + patience;
            if until <= now {
                return match presence {
                    Presence::Told(online) => online,
                    Presence::Forgotten => true,
                    Presence::Untold => line.why_down().is_some(),
                };
            }
            let (tell, told) = oneshot::channel();
            self.listen(device, tell);
            // Whoever is told nothing looks again all the same.
            let _ = timeout_at(shared.clock.instant(until), told).await;
        }
    }

    /// Whether `device` has long been connected, as its own fleet knows, and the broker has not told: the loss is the driver's.
    fn is_unheard(&self, shared: &Shared, device: u32) -> bool {
        let Some(truth) = &shared.truth else { return false };
        let twins = self.twins.borrow();
        let is_heard = self
            .index(device)
            .and_then(|index| twins.get(index))
            .is_none_or(|twin| matches!(twin.presence(), Presence::Told(_)));
        let since = truth.connected_since(device).filter(|_| !is_heard && truth.afflictions(device) == 0);
        since.is_some_and(|since| shared.clock.now().since(since) >= QUIET)
    }

    /// Has `tell` told once `device` says whether it is connected; those whose patience has ended are no longer there to be
    /// told.
    fn listen(&self, device: u32, tell: oneshot::Sender<()>) {
        let mut listeners = self.listeners.borrow_mut();
        let waiting = listeners.entry(device).or_default();
        waiting.retain(|tell| !tell.is_closed());
        waiting.push(tell);
    }

    fn presence(&self, device: u32) -> Presence {
        let twins = self.twins.borrow();
        self.index(device).and_then(|index| twins.get(index)).map(ObservedTwin::presence).unwrap_or_default()
    }

    /// The line of this number is lost: what it told of who is connected may be so no longer. Gives those who were.
    pub(super) fn forget_presence(&self, line: usize) -> Vec<u32> {
        let mut twins = self.twins.borrow_mut();
        let told = self.range.iter().zip(twins.iter_mut()).filter(|(device, _)| self.presence_line(*device) == line);
        told.filter_map(|(device, twin)| twin.forgets().then_some(device)).collect()
    }

    /// Whether reports of `device` may have been missed at `since` or later, as a line that takes them was away.
    pub(super) fn may_have_missed(&self, device: u32, since: Nanos) -> bool {
        let own = self.line_of(device);
        let takes = |line: usize| self.sharing.get() != Sharing::Devices || line == own;
        self.lines.iter().enumerate().any(|(number, line)| takes(number) && line.was_lost_since(since))
    }

    /// `device` has said whether it is connected.
    pub(super) fn has_said(&self, device: u32) {
        for waiting in self.listeners.borrow_mut().remove(&device).unwrap_or_default() {
            // Its patience may be at an end.
            let _ = waiting.send(());
        }
    }

    /// The place of `device` in the lists of the range.
    pub(super) fn index(&self, device: u32) -> Option<usize> {
        self.range.contains(device).then(|| (device - self.range.start) as usize)
    }

    /// What is known of the twin of `device`; nothing while its line is down.
    pub(in crate::driver) fn twin(&self, device: u32, ids: &DeviceIds) -> Option<TwinReport> {
        if self.lines[self.line_of(device)].why_down().is_some() {
            return None;
        }
        let twins = self.twins.borrow();
        Some(twins.get(self.index(device)?)?.report(&ids.id(device), None))
    }
}
