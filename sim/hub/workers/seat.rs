//! What a worker starts with, and its start.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::spawn_local;

use super::Worker;
use crate::hub::config::{DoorLimits, HubDelays};
use crate::hub::entrance::Entrance;
use crate::hub::identity::HubIdentity;
use crate::hub::jobs::{self, JobBook, JobDesk, JobInbox};
use crate::hub::partition::Partition;
use crate::hub::peers::{Message, Peers};
use crate::hub::ports::{Port, Ports};
use crate::hub::rest;
use crate::hub::service::{Servers, ServiceDesk};
use crate::hub::telemetry::TelemetryFile;
use crate::hub::throttle::Throttles;
use crate::hub::tracking::TrackingIds;
use crate::hub::warning::Warning;
use crate::mqtt::{ClientAuthorities, ServerTls};
use crate::time::{Clock, Nanos};

/// Everything that a worker starts with.
pub(in crate::hub) struct WorkerSeat {
    /// Its place among its peers.
    pub(in crate::hub) index: usize,
    pub(in crate::hub) ports: Ports<Port>,
    /// Spoken at those ports that are for it.
    pub(in crate::hub) tls: Option<ServerTls>,
    pub(in crate::hub) mailbox: mpsc::Receiver<Message>,
    pub(in crate::hub) peers: Peers,
    pub(in crate::hub) jobs: JobDesk,
    /// What the clerk of jobs is asked, on the worker that he is on.
    pub(in crate::hub) job_inbox: Option<JobInbox>,
    pub(in crate::hub) identity: Arc<HubIdentity>,
    pub(in crate::hub) delays: HubDelays,
    pub(in crate::hub) client_ca: Option<ClientAuthorities>,
    /// Where messages to the cloud go, beside being counted.
    pub(in crate::hub) telemetry: Option<TelemetryFile>,
    pub(in crate::hub) throttles: Arc<Throttles>,
    /// Those of the hub, where it has a service-time model.
    pub(in crate::hub) servers: Option<Arc<Servers>>,
    pub(in crate::hub) door: DoorLimits,
    pub(in crate::hub) clock: Clock,
    pub(in crate::hub) stopped: watch::Receiver<bool>,
}

impl WorkerSeat {
    /// Works until the hub is stopped. What is still connected then is closed. Tells `started` how it began.
    pub(in crate::hub) fn run(self, started: &SyncSender<io::Result<()>>) {
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
            servers,
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
        let service = match servers.map(|servers| (Arc::clone(&servers), ServiceDesk::new(servers))) {
            None => None,
            Some((_, Err(error))) => return drop(started.send(Err(error))),
            Some((servers, Ok(desk))) => {
                partition.served_by(servers);
                Some(desk)
            }
        };
        let worker = Rc::new(Worker {
            index,
            partition: RefCell::new(partition),
            throttles,
            service,
            breaker: Rc::default(),
            is_down: Cell::new(false),
            is_up_again: Notify::new(),
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
        let entrance = Entrance { worker: Rc::clone(&worker), service: Rc::new(service), tls };
        let listening = entrance.open(ports);
        let is_listening = listening.is_ok();
        // Whoever starts the hub waits for it.
        let _ = started.send(listening);
        if let Some(inbox) = job_inbox {
            let active = worker.throttles.concurrent_jobs();
            let book = JobBook::new(clock.wall(), active);
            spawn_local(jobs::serve(Rc::clone(&worker), book, inbox));
        }
        if is_listening {
            Rc::clone(&worker).serve(mailbox, stopped, &entrance).await;
        }
        tracing::debug!(telemetry = worker.partition.borrow().counters().telemetry, "hub worker stopped");
    }
}
