//! A connection over TCP or TLS. It keeps bytes only while a packet is incomplete or the peer does not take what was
//! sent; otherwise it borrows the buffers of its worker, so an idle connection costs its socket and this struct, and with
//! TLS its keys.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::greeting::read_connect;
use super::packet::{Connect, MAX_PACKET, Packet, PacketError};
use super::source::OpenError;
use super::tls::{ClientTls, Engine, ServerTls, TlsError};

mod stream;

pub use stream::ByteStream;

/// What one read takes at most, in bytes. Large, so that no second read is needed to learn that nothing is left.
const READ: usize = 64 * 1024;

/// What a peer may leave untaken before it is cut off, in bytes.
const MAX_UNSENT: usize = 1024 * 1024;

/// What is encoded before it is written, in bytes, and the size of a write buffer that is kept.
const WRITE: usize = 256 * 1024;

/// The buffers that all connections of a worker share.
pub struct Scratch {
    read: Box<[u8]>,
    parse: BytesMut,
    write: BytesMut,
    /// What TLS makes of `write`.
    sealed: BytesMut,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            read: vec![0; READ].into_boxed_slice(),
            parse: BytesMut::with_capacity(READ),
            write: BytesMut::with_capacity(READ),
            sealed: BytesMut::new(),
        }
    }
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The peer closed it.
    #[error("the peer closed the connection")]
    Closed,
    /// The network failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What arrived is not MQTT 3.1.1, or what was to be sent cannot be expressed in it.
    #[error("not a valid MQTT packet: {0}")]
    Packet(PacketError),
    /// The peer takes nothing.
    #[error("the peer left {MAX_UNSENT} bytes untaken")]
    SlowReader,
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// TLS does not come about, or has broken.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// An MQTT connection.
pub struct Connection {
    stream: TcpStream,
    /// In a box of its own, so that a connection over plain TCP does not carry it.
    tls: Option<Box<Engine>>,
    /// The head of a packet whose rest has not arrived.
    partial: BytesMut,
    /// Encoded packets, and what TLS itself has to say, that the socket did not take yet.
    unsent: BytesMut,
}

/// A connection on its way from one runtime to another.
pub struct Detached {
    stream: std::net::TcpStream,
    tls: Option<Box<Engine>>,
    partial: BytesMut,
    unsent: BytesMut,
}

