//! A connection over TCP, TLS or WebSocket. It keeps bytes only while a packet is incomplete or the peer does not take
//! what was sent; otherwise it borrows the buffers of its worker, so an idle connection costs its socket and this struct,
//! and with TLS its keys.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::greeting::read_connect;
use super::packet::{Connect, MAX_PACKET, Packet, PacketError, read_packet};
use super::tls::{ClientCertificate, ClientTls, Engine, ServerTls, TlsError};

mod detached;
mod error;
mod impairment;
mod layers;
mod line;
mod open;
mod scratch;
mod stream;
mod upgrade;

pub use detached::Detached;
pub use error::ConnectionError;
pub use impairment::{Impairment, Latency};
use layers::Layers;
use line::Line;
pub use scratch::Scratch;
use scratch::WRITE;
pub use stream::ByteStream;

/// What a peer may leave untaken before it is cut off, in bytes.
const MAX_UNSENT: usize = 1024 * 1024;

/// An MQTT connection.
pub struct Connection {
    line: Line,
    /// In a box of their own, so that a connection over plain TCP does not carry them.
    layers: Option<Box<Layers>>,
    /// The head of a packet whose rest has not arrived.
    partial: BytesMut,
    /// Encoded packets, and what the layers themselves have to say, that the socket did not take yet.
    unsent: BytesMut,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partial, unsent) = (self.partial.len(), self.unsent.len());
        f.debug_struct("Connection").field("partial", &partial).field("unsent", &unsent).finish_non_exhaustive()
    }
}

impl Connection {
    /// Speaks MQTT over `stream`.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { line: stream.into(), layers: None, partial: BytesMut::new(), unsent: BytesMut::new() }
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
        Ok(Self { unsent, layers: Some(Box::new(Layers::tls(engine))), ..Self::new(stream) })
    }

    /// Speaks MQTT over TLS over `stream`, as a hub. [`Connection::poll_handshake`] comes first.
    ///
    /// # Errors
    /// TLS cannot begin.
    pub fn server(stream: TcpStream, tls: &ServerTls) -> Result<Self, ConnectionError> {
        Ok(Self { layers: Some(Box::new(Layers::tls(Engine::server(tls)?))), ..Self::new(stream) })
    }

    /// Tears the connection: the peer sees a reset, and what was not sent is lost.
    pub fn reset(self) {
        // A socket that does not take the option is closed like any other.
        let _ = self.line.tcp.set_zero_linger();
    }

    /// Whether TLS resumed an earlier session.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.tls().is_some_and(Engine::is_resumed)
    }

    /// What the client has shown of itself in TLS, if anything; known at the hub's end, once the handshake is over.
    #[must_use]
    pub fn client_certificate(&self) -> Option<ClientCertificate<'_>> {
        ClientCertificate::new(self.tls()?.client_certificates())
    }

    /// Whether it keeps no buffer.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let layers = self.layers.as_ref().is_none_or(|layers| layers.is_idle());
        layers && self.partial.capacity() == 0 && self.unsent.capacity() == 0
    }

    /// The version of TLS.
    #[cfg(test)]
    pub(super) fn tls_version(&self) -> Option<rustls::ProtocolVersion> {
        self.tls()?.version()
    }

    fn tls(&self) -> Option<&Engine> {
        self.layers.as_ref()?.tls.as_ref()
    }

    /// Shakes hands, if this is TLS. What TLS has to say in the end may be left unsent: it leaves in one write with the
    /// first packet.
    ///
    /// # Errors
    /// The connection is over: [`ConnectionError::Tls`] says why no TLS came about.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Result<(), ConnectionError>> {
        while self.layers.as_ref().is_some_and(|layers| layers.is_handshaking()) {
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
        let Scratch { read, parse: shared, between, .. } = scratch;
        shared.clear();
        let Self { line, layers, partial, unsent } = self;
        let into = if gathering { partial } else { shared };
        let arrived = ready!(arrive(line, layers.as_deref_mut(), cx, read, between, into, unsent));
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
        let Self { line, layers, partial, unsent } = self;
        arrive(line, layers.as_deref_mut(), cx, &mut scratch.read, &mut scratch.between, partial, unsent)
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
        scratch.shrink();
        Ok(())
    }

    /// Sends `packets`, small ones, as the last that is sent here, and the goodbyes of TLS and WebSocket in the same write.
    ///
    /// # Errors
    /// Those of [`Connection::send`].
    pub fn send_last(&mut self, scratch: &mut Scratch, packets: &[Packet]) -> Result<(), ConnectionError> {
        let Some(layers) = &mut self.layers else { return self.send(scratch, packets) };
        let Scratch { write, sealed, between, .. } = scratch;
        write.clear();
        sealed.clear();
        for packet in packets {
            packet.write(write, MAX_PACKET).map_err(ConnectionError::Packet)?;
        }
        if !write.is_empty() {
            layers.seal(write, between, sealed)?;
        }
        layers.say_goodbye(between, sealed)?;
        self.write(sealed)
    }

    /// Sends what is in the shared write buffer, with what the layers put around it.
    fn put(&mut self, scratch: &mut Scratch) -> Result<(), ConnectionError> {
        let Scratch { write, sealed, between, .. } = scratch;
        match &mut self.layers {
            Some(layers) if !write.is_empty() => {
                sealed.clear();
                layers.seal(write, between, sealed)?;
                write.clear();
                self.write(sealed)
            }
            _ => self.write(write),
        }
    }

    /// Writes all of `buffer`, behind what is unsent; what the socket does not take is unsent.
    fn write(&mut self, buffer: &mut BytesMut) -> Result<(), ConnectionError> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(buffer);
            buffer.clear();
            return Ok(());
        }
        let mut sent = 0;
        while sent < buffer.len() {
            match self.line.try_write(&buffer[sent..]) {
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

    /// Whether something waits for the socket, or the path, to take it.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.line.holds_back()
    }

    /// Changes what is wrong with the path, from now on. [`Connection::poll_flush`] and [`Connection::poll_receive`] have
    /// to be polled after that.
    pub fn impair(&mut self, impairment: Impairment) {
        self.line.impair(impairment);
    }

    /// Whether nothing gets through in either direction, so that neither side learns that the other has closed it.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.line.is_black_hole()
    }

    /// Ready once the peer has closed it; whatever else comes is thrown away, unread.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<()> {
        loop {
            let mut read = ReadBuf::new(&mut scratch.read);
            let read_any = ready!(Pin::new(&mut self.line.tcp).poll_read(cx, &mut read));
            if read_any.is_err() || read.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    /// Sends what the socket did not take earlier; ready when nothing is left.
    ///
    /// # Errors
    /// The connection is over.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        while !self.unsent.is_empty() {
            let sent = ready!(self.line.poll_write(cx, &self.unsent))?;
            self.unsent.advance(sent);
        }
        self.unsent = BytesMut::new();
        self.line.poll_flush(cx).map_err(ConnectionError::from)
    }
}

