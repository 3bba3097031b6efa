//! Where a worker takes connections in, and the limits that hold before it is known whose they are.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::lobby::{Lobby, Place};
use super::ports::Port;
use super::warning::Warning;
use crate::mqtt::{Connection, ConnectionError, Scratch, ServerTls, TlsError};
use crate::time::Clock;

/// How long accepting pauses after an error: mostly there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// A port that a worker accepts connections at.
pub(super) struct Listener {
    protocol: &'static str,
    listener: TcpListener,
    tls: Option<ServerTls>,
    lobby: Rc<Lobby>,
    clock: Clock,
    failing: Warning,
}

/// A connection that has just come in.
pub(super) struct Stranger {
    stream: TcpStream,
    tls: Option<ServerTls>,
    place: Place,
}

impl Listener {
    /// Begins to listen at `port` on this runtime, for `strangers` at a time; with `tls`, that is spoken there.
    ///
    /// # Errors
    /// The runtime does not take the socket.
    pub(super) fn new(port: Port, tls: Option<ServerTls>, strangers: usize, clock: Clock) -> io::Result<Self> {
        Ok(Self {
            protocol: port.protocol,
            listener: TcpListener::from_std(port.listener)?,
            tls,
            lobby: Lobby::new(strangers, clock),
            clock,
            failing: Warning::default(),
        })
    }

    /// Lets the next connection in, once there is a place for it. `greet` runs until it is over or turned away.
    pub(super) async fn admit<F: Future<Output = ()> + 'static>(&self, greet: impl FnOnce(Stranger) -> F) {
        self.lobby.vacancy().await;
        let stream = self.accept().await;
        self.lobby.admit(|place| greet(Stranger { stream, tls: self.tls.clone(), place }));
    }

    async fn accept(&self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    if let Some(times) = self.failing.due(self.clock.now()) {
                        tracing::warn!(%error, times, "cannot accept {} connections", self.protocol);
                    }
                    self.lobby.clear();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Stranger {
    /// Shakes hands, where TLS is spoken, within `patience`. Who the peer is may have to be found out yet: the place is to be held until
    /// then.
    ///
    /// # Errors
    /// No TLS came about, or not in time.
    pub(super) async fn greet(
        self,
        scratch: &RefCell<Scratch>,
        patience: Duration,
    ) -> Result<(Connection, Place), ConnectionError> {
        // Answers are single small packets; they must not wait for more.
        self.stream.set_nodelay(true)?;
        let Some(tls) = self.tls else { return Ok((Connection::new(self.stream), self.place)) };
        let mut connection = Connection::server(self.stream, &tls)?;
        let handshake = poll_fn(|cx| connection.poll_handshake(cx, &mut scratch.borrow_mut()));
        tokio::time::timeout(patience, handshake).await.map_err(|_| TlsError::TimedOut)??;
        Ok((connection, self.place))
    }
}
