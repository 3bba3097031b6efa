//! From an accepted socket to the worker that its device belongs to.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::link::{Link, flush};
use crate::dialect::azure::Username;
use crate::hub::lobby::{Lobby, Place};
use crate::hub::warning::Warning;
use crate::hub::workers::Worker;
use crate::mqtt::{
    ConnAck, Connect, ConnectReturnCode, Connection, ConnectionError, Detached, Packet, PacketError, ServerTls,
};

/// How long accepting pauses after an error: mostly there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection on its way to another worker.
pub(in crate::hub) struct Arrival {
    /// With what the client sent without waiting for CONNACK.
    connection: Detached,
    connect: Connect,
}

/// Accepts connections, over TLS if there is one, for as long as the worker runs.
pub(in crate::hub) async fn accept(worker: Rc<Worker>, listener: TcpListener, tls: Option<ServerTls>) {
    let (lobby, failing) = (Lobby::new(worker.limits.strangers, worker.clock), Warning::default());
    loop {
        lobby.vacancy().await;
        match listener.accept().await {
            Ok((stream, _)) => lobby.admit(|place| greet(Rc::clone(&worker), stream, tls.clone(), place)),
            Err(error) => {
                if let Some(times) = failing.due(worker.clock.now()) {
                    tracing::warn!(%error, times, "cannot accept MQTT connections");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Takes over a connection from another worker.
pub(in crate::hub) fn adopt(worker: &Rc<Worker>, arrival: Arrival) {
    match Connection::attach(arrival.connection) {
        Ok(connection) => Link::start(worker, connection, &arrival.connect),
        Err(error) => tracing::warn!(%error, "cannot take over an MQTT connection"),
    }
}

/// The client is a stranger until its connection has found its worker.
async fn greet(worker: Rc<Worker>, stream: TcpStream, tls: Option<ServerTls>, _place: Place) {
    let mut connection = match open(stream, tls.as_ref()) {
        Ok(connection) => connection,
        Err(error) => return tracing::debug!(%error, "a connection ended at once"),
    };
    let connect = async {
        poll_fn(|cx| connection.poll_handshake(cx, &mut worker.scratch.borrow_mut())).await?;
        poll_fn(|cx| connection.poll_connect(cx, &mut worker.scratch.borrow_mut())).await
    };
    let patience = worker.limits.greeting;
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
        Ok(Err(error)) => return tracing::debug!(%error, "a connection ended before its CONNECT"),
        Err(_) => return tracing::debug!(?patience, "closed: no CONNECT in time"),
    };
    // A client that cannot name its device is refused here as well as anywhere.
    let username = connect.login.as_ref().and_then(|login| Username::parse(&login.username).ok());
    let device = username.map_or_else(|| connect.client_id.clone(), |username| username.device);
    let owner = worker.peers.owner(&device);
    if owner == worker.index {
        return Link::start(&worker, connection, &connect);
    }
    match connection.detach() {
        Ok(connection) => worker.peers.adopt(owner, Arrival { connection, connect }).await,
        Err(error) => tracing::warn!(%error, "cannot hand over an MQTT connection"),
    }
}

fn open(stream: TcpStream, tls: Option<&ServerTls>) -> Result<Connection, ConnectionError> {
    // Answers are single small packets; they must not wait for more.
    stream.set_nodelay(true)?;
    match tls {
        Some(tls) => Connection::server(stream, tls),
        None => Ok(Connection::new(stream)),
    }
}
