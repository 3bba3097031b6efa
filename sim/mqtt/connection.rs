//! A connection over TCP. It keeps bytes only while a packet is incomplete or the peer does not take what was sent;
//! otherwise it borrows the buffers of its worker, so an idle connection costs its socket and this struct.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

use super::greeting::read_connect;
use super::packet::{Connect, MAX_PACKET, Packet, PacketError};

/// What one read takes at most, in bytes. Large, so that no second read is needed to learn that nothing is left.
const READ: usize = 64 * 1024;

/// What a peer may leave untaken before it is cut off, in bytes.
const MAX_UNSENT: usize = 1024 * 1024;

/// What is encoded before it is written, in bytes, and the size of a write buffer that is kept.
const WRITE: usize = 256 * 1024;

/// The buffers that all connections of a worker share.
#[derive(Debug)]
pub struct Scratch {
    read: Box<[u8]>,
    parse: BytesMut,
    write: BytesMut,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            read: vec![0; READ].into_boxed_slice(),
            parse: BytesMut::with_capacity(READ),
            write: BytesMut::with_capacity(READ),
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
}

/// An MQTT connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// The head of a packet whose rest has not arrived.
    partial: BytesMut,
    /// Encoded packets that the socket did not take yet.
    unsent: BytesMut,
}

