//! The task of one connection: it moves packets between socket and partition, and owns no buffer while idle.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::spawn_local;

use super::outbox::Outbox;
use crate::hub::partition::ConnectionId;
use crate::hub::workers::Worker;
use crate::mqtt::{Connect, Connection, ConnectionError, Packet, Scratch};

/// Packets that are handled before their answers are sent: one read may bring thousands, and an answer may hold a
/// whole twin.
const BATCH: usize = 64;

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
    /// Lets the partition decide about `connect`, and starts the task.
    pub(super) fn start(worker: &Rc<Worker>, connection: Connection, connect: &Connect) {
        let (id, outbox) = worker.open_outbox();
        worker.with(|partition, now| partition.connect(now, id, connect));
        let link = Self { worker: Rc::clone(worker), connection, id, outbox };
        spawn_local(link.task());
    }

    /// Lends the connection to what runs it: moved on from one future to the next, it would stand in the task twice.
    async fn task(mut self) {
        self.run().await;
    }

    async fn run(&mut self) {
        // What came together with CONNECT; of a client that was refused it is ignored, as all that follows.
        let result = match self.take_in(|connection, _, packets| connection.parse_partial(packets)) {
            Ok(Ok(())) => poll_fn(|cx| self.poll(cx)).await,
            Ok(Err(error)) | Err(error) => Err(error),
        };
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
            // Who does not take the answers to his requests is not asked for more of them. The socket wakes this task.
            if self.connection.poll_flush(cx)?.is_pending() {
                break;
            }
            match self.take_in(|connection, scratch, packets| connection.poll_receive(cx, scratch, packets))? {
                Poll::Ready(result) => result?,
                Poll::Pending => break,
            }
        }
        self.outbox.sleep(cx.waker());
        Poll::Pending
    }

    /// Handles the packets that `receive` brings.
    fn take_in<T>(
        &mut self,
        receive: impl FnOnce(&mut Connection, &mut Scratch, &mut Vec<Packet>) -> T,
    ) -> Result<T, ConnectionError> {
        let mut packets = self.worker.inbound.take();
        let received = receive(&mut self.connection, &mut self.worker.scratch.borrow_mut(), &mut packets);
        let handled = self.handle(&mut packets);
        packets.clear();
        self.worker.inbound.replace(packets);
        handled.map(|()| received)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_connection_is_hardly_larger_than_what_it_owns() {
        fn size<F: Future>(_: impl FnOnce(Link) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(Link::task) <= size_of::<Link>() + 80, "{} for {}", size(Link::task), size_of::<Link>());
    }
}
