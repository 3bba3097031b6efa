//! The hub's threads. Each has a runtime of its own and one partition of the devices; nothing else is shared.

mod seat;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::spawn_local;

pub(super) use self::seat::WorkerSeat;
use super::breaker::Breaker;
use super::config::{DoorLimits, HubDelays};
use super::endpoint::{self, Outbox};
use super::entrance::Entrance;
use super::partition::{CallId, ConnectionId, Effect, MethodOutcome, MethodRequest, Partition, Refusal};
use super::peers::{Message, Peers, stopping};
use super::ports::{Port, Ports};
use super::service::ServiceDesk;
use super::telemetry::TelemetryFile;
use super::throttle::{Operation, Throttles};
use super::warning::Warning;
use crate::measure::ServiceCount;
use crate::mqtt::{ClientAuthorities, Packet, Scratch};
use crate::time::{Clock, Nanos};

/// What keeps a client out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Complaint {
    /// No TLS came about.
    Tls,
    /// TLS was spoken where there is plain MQTT.
    NotMqtt,
    /// It is no HTTP.
    NotHttp,
    /// Its CONNECT is larger than is read of a stranger.
    LargeConnect,
}

/// One thread's share of the hub.
pub(super) struct Worker {
    /// Its place among its peers.
    pub(super) index: usize,
    partition: RefCell<Partition>,
    /// Shared with its peers.
    pub(super) throttles: Arc<Throttles>,
    /// Who waits here for the hub's servers, where it has a service-time model.
    service: Option<ServiceDesk>,
    /// Guards what goes on over its connections.
    pub(super) breaker: Rc<Breaker>,
    /// Whether the hub is down.
    is_down: Cell<bool>,
    is_up_again: Notify,
    /// Buffers that all connections of this worker share.
    pub(super) scratch: RefCell<Scratch>,
    /// Packets on their way from a read to the partition: empty between reads, kept for its memory.
    pub(super) inbound: RefCell<Vec<Packet>>,
    outboxes: RefCell<HashMap<ConnectionId, Rc<Outbox>>>,
    replies: RefCell<HashMap<CallId, oneshot::Sender<MethodOutcome>>>,
    connections: Cell<u64>,
    complaints: [Warning; 4],
    /// When the timer rings.
    armed: Cell<Nanos>,
    /// Rings before that, because something is due earlier.
    alarm: Notify,
    /// Those who vouch for devices.
    pub(super) client_ca: Option<ClientAuthorities>,
    telemetry: Option<TelemetryFile>,
    pub(super) peers: Peers,
    pub(super) door: DoorLimits,
    pub(super) clock: Clock,
}

