//! The task of one connection: it moves packets between socket and partition, and owns no buffer while idle.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::spawn_local;

use super::outbox::Outbox;
use crate::hub::partition::ConnectionId;
use crate::hub::workers::Worker;
use crate::mqtt::{Connect, Connection, ConnectionError, Packet};

/// Packets that are handled before their answers are sent: one read may bring thousands.
const BATCH: usize = 512;

/// How long a connection that is to be closed may take for what was sent to it before.
const LINGER: Duration = Duration::from_secs(5);

/// A connection of a worker.
pub(super) struct Link {
    worker: Rc<Worker>,
    connection: Connection,
    id: ConnectionId,
    outbox: Rc<Outbox>,
}

impl Link {
    /// Lets the partition decide about `connect`, handles what came behind it, and starts the task.
    pub(super) fn start(worker: &Rc<Worker>, connection: Connection, connect: Connect, packets: Vec<Packet>) {
        let (id, outbox) = worker.open_outbox();
        worker.with(|partition, now| {
            partition.connect(now, id, &connect);
            for packet in packets {
                partition.receive(now, id, packet);
            }
        });
        let link = Self { worker: Rc::clone(worker), connection, id, outbox };
        spawn_local(link.run());
    }

    async fn run(mut self) {
        let result = poll_fn(|cx| self.poll(cx)).await;
        self.worker.close_outbox(self.id);
        match result {
            // Boxed, so that a connection does not carry the timer all its life.
            Ok(()) => Box::pin(flush(&mut self.connection)).await,
            Err(error) => tracing::debug!(connection = ?self.id, %error, "connection ended"),
        }
    }

    /// Moves what can be moved. Ready once the connection is over or to be closed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.outbox.awake();
        loop {
            self.send()?;
            if self.outbox.is_closed() {
                return Poll::Ready(Ok(()));
            }
            let mut packets = self.worker.inbound.take();
            let received = {
                let mut scratch = self.worker.scratch.borrow_mut();
                self.connection.poll_receive(cx, &mut scratch, &mut packets)
            };
            let handled = self.handle(&mut packets);
            packets.clear();
            self.worker.inbound.replace(packets);
            handled?;
            match received {
                Poll::Ready(result) => result?,
                Poll::Pending => break,
            }
        }
        // What the socket does not take now it takes later: it wakes this task.
        let _ = self.connection.poll_flush(cx)?;
        self.outbox.sleep(cx.waker());
        Poll::Pending
    }

    fn handle(&mut self, packets: &mut Vec<Packet>) -> Result<(), ConnectionError> {
        let mut packets = packets.drain(..);
        while packets.len() > 0 {
            self.worker.with(|partition, now| {
                for packet in packets.by_ref().take(BATCH) {
                    partition.receive(now, self.id, packet);
                }
            });
            // All that follows from one batch goes out in one write: an acknowledgement and the twin's answer, say.
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), ConnectionError> {
        self.connection.send(&mut self.worker.scratch.borrow_mut(), &self.outbox.take())
    }
}

/// Sends what is left before a connection is closed: a CONNACK that says why, for one. A socket that has just come
/// from another worker takes nothing before its runtime has seen it writable.
pub(super) async fn flush(connection: &mut Connection) {
    if connection.has_unsent() {
        // It is closed in any case.
        let _ = tokio::time::timeout(LINGER, poll_fn(|cx| connection.poll_flush(cx))).await;
    }
}
