//! Opening a connection as a client: TCP, TLS and WebSocket, one after the other.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::time::{Instant, timeout_at};

use super::{Connection, ConnectionError, Scratch};
use crate::mqtt::source::connect_from;
use crate::mqtt::tls::{ClientTls, TlsError};
use crate::mqtt::websocket::{WebSocketClient, WebSocketError};

impl Connection {
    /// Opens a connection to `peer` by `until`, from `source` if that is given; `tls` with whether the client was connected
    /// before and may resume its session. `scratch` is borrowed for moments only.
    ///
    /// # Errors
    /// What did not come about, or not in time.
    pub async fn open(
        source: Option<IpAddr>,
        peer: SocketAddr,
        tls: Option<(&ClientTls, bool)>,
        websocket: Option<&WebSocketClient>,
        scratch: &RefCell<Scratch>,
        until: Instant,
    ) -> Result<Self, ConnectionError> {
        let connect = connect_from(source, peer);
        let stream = timeout_at(until, connect).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let mut connection = match tls {
            Some((tls, again)) => Self::client(stream, tls, again)?,
            None => Self::new(stream),
        };
        let handshake = poll_fn(|cx| connection.poll_handshake(cx, &mut scratch.borrow_mut()));
        timeout_at(until, handshake).await.map_err(|_| TlsError::TimedOut)??;
        if let Some(websocket) = websocket {
            let upgrade = connection.ask_for_websocket(&mut scratch.borrow_mut(), websocket)?;
            let opened = poll_fn(|cx| connection.poll_upgrade(cx, &mut scratch.borrow_mut(), &upgrade));
            timeout_at(until, opened).await.map_err(|_| WebSocketError::NoUpgrade("the answer took too long"))??;
        }
        Ok(connection)
    }
}
