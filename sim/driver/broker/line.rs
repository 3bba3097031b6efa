//! A line: a connection to the broker that is kept up, over which calls go out and everything subscribed to comes in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::sleep_until;

use super::hall::Broker;
use super::hear::hear;
use super::open::{self, LineError};
use crate::dialect::Message;
use crate::driver::shared::Shared;
use crate::measure::MessageKind;
use crate::mqtt::{Arrival, Connection, Flow, Packet, QoS, SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode};
use crate::time::Nanos;

/// Filters of one SUBSCRIBE, and how many of these may wait for their answers: a broker is not to be flooded.
const FILTERS: usize = 100;
const UNDER_WAY: usize = 8;
/// How often a line asks the broker for an answer: how long that takes tells how far behind the line is.
const PING_EVERY: Duration = Duration::from_secs(1);
/// A broker that takes longer is gone.
const PONG_LIMIT: Duration = Duration::from_secs(20);
/// How long one SUBACK may take.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(30);
/// The wait before a line that was lost is opened again, at first and at most; it doubles.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// What others know of a line.
#[derive(Debug)]
pub(super) struct Line {
    /// The client id.
    pub(super) client: String,
    /// The name of the driver's group.
    pub(super) group: String,
    /// Its name in results.
    pub(super) name: String,
    /// Requests that have yet to leave, and the calls that they are of.
    queue: RefCell<Vec<(u64, Message)>>,
    /// Requests that have left and are not acknowledged yet.
    pub(super) under_way: Cell<u64>,
    pub(super) wake: Notify,
    up: Cell<bool>,
    /// When it was lost or came back last.
    turned: Cell<Option<Nanos>>,
    why_down: RefCell<String>,
    over: Cell<bool>,
    ended: Notify,
}

impl Line {
    /// Line `number` of the driver `name`.
    pub(super) fn new(name: &str, number: u32) -> Self {
        Self {
            client: format!("twinstorm-{name}-{number}"),
            group: format!("twinstorm-{name}"),
            name: format!("{name}-{number}"),
            queue: RefCell::default(),
            under_way: Cell::new(0),
            wake: Notify::new(),
            up: Cell::new(false),
            turned: Cell::new(None),
            why_down: RefCell::new("it is not open yet".to_owned()),
            over: Cell::new(true),
            ended: Notify::new(),
        }
    }

    /// Why it is down, if it is: nothing is known then of what devices do.
    pub(super) fn why_down(&self) -> Option<String> {
        (!self.up.get()).then(|| self.why_down.borrow().clone())
    }

    /// Whether it was lost or came back less than `settling` ago.
    pub(super) fn is_unsettled(&self, now: Nanos, settling: Duration) -> bool {
        self.turned.get().is_some_and(|turned| now.since(turned) < settling)
    }

    /// Whether it was lost at `since` or later: what was published meanwhile may never come.
    pub(super) fn was_lost_since(&self, since: Nanos) -> bool {
        self.turned.get().is_some_and(|turned| turned >= since)
    }

    /// Puts the request of call `number` in line; it leaves with whatever else is ready. There are never more than calls in
    /// flight.
    ///
    /// # Errors
    /// The line is down: why.
    pub(super) fn request(&self, number: u64, message: Message) -> Result<(), String> {
        if let Some(why) = self.why_down() {
            return Err(why);
        }
        self.queue.borrow_mut().push((number, message));
        self.wake.notify_one();
        Ok(())
    }

    /// Waits until its task has ended.
    pub(super) async fn ended(&self) {
        while !self.over.get() {
            self.ended.notified().await;
        }
    }
}

/// Keeps line `number` up until the driver closes. `first` is told how it came up at first; if it did not, that was all.
pub(super) async fn run(shared: Rc<Shared>, number: usize, first: oneshot::Sender<Result<(), LineError>>) {
    let Some(broker) = shared.broker() else { return };
    let line = &broker.lines[number];
    line.over.set(false);
    let mut first = Some(first);
    let mut wait = WAIT.0;
    let mut again = false;
    loop {
        let ended = Serving::new(&shared, broker, number).serve(again, &mut first).await;
        let was_up = line.up.replace(false);
        let unsent = std::mem::take(&mut *line.queue.borrow_mut());
        let Err(error) = ended else { break };
        for (call, _) in unsent {
            broker.calls.borrow_mut().unsent(call, &error.to_string());
        }
        if let Some(first) = first.take() {
            let _ = first.send(Err(error));
            break;
        }
        *line.why_down.borrow_mut() = error.to_string();
        if was_up && !broker.closing.get() {
            line.turned.set(Some(shared.clock.now()));
            shared.line(&line.name, |line| {
                line.losses += 1;
                line.lost_by = error.to_string();
            });
        }
        for device in broker.forget_presence(number) {
            shared.apply(|ledger| ledger.present(device, false));
        }
        if !broker.settings.lines.keep_session {
            broker.calls.borrow_mut().line_lost(number, &error.to_string());
        }
        if broker.closing.get() {
            break;
        }
        wait = if was_up { WAIT.0 } else { (wait * 2).min(WAIT.1) };
        again = true;
        let pause = sleep_until(shared.clock.instant(shared.clock.now() + wait));
        tokio::select! {
            () = pause => {}
            () = line.wake.notified() => {}
        }
        if broker.closing.get() {
            break;
        }
    }
    line.over.set(true);
    line.ended.notify_one();
}

