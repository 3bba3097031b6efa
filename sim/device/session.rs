//! One device: its connection, its direct method, its workflow and its reports. Pure: bytes and time come from outside.

mod afflicted;
mod aside;
mod connecting;
mod download;
mod late_reply;
mod messages;
mod method;
mod restart;
mod spontaneous;

use std::rc::Rc;
use std::sync::Arc;

use self::aside::Aside;
use self::messages::{ARRIVED, Sent};
use self::spontaneous::Spontaneous;
use super::affliction::Afflictions;
use super::event::{Event, Fate, Input, Output};
use super::link::{Due, Link, State};
use super::outbox::{ANSWER_LIMIT, Answered, Outbox, Sending};
use super::{Deed, FirmwareConfig, FleetConfig, Report, Stamp, Workflow};
use crate::dialect::{DeviceDialect, ToDevice};
use crate::measure::{MessageKind, TraceEvent, Truth};
use crate::mqtt::{Packet, Publish, QoS, SPARE_ID};
use crate::policy::{DeviceIds, FaultPlan, FirmwareStatus, Series};
use crate::random::{Domain, Seed};
use crate::time::{Nanos, WallClock};

/// What the twin answers where there are too many reports (8.3).
const TOO_MANY: u16 = 429;

/// What the devices of a fleet share.
#[derive(Debug)]
pub struct Settings<D> {
    /// How they talk to the hub.
    pub dialect: D,
    /// Their ids.
    pub ids: DeviceIds,
    /// The fleet's settings.
    pub fleet: FleetConfig,
    /// The workflow's settings.
    pub firmware: FirmwareConfig,
    /// Its first version, for all devices that run it.
    pub version: Rc<str>,
    /// What goes wrong.
    pub faults: Arc<FaultPlan>,
    /// The seed of the run.
    pub seed: Seed,
    /// The run's wall clock.
    pub wall: WallClock,
}

/// One device. Give it inputs, then [`Session::poll`] it; what it wants is appended to `out`, in order. The caller
/// owns that buffer, so that an idle device owns none.
///
/// The faults of a device are drawn anew for each update. A call that a fault refused (`reject`, `no_reply`) may be
/// retried: with the same id it is judged as the same update, another id makes the next one. Calls without an id
/// cannot be told apart, so that the one after a refusal is a retry of it: such a device stays refused as long as the
/// fault is active, and its next update begins once one was accepted. A call that `slow_reply` delays is accepted: its
/// update counts as running from then on.
#[derive(Debug)]
pub struct Session<D> {
    settings: Rc<Settings<D>>,
    device: u32,
    traced: bool,
    link: Link,
    workflow: Workflow,
    outbox: Outbox,
    aside: Option<Box<Aside>>,
    /// What acts on its connection, and when that may change next; in a box of its own, as it is rare.
    afflictions: Option<Box<Afflictions>>,
    affliction_changes: Nanos,
    /// [`Nanos::MAX`] until it is told.
    load_start: Nanos,
    /// New updates so far, accepted or faulted.
    updates: u32,
    /// Bit n: fault n of the plan has struck the present update.
    struck: u64,
    /// Whether every fault has been lifted.
    healed: bool,
    /// Whether the first `standBy` was made, and whether it was acknowledged.
    greeted: bool,
    reported: bool,
}

impl<D: DeviceDialect> Session<D> {
    /// Device number `device`, not connected yet. Where it is `traced`, it tells everything as [`Event::Trace`].
    #[must_use]
    pub fn new(settings: Rc<Settings<D>>, device: u32, traced: bool) -> Self {
        Self {
            device,
            traced,
            link: Link::new(),
            workflow: Workflow::new(Rc::clone(&settings.version)),
            outbox: Outbox::default(),
            aside: None,
            afflictions: Afflictions::of(&settings.faults, settings.seed, device),
            affliction_changes: Nanos::MAX,
            load_start: Nanos::MAX,
            updates: 0,
            struck: 0,
            healed: false,
            greeted: false,
            reported: false,
            settings,
        }
    }

