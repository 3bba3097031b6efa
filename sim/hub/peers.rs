//! The workers of a hub as they see one another: what crosses between them, and the ways it takes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::sync::{mpsc, oneshot};

use super::endpoint::Arrival;
use super::partition::{MethodOutcome, MethodRequest, Partition, Refusal};
use super::ports::{Port, Ports};
use crate::dialect::azure::ErrorCode;
use crate::time::Nanos;

/// Messages that may wait for a worker. When it is full, senders wait, and so do their connections.
const MAILBOX: usize = 1024;

/// Work on a partition.
pub(super) type Visit = Box<dyn FnOnce(&mut Partition, Nanos) + Send>;

/// What crosses from one worker to another, or comes from who injects faults. A `done` is dropped once it is.
pub(super) enum Message {
    /// A connection whose device belongs to the receiver.
    Adopt(Box<Arrival>),
    /// Work on the receiver's partition.
    Visit(Visit),
    /// A method call for one of its devices.
    Invoke { device: String, request: MethodRequest, reply: oneshot::Sender<MethodOutcome> },
    /// The hub goes down: ports and connections are closed.
    GoDown { done: SyncSender<()> },
    /// It is there again, at the same ports.
    ComeUp { ports: Ports<Port>, done: SyncSender<()> },
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
        owner(id, self.0.len())
    }

    /// Hands a connection to the worker `index`; it is closed if the hub is stopping.
    pub(super) async fn adopt(&self, index: usize, arrival: Arrival) {
        // The mailbox is closed only while the hub stops; the connection then ends with the message.
        let _ = self.0[index].send(Message::Adopt(Box::new(arrival))).await;
    }

    /// Lets `work` look at or change the partition of the worker `index`.
    pub(super) async fn visit<T: Send + 'static>(
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
    pub(super) async fn invoke(
        &self,
        index: usize,
        device: String,
        request: MethodRequest,
        reply: oneshot::Sender<MethodOutcome>,
    ) -> Result<(), Refusal> {
        self.0[index].send(Message::Invoke { device, request, reply }).await.map_err(|_| stopping())
    }

    /// Tells every worker what `message` makes, and waits until all have done it, or the hub is stopping. For a thread
    /// without a runtime.
    pub(super) fn tell_all(&self, message: impl Fn(SyncSender<()>) -> Message) {
        self.tell_each((0..self.len()).map(drop), |(), done| message(done));
    }

    /// The same with something for each.
    pub(super) fn tell_each<T>(
        &self,
        parts: impl IntoIterator<Item = T>,
        message: impl Fn(T, SyncSender<()>) -> Message,
    ) {
        let (done, all_done) = std::sync::mpsc::sync_channel(1);
        for (peer, part) in self.0.iter().zip(parts) {
            // Who is gone has nothing to do any more.
            let _ = peer.blocking_send(message(part, done.clone()));
        }
        drop(done);
        // Nobody ever says anything: it ends when the last has dropped his end.
        let _ = all_done.recv();
    }
}

/// The one of so many workers that the device `id` belongs to, with its modules: of `device/module`, the device counts.
pub(super) fn owner(id: &str, workers: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    id.split('/').next().hash(&mut hasher);
    usize::try_from(hasher.finish() % workers as u64).unwrap_or_default()
}

/// What is answered while the hub stops.
pub(super) fn stopping() -> Refusal {
    Refusal::new(ErrorCode::ServiceUnavailable, "the hub is stopping")
}
