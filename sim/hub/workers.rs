//! The hub's threads. Each has a runtime of its own and one partition of the devices; nothing else is shared.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::spawn_local;

use super::config::{DoorLimits, HubDelays};
use super::endpoint::{self, Arrival, Outbox};
use super::identity::HubIdentity;
use super::jobs::{self, JobBook, JobDesk, JobInbox};
use super::listener::Listener;
use super::partition::{CallId, ConnectionId, Effect, MethodOutcome, MethodRequest, Partition, Refusal};
use super::ports::{Port, Ports};
use super::rest;
use super::telemetry::TelemetryFile;
use super::throttle::{Operation, Throttles};
use super::tracking::TrackingIds;
use super::warning::Warning;
use crate::dialect::azure::ErrorCode;
use crate::mqtt::{ClientAuthorities, Packet, Scratch, ServerTls};
use crate::time::{Clock, Nanos};

/// Messages that may wait for a worker. When it is full, senders wait, and so do their connections.
const MAILBOX: usize = 1024;

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

/// Work on a partition.
pub(super) type Visit = Box<dyn FnOnce(&mut Partition, Nanos) + Send>;

/// What crosses from one worker to another.
pub(super) enum Message {
    /// A connection whose device belongs to the receiver.
    Adopt(Box<Arrival>),
    /// Work on the receiver's partition.
    Visit(Visit),
    /// A method call for one of its devices.
    Invoke { device: String, request: MethodRequest, reply: oneshot::Sender<MethodOutcome> },
}

/// The ways to all workers.
#[derive(Debug, Clone)]
pub(super) struct Peers(Arc<[mpsc::Sender<Message>]>);

impl Peers {
    /// The ways to `count` workers, and their mailboxes.
    pub(super) fn new(count: usize) -> (Self, Vec<mpsc::Receiver<Message>>) {
        let (senders, mailboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(MAILBOX)).unzip();
        (Self(senders.into()), mailboxes)
    }

    /// The number of workers.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The worker that the device `id` belongs to, with its modules: of `device/module`, the device counts.
    pub(super) fn owner(&self, id: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        id.split('/').next().hash(&mut hasher);
        usize::try_from(hasher.finish() % self.0.len() as u64).unwrap_or_default()
    }

    /// Hands a connection to the worker `index`; it is closed if the hub is stopping.
    pub(super) async fn adopt(&self, index: usize, arrival: Arrival) {
        // The mailbox is closed only while the hub stops; the connection then ends with the message.
        let _ = self.0[index].send(Message::Adopt(Box::new(arrival))).await;
    }

    /// Lets `work` look at or change the partition of the worker `index`.
    async fn visit<T: Send + 'static>(
        &self,
        index: usize,
        work: impl FnOnce(&mut Partition, Nanos) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let visit = Message::Visit(Box::new(move |partition, now| {
            // Nobody waits any more if the HTTP connection has broken.
            let _ = reply.send(work(partition, now));
        }));
        self.0[index].send(visit).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }

    /// Calls a method of a device of the worker `index`; `reply` gets the end of it.
    async fn invoke(
        &self,
        index: usize,
        device: String,
        request: MethodRequest,
        reply: oneshot::Sender<MethodOutcome>,
    ) -> Result<(), Refusal> {
        self.0[index].send(Message::Invoke { device, request, reply }).await.map_err(|_| stopping())
    }
}

/// What is answered while the hub stops.
pub(super) fn stopping() -> Refusal {
    Refusal::new(ErrorCode::ServiceUnavailable, "the hub is stopping")
}

/// Everything that a worker starts with.
pub(super) struct WorkerSeat {
    /// Its place among its peers.
    pub(super) index: usize,
    pub(super) ports: Ports<Port>,
    /// Spoken at those ports that are for it.
    pub(super) tls: Option<ServerTls>,
    pub(super) mailbox: mpsc::Receiver<Message>,
    pub(super) peers: Peers,
    pub(super) jobs: JobDesk,
    /// What the clerk of jobs is asked, on the worker that he is on.
    pub(super) job_inbox: Option<JobInbox>,
    pub(super) identity: Arc<HubIdentity>,
    pub(super) delays: HubDelays,
    pub(super) client_ca: Option<ClientAuthorities>,
    /// Where messages to the cloud go, beside being counted.
    pub(super) telemetry: Option<TelemetryFile>,
    pub(super) throttles: Option<Arc<Throttles>>,
    pub(super) door: DoorLimits,
    pub(super) clock: Clock,
    pub(super) stopped: watch::Receiver<bool>,
}

