//! The MQTT side: from an accepted socket to the acknowledgements of all that its device sends.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::spawn_local;

use super::devices::Slot;
use super::worker::{Message, Worker};
use crate::dialect::azure::{ErrorCode, FromDevice, FromHub, Username};
use crate::hub::endpoint::{End, Outbox};
use crate::hub::listener::{Listener, Stranger};
use crate::hub::partition::{Refusal, call_of, refused, twin_answer};
use crate::mqtt::{
    ConnAck, Connect, ConnectReturnCode, Connection, ConnectionError, Detached, Packet, PubAck, Publish, QoS, Scratch,
    SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
};

/// Answers that are sent at once: one read may bring thousands of packets, and an answer may hold a whole twin.
const BATCH: usize = 64;

/// A connection on its way to another worker.
pub(super) struct Arrival {
    connection: Detached,
    device: String,
}

/// A connection of a device.
struct Link {
    worker: Rc<Worker>,
    connection: Connection,
    device: Slot,
    outbox: Rc<Outbox>,
}

/// Accepts connections for as long as the worker runs.
pub(super) async fn accept(worker: Rc<Worker>, listener: Listener) {
    loop {
        listener.admit(|stranger| greet(Rc::clone(&worker), stranger)).await;
    }
}

async fn greet(worker: Rc<Worker>, stranger: Stranger) {
    let (mut connection, place) = match stranger.greet(&worker.scratch, worker.door.greeting).await {
        Ok(greeted) => greeted,
        Err(error) => return tracing::debug!(%error, "a connection ended before its CONNECT"),
    };
    let connect = poll_fn(|cx| connection.poll_connect(cx, &mut worker.scratch.borrow_mut()));
    let device = match tokio::time::timeout(worker.door.greeting, connect).await {
        Ok(Ok(connect)) => device_of(connect),
        Ok(Err(error)) => return tracing::debug!(%error, "a connection ended before its CONNECT"),
        Err(_) => return tracing::debug!("closed: no CONNECT in time"),
    };
    drop(place);
    let owner = worker.owner(&device);
    if owner == worker.index {
        return Link::start(&worker, connection, &device);
    }
    match connection.detach() {
        // The mailbox is closed only while the hub stops; the connection then ends with the message.
        Ok(connection) => {
            _ = worker.peers[owner].send(Message::Adopt(Box::new(Arrival { connection, device }))).await;
        }
        Err(error) => tracing::warn!(%error, "cannot hand over an MQTT connection"),
    }
}

/// Who connects, by his own word: no password is looked at.
fn device_of(connect: Connect) -> String {
    let named = connect.login.as_ref().and_then(|login| Some(Username::parse(&login.username).ok()?.device));
    named.unwrap_or(connect.client_id)
}

/// Takes over a connection from another worker.
pub(super) fn adopt(worker: &Rc<Worker>, arrival: Arrival) {
    match Connection::attach(arrival.connection) {
        Ok(connection) => Link::start(worker, connection, &arrival.device),
        Err(error) => tracing::warn!(%error, "cannot take over an MQTT connection"),
    }
}