/// One connection of a line.
struct Serving<'a> {
    shared: &'a Rc<Shared>,
    broker: &'a Broker,
    number: usize,
    /// Of the calls whose requests are under way.
    flow: Flow<u64>,
    /// What is still to be subscribed to, and what was asked for.
    filters: VecDeque<SubscribeFilter>,
    asked: VecDeque<(u16, Vec<String>)>,
    subscribed_by: Nanos,
    ping_at: Nanos,
    /// When the ping was sent that is not answered.
    pinged: Option<Nanos>,
}

impl<'a> Serving<'a> {
    fn new(shared: &'a Rc<Shared>, broker: &'a Broker, number: usize) -> Self {
        let filters = broker.filters(number, &shared.ids).into();
        Self {
            shared,
            broker,
            number,
            flow: Flow::default(),
            filters,
            asked: VecDeque::new(),
            subscribed_by: Nanos::MAX,
            ping_at: Nanos::MAX,
            pinged: None,
        }
    }

    fn line(&self) -> &'a Line {
        &self.broker.lines[self.number]
    }

    /// Opens the connection and serves it to its end: an error, unless the driver closes.
    async fn serve(
        mut self,
        again: bool,
        first: &mut Option<oneshot::Sender<Result<(), LineError>>>,
    ) -> Result<(), LineError> {
        let clean = !self.broker.settings.lines.keep_session;
        let mut packets = Vec::new();
        let (clock, client) = (&self.shared.clock, &self.line().client);
        let (mut connection, is_kept) = open::open(self.broker, clock, client, clean, again, &mut packets).await?;
        if again && !is_kept {
            // What was to be answered over it is answered to nobody.
            self.broker.calls.borrow_mut().line_lost(self.number, "the broker has not kept the driver's session");
        }
        let served = self.go_on(&mut connection, packets, first).await;
        self.line().under_way.set(0);
        for call in self.flow.take() {
            self.shared.messages(MessageKind::Request, |counts| counts.lost += 1);
            // It is not sent again: whatever the broker keeps for this line, there may be no answer to keep.
            if let Err(error) = &served {
                self.broker.calls.borrow_mut().broken(call, &error.to_string());
            }
        }
        // It was as far behind as that at least.
        self.ponged(self.shared.clock.now());
        if served.is_ok() {
            self.say_goodbye(connection).await;
        }
        served
    }

    /// Everything that happens on an open connection.
    async fn go_on(
        &mut self,
        connection: &mut Connection,
        mut packets: Vec<Packet>,
        first: &mut Option<oneshot::Sender<Result<(), LineError>>>,
    ) -> Result<(), LineError> {
        let broker = self.broker;
        let failed = |source| LineError::Connection { address: broker.settings.address, source };
        self.ping_at = self.shared.clock.now() + PING_EVERY;
        let mut out = Vec::new();
        let mut ended = Ok(());
        loop {
            let now = self.shared.clock.now();
            let received = packets.iter().filter(|packet| matches!(packet, Packet::Publish(_))).count() as u64;
            for packet in packets.drain(..) {
                self.packet(now, packet, &mut out)?;
            }
            if received > 0 {
                self.shared.line(&self.line().name, |line| line.received += received);
            }
            // What came together with the end has come all the same.
            std::mem::replace(&mut ended, Ok(())).map_err(failed)?;
            self.ask(now, &mut out);
            if !self.line().up.get() && self.filters.is_empty() && self.asked.is_empty() {
                self.line().up.set(true);
                let share = self.broker.sharing.get().in_words();
                self.shared.line(&self.line().name, |line| share.clone_into(&mut line.share));
                match first.take() {
                    Some(first) => drop(first.send(Ok(()))),
                    None => {
                        self.line().turned.set(Some(now));
                        self.shared.line(&self.line().name, |line| line.reconnects += 1);
                    }
                }
            }
            self.timers(now, &mut out)?;
            self.take_queue(&mut out);
            if !out.is_empty() {
                let sent = connection.send(&mut broker.scratch.borrow_mut(), &out);
                out.clear();
                sent.map_err(failed)?;
            }
            if broker.closing.get() {
                return Ok(());
            }
            let next = self.ping_at.min(self.subscribed_by);
            tokio::select! {
                received = open::receive(connection, broker, &mut packets) => ended = received,
                () = self.line().wake.notified() => {}
                () = sleep_until(self.shared.clock.instant(next)) => {}
            }
        }
    }

    fn packet(&mut self, now: Nanos, packet: Packet, out: &mut Vec<Packet>) -> Result<(), LineError> {
        match packet {
            Packet::Publish(publish) => {
                let (arrival, answer) = self.flow.received(&publish);
                if arrival == Arrival::New {
                    hear(self.shared, self.broker, now, &publish);
                }
                out.extend(answer);
            }
            Packet::SubAck(answer) => self.subscribed(&answer)?,
            Packet::PingResp => self.ponged(now),
            packet => {
                let (sent, answer) = self.flow.acknowledged(&packet);
                if sent.is_some() {
                    self.line().under_way.update(|under_way| under_way.saturating_sub(1));
                    self.shared.messages(MessageKind::Request, |counts| counts.acknowledged += 1);
                }
                out.extend(answer);
            }
        }
        Ok(())
    }

    /// The ping that was under way, if there was one, is over.
    fn ponged(&mut self, now: Nanos) {
        if let Some(pinged) = self.pinged.take() {
            self.shared.line(&self.line().name, |line| line.lag.record(now.since(pinged)));
        }
    }

    fn subscribed(&mut self, answer: &SubAck) -> Result<(), LineError> {
        let Some(place) = self.asked.iter().position(|(pkid, _)| *pkid == answer.pkid) else { return Ok(()) };
        let Some((_, filters)) = self.asked.remove(place) else { return Ok(()) };
        let refused = answer.return_codes.iter().position(|code| *code == SubscribeReasonCode::Failure);
        match refused.and_then(|place| filters.get(place)) {
            Some(filter) => Err(LineError::Subscription { filter: filter.clone() }),
            None => Ok(()),
        }
    }

    /// Asks for more subscriptions, as far as they may be under way.
    fn ask(&mut self, now: Nanos, out: &mut Vec<Packet>) {
        while !self.filters.is_empty() && self.asked.len() < UNDER_WAY {
            let filters: Vec<SubscribeFilter> = self.filters.drain(..self.filters.len().min(FILTERS)).collect();
            let paths = filters.iter().map(|filter| filter.path.clone()).collect();
            let mut subscribe = Subscribe::new_many(filters);
            // Of SUBSCRIBE alone; a PUBLISH of the same identifier is told from it by its answer.
            subscribe.pkid = self.asked.back().map_or(1, |(last, _)| last % u16::MAX + 1);
            self.asked.push_back((subscribe.pkid, paths));
            self.subscribed_by = now + SUBSCRIBE_LIMIT;
            out.push(Packet::Subscribe(subscribe));
        }
        if self.asked.is_empty() {
            self.subscribed_by = Nanos::MAX;
        }
    }

    fn timers(&mut self, now: Nanos, out: &mut Vec<Packet>) -> Result<(), LineError> {
        if self.subscribed_by <= now {
            return Err(LineError::Silent { what: "SUBSCRIBE", limit: SUBSCRIBE_LIMIT });
        }
        if self.ping_at > now {
            return Ok(());
        }
        self.ping_at = now + PING_EVERY;
        match self.pinged {
            Some(pinged) if now.since(pinged) >= PONG_LIMIT => {
                Err(LineError::Silent { what: "PINGREQ", limit: PONG_LIMIT })
            }
            Some(_) => Ok(()),
            None => {
                self.pinged = Some(now);
                out.push(Packet::PingReq);
                Ok(())
            }
        }
    }

    /// Takes what is to be published.
    fn take_queue(&mut self, out: &mut Vec<Packet>) {
        for (call, message) in self.line().queue.borrow_mut().drain(..) {
            let is_confirmed = message.qos != QoS::AtMostOnce;
            let pkid = if is_confirmed { self.flow.claim(call) } else { Some(0) };
            let Some(pkid) = pkid else {
                self.broker.calls.borrow_mut().unsent(call, "too many requests wait for the broker");
                continue;
            };
            self.line().under_way.update(|under_way| under_way + u64::from(is_confirmed));
            self.shared.messages(MessageKind::Request, |counts| {
                counts.sent += 1;
                counts.unconfirmed += u64::from(!is_confirmed);
            });
            self.shared.line(&self.line().name, |line| line.sent += 1);
            out.push(message.packet(pkid));
        }
    }

    /// Takes leave; a session that the broker kept is given back.
    async fn say_goodbye(&self, mut connection: Connection) {
        let farewell = |connection: &mut Connection| {
            let _ = connection.send_last(&mut self.broker.scratch.borrow_mut(), &[Packet::Disconnect]);
        };
        farewell(&mut connection);
        drop(connection);
        if self.broker.settings.lines.keep_session {
            let (clock, client) = (&self.shared.clock, &self.line().client);
            if let Ok((mut connection, _)) = open::open(self.broker, clock, client, true, true, &mut Vec::new()).await {
                farewell(&mut connection);
            }
        }
    }
}
