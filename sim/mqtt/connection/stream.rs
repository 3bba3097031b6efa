//! A connection as a plain stream of bytes, for what is not MQTT: REST over HTTP and HTTPS.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Connection, ConnectionError, Scratch, arrive};
use crate::mqtt::tls::ClientTls;

/// What is encrypted at once, in bytes: so much may wait for a peer that does not take it.
const CHUNK: usize = 64 * 1024;

/// A stream of bytes over TCP, or over TLS over TCP. It keeps bytes only while they wait to be taken. Without TLS it does
/// what its socket does.
///
/// A peer that closes the connection without TLS's goodbye is at its end like any other: whoever reads has to know, as
/// with HTTP/1.1, how much is to come.
pub struct ByteStream {
    connection: Connection,
    said_goodbye: bool,
}

impl ByteStream {
    /// Over TLS, as a client, with the handshake done; `again` if it may resume an earlier connection's session. How long
    /// that may take is the caller's concern.
    ///
    /// # Errors
    /// The connection is over: [`ConnectionError::Tls`] says why no TLS came about.
    pub async fn connect(stream: TcpStream, tls: &ClientTls, again: bool) -> Result<Self, ConnectionError> {
        let mut connection = Connection::client(stream, tls, again)?;
        let mut scratch = Scratch::default();
        poll_fn(|cx| connection.poll_handshake(cx, &mut scratch)).await?;
        // It is not known whether this side speaks first.
        poll_fn(|cx| connection.poll_flush(cx)).await?;
        Ok(connection.into())
    }

    /// The connection itself. What was decrypted and not read stands at its beginning.
    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    fn poll_read_sealed(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // The peer may wait for the end of the handshake.
        if let Poll::Ready(Err(error)) = self.connection.poll_flush(cx) {
            return Poll::Ready(Err(in_io(error)));
        }
        let Connection { line, layers, partial, unsent } = &mut self.connection;
        // For frames of a WebSocket, which there are none of here.
        let mut between = BytesMut::new();
        while partial.is_empty() && buffer.remaining() > 0 {
            // It arrives where it goes in the end, and is decrypted there.
            let space = buffer.initialize_unfilled();
            match ready!(arrive(line, layers.as_deref_mut(), cx, space, &mut between, partial, unsent)) {
                Ok(()) => {}
                Err(ConnectionError::Closed) => break,
                Err(error) => return Poll::Ready(Err(in_io(error))),
            }
        }
        let taken = partial.split_to(partial.len().min(buffer.remaining()));
        buffer.put_slice(&taken);
        if partial.is_empty() {
            *partial = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

/// Of a connection whose handshake is done, if it has one; nothing was read of it.
impl From<Connection> for ByteStream {
    fn from(connection: Connection) -> Self {
        Self { connection, said_goodbye: false }
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        match stream.connection.layers {
            Some(_) => stream.poll_read_sealed(cx, buffer),
            None => Pin::new(&mut stream.connection.line.tcp).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let connection = &mut self.get_mut().connection;
        if connection.layers.is_none() {
            return Pin::new(&mut connection.line.tcp).poll_write(cx, bytes);
        }
        ready!(connection.poll_flush(cx)).map_err(in_io)?;
        let chunk = &bytes[..bytes.len().min(CHUNK)];
        if let Some(layers) = connection.layers.as_mut().filter(|_| !chunk.is_empty()) {
            layers.seal(chunk, &mut BytesMut::new(), &mut connection.unsent).map_err(in_io)?;
        }
        // What the socket does not take waits for the next write, or for a flush.
        match connection.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(in_io(error))),
            _ => Poll::Ready(Ok(chunk.len())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.layers.is_none() {
            return Pin::new(&mut self.get_mut().connection.line.tcp).poll_write_vectored(cx, parts);
        }
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.layers.is_none()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().connection.poll_flush(cx).map_err(in_io)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { connection, said_goodbye } = self.get_mut();
        if !std::mem::replace(said_goodbye, true)
            && let Some(layers) = &mut connection.layers
        {
            layers.say_goodbye(&mut BytesMut::new(), &mut connection.unsent).map_err(in_io)?;
        }
        ready!(connection.poll_flush(cx)).map_err(in_io)?;
        Pin::new(&mut connection.line.tcp).poll_shutdown(cx)
    }
}

fn in_io(error: ConnectionError) -> io::Error {
    match error {
        ConnectionError::Io(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::mqtt::{connect_from, server_for};

    async fn pair() -> (ByteStream, ByteStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (server, authority) = server_for("127.0.0.1");
        let client = ClientTls::new("127.0.0.1", &authority, false).unwrap();
        let near = async {
            let stream = connect_from(None, listener.local_addr().unwrap()).await.unwrap();
            ByteStream::connect(stream, &client, false).await.unwrap()
        };
        let far = async {
            let mut far = Connection::server(listener.accept().await.unwrap().0, &server).unwrap();
            let mut scratch = Scratch::default();
            poll_fn(|cx| far.poll_handshake(cx, &mut scratch)).await.unwrap();
            far.into()
        };
        tokio::join!(near, far)
    }

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n % 251) as u8).collect()
    }

    #[tokio::test]
    async fn bytes_arrive_in_order_over_tls_and_the_end_is_told() {
        let (mut near, mut far) = pair().await;
        let sent = bytes(3_000_000);
        let send = async {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
        };
        let mut arrived = Vec::new();
        let (_, received) = tokio::join!(send, far.read_to_end(&mut arrived));
        received.unwrap();
        assert!(arrived == sent);
        far.write_all(b"answer").await.unwrap();
        far.shutdown().await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer", "one side's end is not the other's");
    }

    #[tokio::test]
    async fn what_is_read_in_small_pieces_is_kept_no_longer_than_that() {
        let (mut near, mut far) = pair().await;
        near.write_all(&bytes(1000)).await.unwrap();
        let mut arrived = Vec::new();
        while arrived.len() < 1000 {
            arrived.push(far.read_u8().await.unwrap());
        }
        assert_eq!(arrived, bytes(1000));
        assert!(far.connection.partial.capacity() == 0 && near.connection.unsent.capacity() == 0, "idle: no buffer");
    }

    #[tokio::test]
    async fn a_client_of_tls_hears_its_server_first() {
        let (mut near, mut far) = pair().await;
        let hello = async {
            far.write_all(b"hello").await.unwrap();
            far.flush().await.unwrap();
        };
        let mut said = [0; 5];
        let (_, read) = tokio::join!(hello, near.read_exact(&mut said));
        read.unwrap();
        assert_eq!(&said, b"hello");
    }

    #[tokio::test]
    async fn a_peer_that_is_cut_off_is_at_its_end() {
        let (near, mut far) = pair().await;
        drop(near);
        assert_eq!(far.read(&mut [0; 10]).await.unwrap(), 0);
    }
}
