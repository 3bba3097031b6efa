//! From an accepted socket to the worker that its device belongs to.

use std::future::poll_fn;
use std::rc::Rc;

use tokio::task::spawn_local;

use super::link::{Link, flush};
use super::throttling;
use crate::dialect::azure::Username;
use crate::hub::listener::{Listener, Stranger};
use crate::hub::lobby::Place;
use crate::hub::workers::{Complaint, Worker};
use crate::mqtt::{
    ConnAck, Connect, ConnectReturnCode, Connection, ConnectionError, Detached, MAX_CONNECT, Packet, PacketError,
    TlsError,
};

/// A connection on its way to another worker.
pub(in crate::hub) struct Arrival {
    /// With what the client sent without waiting for CONNACK.
    connection: Detached,
    connect: Connect,
}

/// Accepts connections for as long as the worker runs.
pub(in crate::hub) async fn accept(worker: Rc<Worker>, listener: Listener) {
    loop {
        listener.admit(|stranger| worker.breaker.guard(greet(Rc::clone(&worker), stranger))).await;
    }
}

/// Takes over a connection from another worker.
pub(in crate::hub) fn adopt(worker: &Rc<Worker>, arrival: Arrival) {
    match Connection::attach(arrival.connection) {
        Ok(connection) if worker.throttles.in_force().is_none() => Link::start(worker, connection, &arrival.connect),
        Ok(connection) => {
            let start = start(Rc::clone(worker), connection, arrival.connect);
            spawn_local(worker.breaker.guard(start));
        }
        Err(error) => tracing::warn!(%error, "cannot take over an MQTT connection"),
    }
}

/// Starts a connection that has found its worker, as soon as the throttles let it in.
async fn start(worker: Rc<Worker>, mut connection: Connection, connect: Connect) {
    if throttling::lets_in(&worker, &mut connection, &connect).await {
        Link::start(&worker, connection, &connect);
    }
}

async fn greet(worker: Rc<Worker>, stranger: Stranger) {
    match stranger.greet(&worker.scratch, worker.door.greeting).await {
        Ok((connection, place)) => welcome(worker, connection, Some(place)).await,
        Err(error) => turned_away(&worker, &error),
    }
}

/// A connection is over before there was any MQTT on it.
pub(in crate::hub) fn turned_away(worker: &Worker, error: &ConnectionError) {
    match error {
        ConnectionError::Tls(TlsError::Closed | TlsError::TimedOut) => {
            tracing::debug!(%error, "a connection ended in its TLS handshake");
        }
        ConnectionError::Tls(error) => worker.complain(Complaint::Tls, error),
        // What TLS begins with looks like this to MQTT.
        ConnectionError::Packet(PacketError::InvalidPacketType(1)) => {
            let why = "it speaks TLS at a port for plain MQTT: name the one of --mqtts";
            worker.complain(Complaint::NotMqtt, &why);
        }
        // It may be a device with a large will: legal, but it gets no CONNACK that could tell.
        ConnectionError::Packet(PacketError::PayloadSizeLimitExceeded(size)) => {
            let why = format_args!("its CONNECT of {size} bytes is larger than the {MAX_CONNECT} that are read");
            worker.complain(Complaint::LargeConnect, &why);
        }
        error => tracing::debug!(%error, "a connection ended before its CONNECT"),
    }
}

/// Waits for CONNECT, on a connection that only MQTT is left to come on. The client is a stranger until its connection
/// has found its worker.
pub(in crate::hub) async fn welcome(worker: Rc<Worker>, mut connection: Connection, place: Option<Place>) {
    let connect = poll_fn(|cx| connection.poll_connect(cx, &mut worker.scratch.borrow_mut()));
    let patience = worker.door.greeting;
    let result = tokio::time::timeout(patience, connect).await;
    let connect = match result {
        Ok(Ok(connect)) => connect,
        Ok(Err(ConnectionError::Packet(PacketError::InvalidProtocol | PacketError::InvalidProtocolLevel(_)))) => {
            // 1.6: only MQTT 3.1.1 is spoken here.
            let refused = Packet::ConnAck(ConnAck::new(ConnectReturnCode::RefusedProtocolVersion, false));
            let sent = connection.send_last(&mut worker.scratch.borrow_mut(), &[refused]);
            if sent.is_ok() {
                flush(&mut connection).await;
            }
            return;
        }
        Ok(Err(error)) => return turned_away(&worker, &error),
        Err(_) => return tracing::debug!(?patience, "closed: no CONNECT in time"),
    };
    // A client that cannot name its device is refused here as well as anywhere.
    let username = connect.login.as_ref().and_then(|login| Username::parse(&login.username).ok());
    let device = username.map_or_else(|| connect.client_id.clone(), |username| username.device);
    let owner = worker.peers.owner(&device);
    if owner == worker.index {
        // Nothing is waited for before the partition knows the client; then a throttle's queue, which has a bound of its
        // own, is no place among strangers.
        drop(place);
        return start(worker, connection, connect).await;
    }
    match connection.detach() {
        Ok(connection) => worker.peers.adopt(owner, Arrival { connection, connect }).await,
        Err(error) => tracing::warn!(%error, "cannot hand over an MQTT connection"),
    }
}
