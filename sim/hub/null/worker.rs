//! One thread's share of the null hub.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::calls::Calls;
use super::devices::Devices;
use super::link::{self, Arrival};
use crate::hub::config::DoorLimits;
use crate::hub::partition::Refusal;
use crate::hub::peers::{self, stopping};
use crate::hub::tracking::TrackingIds;
use crate::mqtt::{Packet, Scratch};
use crate::time::Clock;

/// Messages that may wait for a worker. When it is full, senders wait.
pub(super) const MAILBOX: usize = 1024;

/// What crosses from one worker to another.
pub(super) enum Message {
    /// A connection whose device belongs to the receiver.
    Adopt(Box<Arrival>),
    /// Work for the receiver.
    Visit(Box<dyn FnOnce(&Worker) + Send>),
}

/// A worker's devices and calls, and what its connections share.
pub(super) struct Worker {
    pub(super) index: usize,
    /// The ways to all workers.
    pub(super) peers: Arc<[mpsc::Sender<Message>]>,
    pub(super) devices: RefCell<Devices>,
    pub(super) calls: RefCell<Calls>,
    /// Buffers that all connections of this worker share.
    pub(super) scratch: RefCell<Scratch>,
    /// Packets on their way in, and out: empty between reads, kept for their memory.
    pub(super) inbound: RefCell<Vec<Packet>>,
    pub(super) outbound: RefCell<Vec<Packet>>,
    pub(super) door: DoorLimits,
    pub(super) clock: Clock,
    pub(super) tracking: TrackingIds,
}

impl Worker {
    /// The hub's time, in microseconds of Unix time.
    pub(super) fn micros(&self) -> i64 {
        self.clock.wall().at(self.clock.now()).as_microsecond()
    }

    /// The worker that the device `id` belongs to.
    pub(super) fn owner(&self, id: &str) -> usize {
        if self.peers.len() == 1 { self.index } else { peers::owner(id, self.peers.len()) }
    }

    /// Lets the worker `index` do `work`: at once if it is this one.
    pub(super) async fn visit<T: Send + 'static>(
        &self,
        index: usize,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        if index == self.index {
            return Ok(work(self));
        }
        let (reply, answer) = oneshot::channel();
        let visit = Message::Visit(Box::new(move |worker| {
            // Nobody waits any more if the HTTP connection has broken.
            let _ = reply.send(work(worker));
        }));
        self.peers[index].send(visit).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }

    pub(super) fn handle(self: &Rc<Self>, message: Message) {
        match message {
            Message::Adopt(arrival) => link::adopt(self, *arrival),
            Message::Visit(visit) => visit(self),
        }
    }
}