/// Takes every complete packet out of `buffer`.
pub(super) fn parse(buffer: &mut BytesMut, packets: &mut Vec<Packet>) -> Result<(), ConnectionError> {
    loop {
        match read_packet(buffer) {
            Ok(packet) => packets.push(packet),
            Err(PacketError::InsufficientBytes(_)) => return Ok(()),
            Err(error) => return Err(ConnectionError::Packet(error)),
        }
    }
}

/// Appends what one read brings to `into`, without what the layers put around it; never nothing without layers. What they
/// have to say is unsent.
fn arrive(
    line: &mut Line,
    layers: Option<&mut Layers>,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
    between: &mut BytesMut,
    into: &mut BytesMut,
    unsent: &mut BytesMut,
) -> Poll<Result<(), ConnectionError>> {
    let mut read = ReadBuf::new(buffer);
    ready!(line.poll_read(cx, &mut read))?;
    let arrived = read.filled_mut();
    // A peer that goes without TLS's goodbye is gone as well: a packet says how long it is, so none is cut in silence.
    if arrived.is_empty() {
        return Poll::Ready(Err(ConnectionError::Closed));
    }
    let Some(layers) = layers else {
        into.extend_from_slice(arrived);
        return Poll::Ready(Ok(()));
    };
    let over = match layers.open(arrived, between, into, unsent) {
        Ok(true) => return Poll::Ready(Ok(())),
        Ok(false) => ConnectionError::Closed,
        Err(error) => error,
    };
    // Why it is over, or an answer to a goodbye: the peer may learn it, but it is not waited for.
    let _ = line.try_write(unsent);
    Poll::Ready(Err(over))
}

#[cfg(test)]
mod tests;
