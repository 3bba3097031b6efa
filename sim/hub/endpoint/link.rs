//! The task of one connection: it moves packets between socket and partition, and owns no buffer while idle.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::Sleep;

use super::outbox::{End, Outbox};
use crate::hub::certificate::DeviceCertificate;
use crate::hub::partition::ConnectionId;
use crate::hub::warning::excerpt;
use crate::hub::workers::Worker;
use crate::mqtt::{Connect, Connection, ConnectionError, Packet, Scratch};

/// Packets that are handled before their answers are sent: one read may bring thousands, and an answer may hold a
/// whole twin.
const BATCH: usize = 64;

/// How long a connection that is to be closed may take for what was sent to it before.
const LINGER: Duration = Duration::from_secs(5);

/// A connection of a worker. It is its own future, because each word of one is paid for by every idle device.
pub(super) struct Link {
    worker: Rc<Worker>,
    connection: Connection,
    id: ConnectionId,
    outbox: Rc<Outbox>,
    /// Once it is to be closed: when what is still unsent is given up. Boxed, so that a connection does not carry the
    /// timer all its life.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Link {
    /// Lets the partition decide about `connect`, and starts the task.
    pub(super) fn start(worker: &Rc<Worker>, connection: Connection, connect: &Connect) {
        let (id, outbox) = worker.open_outbox();
        let certificate = certificate(worker, &connection, connect);
        worker.with(|partition, now| partition.connect(now, id, connect, certificate.as_ref()));
        let mut link = Self { worker: Rc::clone(worker), connection, id, outbox, linger: None };
        // What came together with CONNECT; of a client that was refused it is ignored, as all that follows.
        match link.take_in(|connection, _, packets| connection.parse_partial(packets)) {
            Ok(Ok(())) => {
                spawn_local(link);
            }
            Ok(Err(error)) | Err(error) => link.end(&Err(error)),
        }
    }

    /// The partition hears no more of it.
    fn end(&self, result: &Result<(), ConnectionError>) {
        self.worker.close_outbox(self.id);
        if let Err(error) = result {
            tracing::debug!(connection = ?self.id, %error, "connection ended");
        }
    }

    /// Moves what can be moved. Ready once the connection is over or to be closed.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.outbox.awake();
        loop {
            if self.outbox.end() == End::Cut {
                return Poll::Ready(Err(ConnectionError::Closed));
            }
            self.send()?;
            if self.outbox.end() == End::Closed {
                return Poll::Ready(Ok(()));
            }
            // Who does not take the answers to his requests is not asked for more of them. The socket wakes this task.
            if self.connection.poll_flush(cx)?.is_pending() {
                break;
            }
            let received = self.take_in(|connection, scratch, packets| {
                connection.poll_receive(cx, scratch, packets).map_ok(|()| packets.is_empty())
            })?;
            match received {
                // A part of a packet is a sign of life as well.
                Poll::Ready(Ok(true)) => self.worker.with(|partition, now| partition.heard(now, self.id)),
                Poll::Ready(result) => _ = result?,
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

/// What a client that has no password shows instead.
pub(super) fn certificate(worker: &Worker, connection: &Connection, connect: &Connect) -> Option<DeviceCertificate> {
    connect.login.as_ref().filter(|login| login.password.is_empty())?;
    let shown = connection.client_certificate()?;
    let is_trusted = worker.client_ca.as_ref().is_some_and(|authorities| {
        let verified = authorities.verify(&shown, worker.clock.wall().at(worker.clock.now()));
        verified
            .inspect_err(|error| tracing::debug!(client = excerpt(&connect.client_id), %error, "no CA vouches"))
            .is_ok()
    });
    Some(DeviceCertificate::new(shown.leaf(), is_trusted))
}

impl Future for Link {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let link = &mut *self;
        if link.linger.is_none() {
            let result = ready!(link.poll_move(cx));
            link.end(&result);
            if result.is_err() {
                return Poll::Ready(());
            }
            // With TLS, its goodbye. The connection is closed in any case, also if it does not go out.
            let _ = link.connection.send_last(&mut link.worker.scratch.borrow_mut(), &[]);
        }
        if link.connection.poll_flush(cx).is_ready() {
            return Poll::Ready(());
        }
        link.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER))).as_mut().poll(cx)
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
    fn an_idle_connection_is_little_more_than_its_socket() {
        // Larger by a word or two, and the runtime's cell for it grows by 128 bytes.
        assert!(size_of::<Link>() <= size_of::<Connection>() + 32, "{}", size_of::<Link>());
    }
}