    /// Whether nothing more will come: it was stopped, gave up or vanished.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.link.state() == State::Over
    }

    /// Whether the hub has ever accepted a connection.
    #[must_use]
    pub const fn was_connected(&self) -> bool {
        self.link.was_connected()
    }

    /// Whether a report waits to be sent or answered over the present connection. One that waits for a connection may
    /// wait for ever.
    #[must_use]
    pub fn is_reporting(&self) -> bool {
        self.link.state() == State::Up && !self.outbox.is_empty()
    }

    /// When [`Session::poll`] has something to do, if no input comes before; always later than the last poll.
    #[must_use]
    pub fn wake_at(&self) -> Nanos {
        if self.is_over() {
            return Nanos::MAX;
        }
        let of_its_own = self.spontaneous().map_or(Nanos::MAX, Spontaneous::wake_at);
        let report = if self.link.state() == State::Up { self.outbox.wake_at().min(of_its_own) } else { Nanos::MAX };
        let aside = self.aside.as_ref().map_or(Nanos::MAX, |aside| aside.wake_at());
        self.link.wake_at().min(self.workflow.wake_at()).min(aside).min(report).min(self.affliction_changes)
    }

    /// Takes an input at `now`.
    pub fn handle(&mut self, now: Nanos, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::LoadStarts(at) => {
                self.load_start = at;
                self.begin_spontaneous(at, out);
            }
            Input::Heal => {
                self.healed = true;
                self.heal(now, out);
            }
            Input::Stop => self.stop(now, out),
            Input::Opened { since } => self.opened(now, since, out),
            Input::Starved(shortage) => self.starved(now, shortage, out),
            Input::OpenFailed { since, reason } => self.open_failed(now, since, reason, out),
            Input::Packet(packet) => self.packet(now, packet, out),
            Input::Lost(reason) => self.lost(now, &reason, out),
            Input::DownloadProgress(percent) => self.progressed(percent, out),
            Input::Downloaded(downloaded) => self.downloaded(now, *downloaded, out),
        }
    }

    /// Does what is due at `now`.
    pub fn poll(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if self.is_over() {
            return;
        }
        self.check_afflictions(now, out);
        if self.aside.is_some() {
            self.go_if_done(now, out);
            if self.is_over() {
                return;
            }
            self.answer_those_due(now, out);
            self.go_on_restarting(now, out);
            self.aside.take_if(|aside| aside.is_empty());
        }
        let stamp = self.stamp();
        // Timers of the workflow go on whether or not the device is connected.
        let was_running = self.workflow.is_running();
        while let Some(deed) = self.workflow.poll(now, stamp) {
            self.carry_out(now, deed, out);
        }
        if was_running && !self.workflow.is_running() {
            out.push(Output::Event(Event::Done));
        }
        while let Some(due) = self.link.due(now) {
            match due {
                Due::Open => out.push(Output::Connect),
                Due::Ping => self.send(now, Packet::PingReq, out),
                Due::Renew => self.hang_up(now, "renewing the token", out),
                Due::TimedOut(reason) => {
                    out.push(Output::Close);
                    self.lost(now, reason, out);
                }
            }
        }
        self.send_report(now, out);
        self.act_spontaneously(now, out);
    }

    /// Sends the next report, if its turn has come; where nobody acknowledges reports, all of them.
    fn send_report(&mut self, now: Nanos, out: &mut Vec<Output>) {
        if !self.settings.dialect.answers_reports() && self.link.state() == State::Up && self.outbox.is_overdue(now) {
            // Sent anew over the same connection it would be another message, which arrives as well: nothing is sent twice
            // over one connection (MQTT 4.4). One over which nobody acknowledges anything is no good.
            out.push(Output::Close);
            return self.lost(now, "a report was not acknowledged within 60 s", out);
        }
        while self.link.state() == State::Up
            && let Some(sending) = self.outbox.next(now)
        {
            if sending.overdue {
                let text = format!("report {} unanswered for {ANSWER_LIMIT:?}, sent again", name(sending.status));
                out.push(Output::Event(Event::Failed(text)));
            }
            if let Some(status) = sending.status {
                out.push(Output::Event(Event::Published { status, present: sending.update == Some(self.updates) }));
                let document = || String::from_utf8_lossy(&sending.document).into_owned();
                self.trace(out, || TraceEvent::Published { status, document: document() });
            }
            self.publish_report(now, sending, out);
        }
    }

    fn publish_report(&mut self, now: Nanos, sending: Sending, out: &mut Vec<Output>) {
        let number = sending.number;
        let report = self.settings.dialect.report(&self.id(), &number.to_string(), sending.document);
        if self.settings.dialect.answers_reports() {
            // Packet identifiers run from 1 to 65535 (MQTT 2.3.1). What counts is the twin's answer.
            let pkid = match self.settings.fleet.telemetry {
                None => (number % u32::from(u16::MAX)) as u16 + 1,
                // That of a message whose acknowledgement is waited for must be no other's.
                Some(_) => self.flow().claim(Sent::Unwatched).unwrap_or(SPARE_ID),
            };
            return self.send(now, report.packet(pkid), out);
        }
        let fate = if sending.again { Fate::Resent } else { Fate::Sent };
        self.count(MessageKind::Report, fate, out);
        if report.qos == QoS::AtMostOnce {
            self.send(now, report.packet(0), out);
            return self.report_answered(now, number, ARRIVED, Some(Fate::Unconfirmed), out);
        }
        // One report is under way at a time, and telemetry leaves room, so that there is an identifier for it. If thousands of
        // answers to calls had taken that as well, the spare one is still nobody else's: its acknowledgement goes unheard,
        // and the report goes out again over another connection.
        let pkid = self.flow().claim(Sent::Report(number)).unwrap_or(SPARE_ID);
        self.send(now, report.packet(pkid), out);
    }

    /// A packet from the hub. What is left of a connection that was given up meanwhile is ignored.
    fn packet(&mut self, now: Nanos, packet: Packet, out: &mut Vec<Output>) {
        self.link.heard(now);
        match packet {
            Packet::ConnAck(answer) => self.connection_answered(now, answer, out),
            _ if !self.link.is_connected() => {}
            Packet::SubAck(answer) => self.subscription_answered(now, &answer.return_codes, out),
            Packet::PingResp => {
                let sample = |after| Output::Event(Event::Sample(Series::Ping, after));
                out.extend(self.link.pong(now).map(sample));
            }
            Packet::Publish(publish) => self.published_by_hub(now, &publish, out),
            // With a twin, a PUBACK says that a report arrived; only the twin's answer says that it was merged.
            packet if self.aside.is_some() || matches!(packet, Packet::PubRel(_)) => {
                self.acknowledged(now, &packet, out)
            }
            _ => {}
        }
        if self.afflictions.is_some() {
            self.recover(now, out);
        }
    }

    fn published_by_hub(&mut self, now: Nanos, publish: &Publish, out: &mut Vec<Output>) {
        if !self.is_new(now, publish, out) {
            return;
        }
        match self.settings.dialect.read(&self.id(), publish) {
            Some(ToDevice::Method { rid, name, payload }) => self.method(now, &rid, &name, &payload, out),
            Some(ToDevice::TwinAnswer { rid, status }) => self.twin_answered(now, &rid, status, out),
            Some(ToDevice::Desired { .. }) | None => {}
        }
    }

    fn twin_answered(&mut self, now: Nanos, rid: &str, code: u16, out: &mut Vec<Output>) {
        if let Ok(number) = rid.parse() {
            self.report_answered(now, number, code, None, out);
        }
    }

    /// A report has come to its end: by the twin's answer, or by a hub's acknowledgement or none, which is its `fate` then.
    pub(super) fn report_answered(
        &mut self,
        now: Nanos,
        number: u32,
        code: u16,
        fate: Option<Fate>,
        out: &mut Vec<Output>,
    ) {
        let (seed, device) = (self.settings.seed, u64::from(self.device));
        let random = || seed.stream(Domain::TwinRetry, device, u64::from(number));
        let retry = &self.settings.fleet.retry_twin;
        let Some(answered) = self.outbox.answered(now, number, code, retry, random) else { return };
        let (Answered::Done { status, .. } | Answered::Again { status, .. } | Answered::Dropped { status }) = answered;
        if let Some(status) = status {
            self.trace(out, || TraceEvent::ReportAnswered { status, code });
        }
        if code == TOO_MANY {
            out.push(Output::Event(Event::ReportThrottled));
        }
        let name = name(status);
        match answered {
            Answered::Done { after, update, .. } => {
                if let Some(fate) = fate {
                    self.count(MessageKind::Report, fate, out);
                }
                if let Some(status) = status.filter(|_| fate != Some(Fate::Unconfirmed)) {
                    out.push(Output::Event(Event::Sample(Series::TwinAck(status), after)));
                }
                if let Some(status) = status.filter(|_| update == Some(self.updates) && fate.is_some()) {
                    out.push(Output::Event(Event::HandedOver(status)));
                }
                if status == Some(FirmwareStatus::StandBy) && !self.reported {
                    self.reported = true;
                    out.push(Output::Event(Event::Ready));
                }
            }
            Answered::Again { wait, .. } => {
                out.push(Output::Event(Event::ReportRetry(wait)));
                out.push(Output::Event(Event::Failed(format!("report {name} answered {code}, sent again"))));
                self.decide(out, || format!("report {name} goes out again in {wait:?}"));
            }
            Answered::Dropped { .. } => {
                out.push(Output::Event(Event::ReportDropped));
                out.push(Output::Event(Event::Failed(format!("report {name} answered {code}, dropped"))));
                self.decide(out, || format!("report {name} is dropped"));
            }
        }
    }

    /// Does what the workflow wants.
    fn carry_out(&mut self, now: Nanos, deed: Deed, out: &mut Vec<Output>) {
        match deed {
            Deed::Strike(fault) => self.injected(fault, out),
            Deed::Report(report) => {
                out.push(Output::Event(Event::Chose(report.waited)));
                self.report(&report);
            }
            Deed::Download(package) => self.start_download(package, out),
            Deed::Cut(until) => self.drop_out(now, until, "restarting by fault", out),
            Deed::Vanish => self.vanish(now, out),
        }
    }

    /// Takes a report from the workflow.
    fn report(&mut self, report: &Report) {
        for _ in 0..=report.copies {
            let update = report.readable.then_some(self.updates);
            self.outbox.push(Some(report.status), report.document.clone(), update);
        }
    }

    /// A fault strikes the present update; a retried call must not count it again.
    fn injected(&mut self, fault: usize, out: &mut Vec<Output>) {
        let bit = 1 << (fault % Truth::MAX_FAULTS);
        if self.struck & bit == 0 {
            self.struck |= bit;
            out.push(Output::Event(Event::Injected(fault)));
        }
        self.decide(out, || format!("fault {fault} of the plan strikes"));
    }

    fn id(&self) -> String {
        self.settings.ids.id(self.device)
    }

    /// The start of the load, once known.
    fn load_start(&self) -> Option<Nanos> {
        Some(self.load_start).filter(|start| *start < Nanos::MAX)
    }

    fn stamp(&self) -> Stamp {
        Stamp { wall: self.settings.wall, format: self.settings.fleet.timestamps }
    }

    fn send(&mut self, now: Nanos, packet: Packet, out: &mut Vec<Output>) {
        self.link.sent(now);
        out.push(Output::Send(packet));
    }

    fn trace(&self, out: &mut Vec<Output>, event: impl FnOnce() -> TraceEvent) {
        if self.traced {
            out.push(Output::Event(Event::Trace(event())));
        }
    }

    fn decide(&self, out: &mut Vec<Output>, why: impl FnOnce() -> String) {
        self.trace(out, || TraceEvent::Decision(why()));
    }

    fn connection(&self, out: &mut Vec<Output>, what: impl FnOnce() -> String) {
        self.trace(out, || TraceEvent::Connection(what()));
    }
}

/// What a report is called in words.
fn name(status: Option<FirmwareStatus>) -> &'static str {
    status.map_or("of another property", FirmwareStatus::as_str)
}

#[cfg(test)]
mod tests;
