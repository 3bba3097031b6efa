//! Where a worker takes connections in, and the limits that hold before it is known whose they are.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ports::Port;
use super::workers::Worker;
use crate::mqtt::{Connection, ConnectionError, ServerTls, TlsError};

/// Connections of one worker at one port that have not said who they are. More wait in the kernel: whoever opens them by
/// the thousand and says nothing takes neither memory nor descriptors of those who do.
const MAX_STRANGERS: usize = 8192;
/// How long TLS may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long accepting pauses after an error: mostly there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// A port that a worker accepts connections at.
pub(super) struct Listener {
    protocol: &'static str,
    listener: TcpListener,
    tls: Option<ServerTls>,
    strangers: Arc<Semaphore>,
    /// Whether it was said that there are too many.
    crowded: Cell<bool>,
}

/// A connection that has just come in.
pub(super) struct Stranger {
    stream: TcpStream,
    tls: Option<ServerTls>,
    permit: Permit,
}

/// Counts a connection as a stranger's as long as it is held.
pub(super) type Permit = Option<OwnedSemaphorePermit>;

impl Listener {
    /// Begins to listen at `port` on this runtime; with `tls`, that is spoken there.
    ///
    /// # Errors
    /// The runtime does not take the socket.
    pub(super) fn new(port: Port, tls: Option<ServerTls>) -> io::Result<Self> {
        Ok(Self {
            protocol: port.protocol,
            listener: TcpListener::from_std(port.listener)?,
            tls,
            strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
            crowded: Cell::new(false),
        })
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> Stranger {
        let free = self.strangers.available_permits();
        if free == 0 && !self.crowded.replace(true) {
            let protocol = self.protocol;
            tracing::warn!("{MAX_STRANGERS} {protocol} connections have not said who they are: others wait");
        } else if free > MAX_STRANGERS / 2 {
            self.crowded.set(false);
        }
        // The semaphore is never closed.
        let permit = Arc::clone(&self.strangers).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return Stranger { stream, tls: self.tls.clone(), permit },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an {} connection", self.protocol);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Stranger {
    /// Shakes hands, where TLS is spoken. Who the peer is may have to be found out yet: the permit is to be held until
    /// then.
    ///
    /// # Errors
    /// No TLS came about, or not in time.
    pub(super) async fn greet(self, worker: &Worker) -> Result<(Connection, Permit), ConnectionError> {
        // Answers are single small packets; they must not wait for more.
        self.stream.set_nodelay(true)?;
        let Some(tls) = self.tls else { return Ok((Connection::new(self.stream), self.permit)) };
        let mut connection = Connection::server(self.stream, &tls)?;
        let handshake = poll_fn(|cx| connection.poll_handshake(cx, &mut worker.scratch.borrow_mut()));
        tokio::time::timeout(HANDSHAKE, handshake).await.map_err(|_| TlsError::TimedOut)??;
        Ok((connection, self.permit))
    }
}