impl Link {
    fn start(worker: &Rc<Worker>, mut connection: Connection, id: &str) {
        let outbox = Rc::new(Outbox::default());
        let Some(device) = worker.devices.borrow_mut().connect(id, &outbox, worker.micros()) else {
            let refused = Packet::ConnAck(ConnAck::new(ConnectReturnCode::ServiceUnavailable, false));
            // It is closed in any case.
            _ = connection.send_last(&mut worker.scratch.borrow_mut(), &[refused]);
            return tracing::warn!("refused an MQTT connection: there are too many devices");
        };
        worker.outbound.borrow_mut().push(Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)));
        let mut link = Self { worker: Rc::clone(worker), connection, device, outbox };
        // What came together with CONNECT.
        match link.take_in(|connection, _, packets| connection.parse_partial(packets)) {
            Ok(Ok(())) => drop(spawn_local(link)),
            Ok(Err(error)) | Err(error) => link.end(&error),
        }
    }

    fn end(&self, error: &ConnectionError) {
        self.worker.devices.borrow_mut().disconnected(self.device, &self.outbox);
        tracing::debug!(%error, "connection ended");
    }

    /// Moves what can be moved. Ready once the connection is over.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.outbox.awake();
        loop {
            let calls = self.outbox.take();
            if !calls.is_empty() {
                self.connection.send(&mut self.worker.scratch.borrow_mut(), &calls)?;
            }
            if self.outbox.end() != End::Open {
                return Poll::Ready(Err(ConnectionError::Closed));
            }
            // Who does not take the answers to his requests is not asked for more of them.
            if self.connection.poll_flush(cx)?.is_pending() {
                break;
            }
            match self.take_in(|connection, scratch, packets| connection.poll_receive(cx, scratch, packets))? {
                Poll::Ready(received) => received?,
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

    /// Answers `packets`, in one write if there are few.
    fn handle(&mut self, packets: &mut Vec<Packet>) -> Result<(), ConnectionError> {
        let mut answers = self.worker.outbound.take();
        let mut handled = Ok(());
        for packet in packets.drain(..) {
            handled = self.answer(packet, &mut answers);
            if handled.is_err() {
                break;
            }
            if answers.len() >= BATCH {
                handled = self.send(&mut answers);
            }
        }
        let sent = self.send(&mut answers);
        self.worker.outbound.replace(answers);
        handled.and(sent)
    }

    fn send(&mut self, answers: &mut Vec<Packet>) -> Result<(), ConnectionError> {
        if answers.is_empty() {
            return Ok(());
        }
        let sent = self.connection.send(&mut self.worker.scratch.borrow_mut(), answers);
        answers.clear();
        sent
    }

    fn answer(&self, packet: Packet, answers: &mut Vec<Packet>) -> Result<(), ConnectionError> {
        match packet {
            Packet::Publish(publish) => return self.published(&publish, answers),
            Packet::Subscribe(subscribe) => answers.push(self.subscribe(&subscribe)),
            Packet::Unsubscribe(unsubscribe) => answers.push(Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid))),
            Packet::PingReq => answers.push(Packet::PingResp),
            // Nothing is sent at QoS 1, so nothing waits for this.
            Packet::PubAck(_) => {}
            // It takes its leave, or sends what no device sends.
            _ => return Err(ConnectionError::Closed),
        }
        Ok(())
    }

    /// Whatever is asked for is granted, at QoS 1 at most (1.7).
    fn subscribe(&self, subscribe: &Subscribe) -> Packet {
        if subscribe.filters.iter().any(|filter| filter.path == FromHub::METHOD_FILTER) {
            self.worker.devices.borrow_mut().takes_calls(self.device, &self.outbox);
        }
        let granted = subscribe.filters.iter().map(|filter| match filter.qos {
            QoS::AtMostOnce => SubscribeReasonCode::Success(QoS::AtMostOnce),
            _ => SubscribeReasonCode::Success(QoS::AtLeastOnce),
        });
        Packet::SubAck(SubAck::new(subscribe.pkid, granted.collect()))
    }

    fn published(&self, publish: &Publish, answers: &mut Vec<Packet>) -> Result<(), ConnectionError> {
        let worker = &self.worker;
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => answers.push(Packet::PubAck(PubAck::new(publish.pkid))),
            // 1.7: it closes the connection.
            QoS::ExactlyOnce => return Err(ConnectionError::Closed),
        }
        match FromDevice::parse(&publish.topic) {
            Some(FromDevice::ReportedPatch { rid }) => {
                let reported = worker.devices.borrow_mut().report(self.device, &publish.payload, worker.micros());
                answers.push(match reported {
                    Ok(version) => twin_answer(204, rid, Some(version), Bytes::new()),
                    Err(why) => {
                        let refusal = Refusal::new(ErrorCode::ArgumentInvalid, why);
                        let at = worker.clock.wall().at(worker.clock.now());
                        refused(&refusal, rid, &worker.tracking.issue(), at)
                    }
                });
            }
            Some(FromDevice::TwinGet { rid }) => {
                let mut twin = String::with_capacity(512);
                worker.devices.borrow().write_for_device(self.device, &mut twin);
                answers.push(twin_answer(200, rid, None, twin.into()));
            }
            Some(FromDevice::MethodResponse { status, rid }) => {
                if let Some(call) = call_of(rid) {
                    worker.calls.borrow_mut().answered(call, status, &publish.payload);
                }
            }
            Some(FromDevice::Telemetry { .. }) => {}
            None => return Err(ConnectionError::Closed),
        }
        Ok(())
    }
}

impl Future for Link {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let link = &mut *self;
        if let Err(error) = ready!(link.poll_move(cx)) {
            link.end(&error);
            // With TLS, its goodbye. The connection is closed in any case.
            _ = link.connection.send_last(&mut link.worker.scratch.borrow_mut(), &[]);
        }
        Poll::Ready(())
    }
}