/// What is buffered may hold a token, so none of it is shown.
impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partial, unsent) = (self.partial.len(), self.unsent.len());
        f.debug_struct("Connection").field("partial", &partial).field("unsent", &unsent).finish_non_exhaustive()
    }
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Connection {
    /// Speaks MQTT over `stream`.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, tls: None, partial: BytesMut::new(), unsent: BytesMut::new() }
    }

    /// Speaks MQTT over TLS over `stream`, as a device; `again` if it was connected before and may resume its session.
    /// [`Connection::poll_handshake`] comes first.
    ///
    /// # Errors
    /// TLS cannot begin.
    pub fn client(stream: TcpStream, tls: &ClientTls, again: bool) -> Result<Self, ConnectionError> {
        let mut engine = Engine::client(tls, again)?;
        let mut unsent = BytesMut::new();
        engine.open(&mut [], &mut BytesMut::new(), &mut unsent)?;
        Ok(Self { stream, tls: Some(Box::new(engine)), partial: BytesMut::new(), unsent })
    }

    /// Speaks MQTT over TLS over `stream`, as a hub. [`Connection::poll_handshake`] comes first.
    ///
    /// # Errors
    /// TLS cannot begin.
    pub fn server(stream: TcpStream, tls: &ServerTls) -> Result<Self, ConnectionError> {
        Ok(Self { tls: Some(Box::new(Engine::server(tls)?)), ..Self::new(stream) })
    }

    /// Takes the connection off this runtime; [`Connection::attach`] puts it on another.
    ///
    /// # Errors
    /// The runtime does not let go of the socket.
    pub fn detach(self) -> io::Result<Detached> {
        let Self { stream, tls, partial, unsent } = self;
        Ok(Detached { stream: stream.into_std()?, tls, partial, unsent })
    }

    /// Goes on with a connection that comes from another runtime.
    ///
    /// # Errors
    /// This runtime does not take the socket.
    pub fn attach(detached: Detached) -> io::Result<Self> {
        let Detached { stream, tls, partial, unsent } = detached;
        Ok(Self { stream: TcpStream::from_std(stream)?, tls, partial, unsent })
    }

    /// Whether TLS resumed an earlier session.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_resumed())
    }

    /// Shakes hands, if this is TLS. What TLS has to say in the end may be left unsent: it leaves in one write with the
    /// first packet.
    ///
    /// # Errors
    /// The connection is over: [`ConnectionError::Tls`] says why no TLS came about.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Result<(), ConnectionError>> {
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            let moved = match ready!(self.poll_flush(cx)) {
                Ok(()) => ready!(self.gather(cx, scratch)),
                Err(error) => Err(error),
            };
            moved.map_err(|error| match error {
                ConnectionError::Closed => TlsError::Closed.into(),
                // So ends a peer that does not read what it takes for nonsense.
                ConnectionError::Io(io) if io.kind() == io::ErrorKind::ConnectionReset => TlsError::Closed.into(),
                error => error,
            })?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what has arrived, with one system call, and appends every complete packet to `packets`. Ready once at
    /// least one byte came.
    ///
    /// # Errors
    /// The connection is over; packets that came before that stand in `packets`.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        packets: &mut Vec<Packet>,
    ) -> Poll<Result<(), ConnectionError>> {
        let gathering = !self.partial.is_empty();
        scratch.parse.clear();
        let into = if gathering { &mut self.partial } else { &mut scratch.parse };
        let arrived =
            ready!(arrive(&mut self.stream, self.tls.as_deref_mut(), cx, &mut scratch.read, into, &mut self.unsent));
        let parsed = if gathering {
            self.parse_partial(packets)
        } else {
            let parsed = parse(&mut scratch.parse, packets);
            if !scratch.parse.is_empty() {
                self.partial = BytesMut::from(&scratch.parse[..]);
                scratch.parse.clear();
            }
            parsed
        };
        Poll::Ready(arrived.and(parsed))
    }

    /// Waits for the first packet of a client, which must be CONNECT of MQTT 3.1.1. Nothing behind it is looked at:
    /// [`Connection::parse_partial`] hands that out.
    ///
    /// # Errors
    /// The connection is over, or another packet came.
    pub fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<Result<Connect, ConnectionError>> {
        loop {
            // It may have come together with the end of the handshake.
            if let Some(connect) = read_connect(&mut self.partial).map_err(ConnectionError::Packet)? {
                return Poll::Ready(Ok(connect));
            }
            // A client of TLS 1.2 waits for the end of the handshake.
            ready!(self.poll_flush(cx))?;
            ready!(self.gather(cx, scratch))?;
        }
    }

    /// Reads what has arrived, with one system call, and keeps it.
    fn gather(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Result<(), ConnectionError>> {
        let Self { stream, tls, partial, unsent } = self;
        arrive(stream, tls.as_deref_mut(), cx, &mut scratch.read, partial, unsent)
    }

    /// Appends the packets that already arrived in full to `packets`: needed once after [`Connection::poll_connect`].
    ///
    /// # Errors
    /// What arrived is no MQTT.
    pub fn parse_partial(&mut self, packets: &mut Vec<Packet>) -> Result<(), ConnectionError> {
        let result = parse(&mut self.partial, packets);
        if self.partial.is_empty() {
            self.partial = BytesMut::new();
        }
        result
    }

    /// Sends `packets` in one write (several, if they are large), as far as the socket takes them; the rest goes out
    /// by [`Connection::poll_flush`].
    ///
    /// # Errors
    /// The connection is over, a packet is too large, or too much waits for the peer already.
    pub fn send(&mut self, scratch: &mut Scratch, packets: &[Packet]) -> Result<(), ConnectionError> {
        scratch.write.clear();
        for packet in packets {
            packet.write(&mut scratch.write, MAX_PACKET).map_err(ConnectionError::Packet)?;
            // What is unsent goes first, so from then on all else waits behind it.
            if scratch.write.len() >= WRITE || self.has_unsent() {
                self.put(scratch)?;
            }
            if self.unsent.len() > MAX_UNSENT {
                return Err(ConnectionError::SlowReader);
            }
        }
        self.put(scratch)?;
        for buffer in [&mut scratch.write, &mut scratch.sealed] {
            if buffer.capacity() > WRITE {
                *buffer = BytesMut::with_capacity(READ);
            }
        }
        Ok(())
    }

    /// Sends `packets`, small ones, as the last that is sent here, and with TLS its goodbye in the same write.
    ///
    /// # Errors
    /// Those of [`Connection::send`].
    pub fn send_last(&mut self, scratch: &mut Scratch, packets: &[Packet]) -> Result<(), ConnectionError> {
        let Some(tls) = &mut self.tls else { return self.send(scratch, packets) };
        let Scratch { write, sealed, .. } = scratch;
        write.clear();
        sealed.clear();
        for packet in packets {
            packet.write(write, MAX_PACKET).map_err(ConnectionError::Packet)?;
        }
        if !write.is_empty() {
            tls.seal(write, sealed)?;
        }
        tls.say_goodbye(sealed)?;
        self.write(sealed)
    }

    /// Sends what is in the shared write buffer, with TLS as records.
    fn put(&mut self, scratch: &mut Scratch) -> Result<(), ConnectionError> {
        let Scratch { write, sealed, .. } = scratch;
        match &mut self.tls {
            Some(tls) if !write.is_empty() => {
                sealed.clear();
                tls.seal(write, sealed)?;
                write.clear();
                self.write(sealed)
            }
            _ => self.write(write),
        }
    }

    /// Writes all of `buffer`, behind what is unsent; what the socket does not take is unsent.
    fn write(&mut self, buffer: &mut BytesMut) -> Result<(), ConnectionError> {
        if self.has_unsent() {
            self.unsent.extend_from_slice(buffer);
            buffer.clear();
            return Ok(());
        }
        let mut sent = 0;
        while sent < buffer.len() {
            match self.stream.try_write(&buffer[sent..]) {
                Ok(taken) => sent += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent = BytesMut::from(&buffer[sent..]);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        buffer.clear();
        Ok(())
    }

    /// Whether something waits for the socket to take it.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what the socket did not take earlier; ready when nothing is left.
    ///
    /// # Errors
    /// The connection is over.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            self.unsent.advance(sent);
        }
        self.unsent = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

/// Takes every complete packet out of `buffer`.
pub(super) fn parse(buffer: &mut BytesMut, packets: &mut Vec<Packet>) -> Result<(), ConnectionError> {
    loop {
        match Packet::read(buffer, MAX_PACKET) {
            Ok(packet) => packets.push(packet),
            Err(PacketError::InsufficientBytes(_)) => return Ok(()),
            Err(error) => return Err(ConnectionError::Packet(error)),
        }
    }
}

/// Appends what one read brings to `into`, with TLS what its records hold; never nothing without TLS. What TLS has to say
/// is unsent.
fn arrive(
    stream: &mut TcpStream,
    tls: Option<&mut Engine>,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
    into: &mut BytesMut,
    unsent: &mut BytesMut,
) -> Poll<Result<(), ConnectionError>> {
    let mut read = ReadBuf::new(buffer);
    ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
    let arrived = read.filled_mut();
    // A peer that goes without TLS's goodbye is gone as well: a packet says how long it is, so none is cut in silence.
    if arrived.is_empty() {
        return Poll::Ready(Err(ConnectionError::Closed));
    }
    let Some(tls) = tls else {
        into.extend_from_slice(arrived);
        return Poll::Ready(Ok(()));
    };
    Poll::Ready(match tls.open(arrived, into, unsent) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ConnectionError::Closed),
        Err(error) => {
            // Why it is over: the peer may learn it, but it is not waited for.
            let _ = stream.try_write(unsent);
            Err(error.into())
        }
    })
}

#[cfg(test)]
mod tests;