impl WorkerSeat {
    /// Works until the hub is stopped. What is still connected then is closed. Tells `started` how it began.
    pub(super) fn run(self, started: &SyncSender<io::Result<()>>) {
        // Such a runtime stays on the thread that made it.
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(error))),
        };
        // All work is in tasks of the runtime: to wake the future that it blocks on (as a `LocalSet` would be) costs
        // two system calls each time.
        let work = runtime.spawn_local(self.work(started.clone()));
        if let Err(error) = runtime.block_on(work)
            && let Ok(panic) = error.try_into_panic()
        {
            // Whoever waits for the thread is to know.
            std::panic::resume_unwind(panic);
        }
    }

    async fn work(self, started: SyncSender<io::Result<()>>) {
        let Self {
            index,
            ports,
            tls,
            mailbox,
            peers,
            jobs,
            job_inbox,
            identity,
            delays,
            client_ca,
            telemetry,
            throttles,
            door,
            clock,
            stopped,
        } = self;
        let wall = clock.wall();
        let mut partition = Partition::new(Arc::clone(&identity), delays, wall, TrackingIds::new(2 * index));
        partition.throttled_by(throttles.clone());
        if telemetry.is_some() {
            partition.keep_telemetry();
        }
        let worker = Rc::new(Worker {
            index,
            partition: RefCell::new(partition),
            throttles,
            scratch: RefCell::default(),
            inbound: RefCell::default(),
            outboxes: RefCell::default(),
            replies: RefCell::default(),
            connections: Cell::new(0),
            complaints: <[Warning; 4]>::default(),
            armed: Cell::new(Nanos::ZERO),
            alarm: Notify::new(),
            client_ca,
            telemetry,
            peers,
            door,
            clock,
        });
        let service = rest::Service::new(Rc::clone(&worker), jobs, identity, clock, TrackingIds::new(2 * index + 1));
        let service = Rc::new(service);
        let listening = (|| {
            for (port, tls) in [(ports.mqtt, None), (ports.mqtts, tls.clone())] {
                if let Some(port) = port {
                    spawn_local(endpoint::accept(Rc::clone(&worker), Listener::new(port, tls, door.strangers, clock)?));
                }
            }
            for (port, tls) in [(ports.http, None), (ports.https, tls)] {
                if let Some(port) = port {
                    spawn_local(rest::accept(Rc::clone(&service), Listener::new(port, tls, door.strangers, clock)?));
                }
            }
            Ok(())
        })();
        let is_listening = listening.is_ok();
        // Whoever starts the hub waits for it.
        let _ = started.send(listening);
        if let Some(inbox) = job_inbox {
            let active = worker.throttles.as_ref().and_then(|throttles| throttles.concurrent_jobs());
            let book = JobBook::new(clock.wall(), active);
            spawn_local(jobs::serve(Rc::clone(&worker), book, inbox));
        }
        if is_listening {
            Rc::clone(&worker).serve(mailbox, stopped).await;
        }
        tracing::debug!(telemetry = worker.partition.borrow().counters().telemetry, "hub worker stopped");
    }
}

/// One thread's share of the hub.
pub(super) struct Worker {
    /// Its place among its peers.
    pub(super) index: usize,
    partition: RefCell<Partition>,
    /// Shared with its peers; `None` where nothing is limited.
    pub(super) throttles: Option<Arc<Throttles>>,
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
        let result = work(&mut partition, self.clock.now());
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

    async fn serve(self: Rc<Self>, mut mailbox: mpsc::Receiver<Message>, mut stopped: watch::Receiver<bool>) {
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.clock.instant(Nanos::ZERO)));
        loop {
            tokio::select! {
                // A hub that is dropped halfway through its start closes the channel instead.
                _ = stopped.wait_for(|stopped| *stopped) => return,
                Some(message) = mailbox.recv() => self.handle(message),
                () = self.alarm.notified() => {}
                () = &mut timer => self.with(Partition::tick),
            }
            let deadline = self.partition.borrow().next_deadline();
            if deadline < self.armed.get() || timer.is_elapsed() {
                timer.as_mut().reset(self.clock.instant(deadline));
                self.armed.set(deadline);
            }
        }
    }

    fn handle(self: &Rc<Self>, message: Message) {
        match message {
            Message::Adopt(arrival) => endpoint::adopt(self, *arrival),
            Message::Visit(visit) => self.with(visit),
            Message::Invoke { device, request, reply } => self.call(&device, request, reply),
        }
    }
}
