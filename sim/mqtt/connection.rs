//! A connection over TCP. It keeps bytes only while a packet is incomplete or the peer does not take what was sent;
//! otherwise it borrows the buffers of its worker, so an idle connection costs its socket and this struct.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

use super::packet::{MAX_PACKET, Packet, PacketError};

/// What one read takes at most, in bytes. Large, so that no second read is needed to learn that nothing is left.
const READ: usize = 64 * 1024;

/// What a peer may leave untaken before it is cut off, in bytes.
const MAX_UNSENT: usize = 1024 * 1024;

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
        let mut read = ReadBuf::new(&mut scratch.read);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        let arrived = read.filled();
        if arrived.is_empty() {
            return Poll::Ready(Err(ConnectionError::Closed));
        }
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

    /// Appends the packets that already arrived in full to `packets`: needed once after [`Connection::resume`].
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

    /// Sends `packets` in one write, as far as the socket takes them; the rest goes out by
    /// [`Connection::poll_flush`].
    ///
    /// # Errors
    /// The connection is over, or a packet is too large.
    pub fn send(&mut self, scratch: &mut Scratch, packets: &[Packet]) -> Result<(), ConnectionError> {
        if packets.is_empty() {
            return Ok(());
        }
        if !self.unsent.is_empty() {
            if self.unsent.len() > MAX_UNSENT {
                return Err(ConnectionError::SlowReader);
            }
            return encode(packets, &mut self.unsent);
        }
        scratch.write.clear();
        encode(packets, &mut scratch.write)?;
        while !scratch.write.is_empty() {
            match self.stream.try_write(&scratch.write) {
                Ok(sent) => scratch.write.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent = BytesMut::from(&scratch.write[..]);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
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

fn encode(packets: &[Packet], buffer: &mut BytesMut) -> Result<(), ConnectionError> {
    for packet in packets {
        packet.write(buffer, MAX_PACKET).map_err(ConnectionError::Packet)?;
    }
    Ok(())
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
        encode(&[message(3), Packet::PingReq, message(300)], &mut bytes).unwrap();
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
