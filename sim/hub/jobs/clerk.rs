//! Who keeps the book: one task that owns it, asked by messages and told by those who do the work.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

use super::book::{Effect, JobBook};
use super::job::Work;
use crate::hub::partition::{DeviceAnswer, Refusal};
use crate::hub::peers::stopping;
use crate::hub::query::{Cursor, Plan};
use crate::hub::scan::scan;
use crate::hub::throttle::Operation;
use crate::hub::workers::Worker;
use crate::time::Nanos;

/// Requests, and results, that may wait for the clerk. When it is full, senders wait.
const MAILBOX: usize = 256;

type Visit = Box<dyn FnOnce(&mut JobBook, Nanos) + Send>;

/// What the clerk is asked.
pub(in crate::hub) struct JobInbox(mpsc::Receiver<Visit>);

/// The way to the clerk.
#[derive(Debug, Clone)]
pub(in crate::hub) struct JobDesk(mpsc::Sender<Visit>);

impl JobDesk {
    /// A way to the clerk, and what comes in by it.
    pub(in crate::hub) fn new() -> (Self, JobInbox) {
        let (sender, receiver) = mpsc::channel(MAILBOX);
        (Self(sender), JobInbox(receiver))
    }

    /// Lets `work` look at or change the book.
    pub(in crate::hub) async fn visit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut JobBook, Nanos) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let visit: Visit = Box::new(move |book, now| {
            // Nobody waits any more if the HTTP connection has broken.
            let _ = reply.send(work(book, now));
        });
        self.0.send(visit).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

/// What came of an effect.
enum Report {
    Found(u64, Result<Vec<Arc<str>>, Refusal>),
    Done(u64, usize, Result<Option<DeviceAnswer>, Refusal>),
}

/// Keeps `book` until nobody can ask any more.
pub(in crate::hub) async fn serve(worker: Rc<Worker>, mut book: JobBook, inbox: JobInbox) {
    let clock = worker.clock;
    let JobInbox(mut inbox) = inbox;
    let (reports, mut reported) = mpsc::channel(MAILBOX);
    loop {
        tokio::select! {
            visit = inbox.recv() => match visit {
                Some(visit) => visit(&mut book, clock.now()),
                None => return,
            },
            Some(report) = reported.recv() => match report {
                Report::Found(job, devices) => book.found(clock.now(), job, devices),
                Report::Done(job, row, outcome) => book.done(clock.now(), job, row, outcome),
            },
            () = tokio::time::sleep_until(clock.instant(book.next_deadline())) => book.tick(clock.now()),
        }
        while let Some(effect) = book.poll() {
            spawn_local(carry_out(Rc::clone(&worker), effect, reports.clone()));
        }
    }
}

async fn carry_out(worker: Rc<Worker>, effect: Effect, reports: mpsc::Sender<Report>) {
    let report = match effect {
        Effect::Find { job, plan } => Report::Found(job, find(&worker, plan).await),
        Effect::Operate { job, row, device, work } => Report::Done(job, row, operate(&worker, &device, work).await),
    };
    // The clerk is gone only when the hub stops.
    let _ = reports.send(report).await;
}

/// The ids of the devices of `plan`, in all partitions.
async fn find(worker: &Worker, plan: Plan) -> Result<Vec<Arc<str>>, Refusal> {
    let plan = Arc::new(plan);
    let mut ids = Vec::new();
    for partition in 0..worker.peers.len() {
        for slice in scan(worker, partition, &plan, None, usize::MAX).await? {
            ids.extend(slice.rows().filter_map(|(cursor, _)| match cursor {
                Cursor::Id(id) | Cursor::Updated(_, id) => Some(Arc::clone(id)),
                Cursor::Row(_) | Cursor::Job(..) => None,
            }));
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Does the job's work to one device, once the hub's tier allows it (8.1) and its servers are done with it. What it costs is billed, while the
/// messages of the day last (8.2).
async fn operate(worker: &Worker, device: &str, work: Arc<Work>) -> Result<Option<DeviceAnswer>, Refusal> {
    worker.up().await;
    if let Some(throttles) = worker.throttles.in_force() {
        let wait = throttles.admit_patiently(worker.clock.now(), Operation::JobDevice);
        tokio::time::sleep_until(worker.clock.instant(worker.clock.now() + wait)).await;
        if !throttles.has_quota(worker.clock.now()) {
            return Err(Refusal::quota_exceeded());
        }
        throttles.bill(worker.clock.now(), work.size());
    }
    let operation = if matches!(*work, Work::Method(_)) { Operation::Method } else { Operation::TwinUpdate };
    worker.served(operation, work.size()).await?;
    if let Work::Method(request) = &*work {
        let outcome = worker.invoke(device, request.clone()).await?;
        return outcome.map(Some).map_err(|refused| refused.refusal);
    }
    let (owner, id) = (worker.peers.owner(device), device.to_owned());
    let visit = worker.visit(owner, move |partition, now| match &*work {
        Work::Twin(patch, precondition) => partition.patch_twin(now, &id, patch, precondition).map(drop),
        Work::Method(_) => Ok(()),
    });
    visit.await?.map(|()| None)
}