/// Opens a TCP connection without delay for small packets.
///
/// # Errors
/// Those of the network.
pub async fn connect(peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let stream = socket.connect(peer).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    /// Speaks MQTT over `stream`.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, partial: BytesMut::new(), unsent: BytesMut::new() }
    }

    /// A connection some of whose bytes were read already: `partial` comes before what `stream` still holds.
    #[must_use]
    pub fn resume(stream: TcpStream, partial: BytesMut) -> Self {
        Self { stream, partial, unsent: BytesMut::new() }
    }

    /// Gives up the socket and the bytes that were read but not yet handed out as a packet.
    #[must_use]
    pub fn into_parts(self) -> (TcpStream, BytesMut) {
        (self.stream, self.partial)
    }

    /// The socket.
    #[must_use]
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
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
        let arrived = ready!(poll_read(&mut self.stream, cx, &mut scratch.read))?;
        let result = if self.partial.is_empty() {
            scratch.parse.clear();
            scratch.parse.extend_from_slice(arrived);
            let result = parse(&mut scratch.parse, packets);
            if !scratch.parse.is_empty() {
                self.partial = BytesMut::from(&scratch.parse[..]);
                scratch.parse.clear();
            }
            result
        } else {
            self.partial.extend_from_slice(arrived);
            self.parse_partial(packets)
        };
        Poll::Ready(result)
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
            let arrived = ready!(poll_read(&mut self.stream, cx, &mut scratch.read))?;
            self.partial.extend_from_slice(arrived);
            if let Some(connect) = read_connect(&mut self.partial).map_err(ConnectionError::Packet)? {
                return Poll::Ready(Ok(connect));
            }
        }
    }

    /// Appends the packets that already arrived in full to `packets`: needed once after [`Connection::poll_connect`]
    /// and [`Connection::resume`].
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
        let write = &mut scratch.write;
        write.clear();
        for packet in packets {
            // What is unsent goes first, so from then on all else waits behind it.
            let buffer = if self.unsent.is_empty() { &mut *write } else { &mut self.unsent };
            packet.write(buffer, MAX_PACKET).map_err(ConnectionError::Packet)?;
            if write.len() >= WRITE {
                self.write(write)?;
            }
            if self.unsent.len() > MAX_UNSENT {
                return Err(ConnectionError::SlowReader);
            }
        }
        self.write(write)?;
        if write.capacity() > WRITE {
            *write = BytesMut::with_capacity(READ);
        }
        Ok(())
    }

    /// Writes all of `buffer`; what the socket does not take is unsent.
    fn write(&mut self, buffer: &mut BytesMut) -> Result<(), ConnectionError> {
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

fn parse(buffer: &mut BytesMut, packets: &mut Vec<Packet>) -> Result<(), ConnectionError> {
    loop {
        match Packet::read(buffer, MAX_PACKET) {
            Ok(packet) => packets.push(packet),
            Err(PacketError::InsufficientBytes(_)) => return Ok(()),
            Err(error) => return Err(ConnectionError::Packet(error)),
        }
    }
}

/// What one read brings; never nothing.
fn poll_read<'b>(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    buffer: &'b mut [u8],
) -> Poll<Result<&'b [u8], ConnectionError>> {
    let mut read = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    let arrived = read.filled().len();
    Poll::Ready(if arrived == 0 { Err(ConnectionError::Closed) } else { Ok(&buffer[..arrived]) })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::Bytes;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::mqtt::{QoS, publish};

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(connect(listener.local_addr().unwrap()), listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    fn message(size: usize) -> Packet {
        publish("a/b".to_owned(), QoS::AtLeastOnce, 7, Bytes::from(vec![b'x'; size]))
    }

    async fn receive(connection: &mut Connection, scratch: &mut Scratch, count: usize) -> Vec<Packet> {
        let mut packets = Vec::new();
        while packets.len() < count {
            poll_fn(|cx| connection.poll_receive(cx, scratch, &mut packets)).await.unwrap();
        }
        packets
    }

    #[tokio::test]
    async fn packets_arrive_whole_however_the_bytes_are_cut() {
        let (near, mut far) = pair().await;
        let (mut connection, mut scratch) = (Connection::new(near), Scratch::default());
        let mut bytes = BytesMut::new();
        for packet in [message(3), Packet::PingReq, message(300)] {
            packet.write(&mut bytes, MAX_PACKET).unwrap();
        }
        for cut in [1, 2, 5, 11, bytes.len() - 1] {
            let (head, tail) = bytes.split_at(cut);
            far.write_all(head).await.unwrap();
            let mut packets = Vec::new();
            poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await.unwrap();
            far.write_all(tail).await.unwrap();
            while packets.len() < 3 {
                poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await.unwrap();
            }
            assert_eq!(packets, [message(3), Packet::PingReq, message(300)]);
            assert!(connection.partial.is_empty() && connection.partial.capacity() == 0, "idle: no buffer");
        }
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_goes_out_later_and_in_order() {
        let (near, far) = pair().await;
        let (mut connection, mut peer) = (Connection::new(near), Connection::new(far));
        let mut scratch = Scratch::default();
        let packets: Vec<Packet> = (0..30).map(|n| message(200_000 + n)).collect();
        let mut sent = 0;
        while !connection.has_unsent() {
            connection.send(&mut scratch, &packets[sent..=sent]).unwrap();
            sent += 1;
        }
        connection.send(&mut scratch, &[message(1)]).unwrap();
        let mut peer_scratch = Scratch::default();
        let (flushed, received) =
            tokio::join!(poll_fn(|cx| connection.poll_flush(cx)), receive(&mut peer, &mut peer_scratch, sent + 1));
        flushed.unwrap();
        assert_eq!(received[..sent], packets[..sent]);
        assert_eq!(received[sent], message(1));
        assert_eq!(connection.unsent.capacity(), 0, "idle: no buffer");
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_cut_off_and_costs_no_more_than_the_bound() {
        let (near, _far) = pair().await;
        let (mut connection, mut scratch) = (Connection::new(near), Scratch::default());
        let packets: Vec<Packet> = (0..200).map(|_| message(200_000)).collect();
        let error = connection.send(&mut scratch, &packets).unwrap_err();
        assert!(matches!(error, ConnectionError::SlowReader), "{error}");
        assert!(connection.unsent.len() <= MAX_UNSENT + MAX_PACKET, "{}", connection.unsent.len());
    }

    #[tokio::test]
    async fn the_shared_write_buffer_shrinks_again() {
        let (near, _far) = pair().await;
        let (mut connection, mut scratch) = (Connection::new(near), Scratch::default());
        connection.send(&mut scratch, &[message(200_000), message(200_000)]).unwrap();
        assert!(scratch.write.capacity() <= WRITE, "{}", scratch.write.capacity());
    }

    #[tokio::test]
    async fn garbage_and_a_closed_peer_are_told_apart() {
        let (near, mut far) = pair().await;
        let (mut connection, mut scratch) = (Connection::new(near), Scratch::default());
        far.write_all(&[0xf0, 2, 0, 0]).await.unwrap();
        let mut packets = Vec::new();
        let error = poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await.unwrap_err();
        assert!(matches!(error, ConnectionError::Packet(_)), "{error}");
        let (near, far) = pair().await;
        let mut connection = Connection::new(near);
        drop(far);
        let error = poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await.unwrap_err();
        assert!(matches!(error, ConnectionError::Closed), "{error}");
    }
}
