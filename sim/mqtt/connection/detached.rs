//! A connection on its way from one runtime to another.

use std::fmt;
use std::io;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::Connection;
use super::layers::Layers;

/// A connection on its way from one runtime to another.
pub struct Detached {
    stream: std::net::TcpStream,
    layers: Option<Box<Layers>>,
    partial: BytesMut,
    unsent: BytesMut,
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Connection {
    /// Takes the connection off this runtime; [`Connection::attach`] puts it on another.
    ///
    /// # Errors
    /// The runtime does not let go of the socket.
    pub fn detach(self) -> io::Result<Detached> {
        let Self { line, layers, partial, unsent } = self;
        Ok(Detached { stream: line.tcp.into_std()?, layers, partial, unsent })
    }

    /// Goes on with a connection that comes from another runtime.
    ///
    /// # Errors
    /// This runtime does not take the socket.
    pub fn attach(detached: Detached) -> io::Result<Self> {
        let Detached { stream, layers, partial, unsent } = detached;
        Ok(Self { line: TcpStream::from_std(stream)?.into(), layers, partial, unsent })
    }
}