impl Worker {
    /// Lets `work` use the partition, then does what follows from it outside.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Partition, Nanos) -> T) -> T {
        let mut partition = self.partition.borrow_mut();
        let now = self.clock.now();
        let result = work(&mut partition, now);
        while let Some(effect) = partition.poll() {
            match effect {
                Effect::Send { to, packet } => {
                    if let Some(outbox) = self.outboxes.borrow().get(&to) {
                        outbox.push(packet);
                    }
                }
                Effect::Close { connection } => {
                    if let Some(outbox) = self.outboxes.borrow_mut().remove(&connection) {
                        outbox.close();
                    }
                }
                Effect::Message(message) => {
                    if let Some(file) = &self.telemetry {
                        file.put(message);
                    }
                }
                Effect::Answer { call, outcome } => {
                    partition.counters_mut().method(&outcome);
                    if let Some(reply) = self.replies.borrow_mut().remove(&call) {
                        // Nobody waits any more if the HTTP connection has broken.
                        let _ = reply.send(outcome);
                    }
                }
            }
        }
        if partition.next_deadline() < self.armed.get() {
            self.alarm.notify_one();
        }
        if let Some(service) = &self.service {
            service.ring_by(now, partition.next_held());
        }
        result
    }

    /// Counts a request that was answered.
    pub(super) fn count_request(&self, operation: Option<Operation>, status: u16) {
        self.partition.borrow_mut().counters_mut().request(operation, status);
    }

    /// Lets `work` look at or change the partition of the worker `index`: at once if it is this one.
    pub(super) async fn visit<T: Send + 'static>(
        &self,
        index: usize,
        work: impl FnOnce(&mut Partition, Nanos) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        if index == self.index { Ok(self.with(work)) } else { self.peers.visit(index, work).await }
    }

    /// Calls a method of the device `id` and waits for its end.
    pub(super) async fn invoke(&self, id: &str, request: MethodRequest) -> Result<MethodOutcome, Refusal> {
        let (reply, answer) = oneshot::channel();
        let owner = self.peers.owner(id);
        if owner == self.index {
            self.call(id, request, reply);
        } else {
            self.peers.invoke(owner, id.to_owned(), request, reply).await?;
        }
        answer.await.map_err(|_| stopping())
    }

    fn call(&self, id: &str, request: MethodRequest, reply: oneshot::Sender<MethodOutcome>) {
        self.with(|partition, now| {
            let call = partition.invoke(now, id, request);
            self.replies.borrow_mut().insert(call, reply);
        });
    }

    /// Waits until a server of the hub is done with an operation, where it has a service-time model. The request has a body
    /// of so many bytes.
    pub(super) async fn served(&self, operation: Operation, bytes: usize) -> Result<(), Refusal> {
        match &self.service {
            Some(service) => service.serve(self.clock, operation, bytes).await,
            None => Ok(()),
        }
    }

    /// Whether the hub has a service-time model.
    pub(super) const fn has_servers(&self) -> bool {
        self.service.is_some()
    }

    /// What the hub's servers did until `now`.
    pub(super) fn service_count(&self, now: Nanos) -> Option<ServiceCount> {
        self.service.as_ref().map(|service| service.count(now))
    }

    /// Waits until somebody's service may be over.
    async fn service_rings(&self) {
        match &self.service {
            Some(service) => service.rings().await,
            None => std::future::pending().await,
        }
    }

    /// Holds an answer to a service back for a planted delay.
    pub(super) async fn linger(&self, delay: impl FnOnce(HubDelays) -> Duration) {
        let delay = delay(self.partition.borrow().delays());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Says that a client does not get in because of how it or this hub was set up.
    pub(super) fn complain(&self, complaint: Complaint, error: &dyn Display) {
        if let Some(times) = self.complaints[complaint as usize].due(self.clock.now()) {
            tracing::warn!(times, "a client does not get in: {error}");
        }
    }

    /// A name and an outbox for a new connection.
    pub(super) fn open_outbox(&self) -> (ConnectionId, Rc<Outbox>) {
        let connection = ConnectionId(self.connections.get());
        self.connections.set(connection.0 + 1);
        let outbox = Rc::new(Outbox::default());
        self.outboxes.borrow_mut().insert(connection, Rc::clone(&outbox));
        (connection, outbox)
    }

    /// A connection has ended.
    pub(super) fn close_outbox(&self, connection: ConnectionId) {
        self.outboxes.borrow_mut().remove(&connection);
        self.with(|partition, now| partition.disconnected(now, connection));
    }

    /// Closes ports and connections without a word; `done` is dropped when nobody is listening any more.
    fn go_down(self: &Rc<Self>, done: SyncSender<()>) {
        self.is_down.set(true);
        self.breaker.trip();
        // Before the connections of devices have their turn: there may be thousands, and each takes a while to close.
        let worker = Rc::clone(self);
        spawn_local(async move {
            worker.breaker.quiet().await;
            drop(done);
        });
        for (_, outbox) in self.outboxes.borrow_mut().drain() {
            outbox.cut();
        }
        self.with(|partition, _| partition.go_down());
        if let Some(service) = &self.service {
            service.clear(self.clock.now());
        }
    }

    /// Waits until the hub is not down: then it does nothing of its own either.
    pub(super) async fn up(&self) {
        while self.is_down.get() {
            self.is_up_again.notified().await;
        }
    }

    /// Listens again.
    fn come_up(&self, entrance: &Entrance, ports: Ports<Port>) {
        self.is_down.set(false);
        self.is_up_again.notify_waiters();
        if let Err(error) = entrance.open(ports) {
            tracing::error!(%error, "a hub worker cannot listen again; look at the limit of descriptors (`ulimit -n`)");
        }
    }

    async fn serve(
        self: Rc<Self>,
        mut mailbox: mpsc::Receiver<Message>,
        mut stopped: watch::Receiver<bool>,
        entrance: &Entrance,
    ) {
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.clock.instant(Nanos::ZERO)));
        loop {
            tokio::select! {
                // A hub that is dropped halfway through its start closes the channel instead.
                _ = stopped.wait_for(|stopped| *stopped) => return,
                Some(message) = mailbox.recv() => self.handle(message, entrance),
                () = self.alarm.notified() => {}
                () = &mut timer => self.with(Partition::tick),
                () = self.service_rings() => {
                    self.with(Partition::tick);
                    self.service.iter().for_each(|service| service.release(self.clock.now()));
                }
            }
            let deadline = self.partition.borrow().next_deadline();
            if deadline < self.armed.get() || timer.is_elapsed() {
                timer.as_mut().reset(self.clock.instant(deadline));
                self.armed.set(deadline);
            }
        }
    }

    fn handle(self: &Rc<Self>, message: Message, entrance: &Entrance) {
        match message {
            // It was on its way when the hub went down.
            Message::Adopt(_) if self.is_down.get() => {}
            Message::Adopt(arrival) => endpoint::adopt(self, *arrival),
            Message::Visit(visit) => self.with(visit),
            Message::Invoke { device, request, reply } => self.call(&device, request, reply),
            Message::GoDown { done } => self.go_down(done),
            Message::ComeUp { ports, done } => {
                self.come_up(entrance, ports);
                drop(done);
            }
        }
    }
}
