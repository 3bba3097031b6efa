//! Connections to a hub's REST side: TCP, and TLS over it where the address begins with `https://`.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tower_service::Service;

use crate::mqtt::{self, ByteStream, ClientTls, TlsError};

/// Makes connections, as hyper's client asks for them.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: Option<ClientTls>,
    limit: Duration,
}

/// A connection to the hub's REST side.
#[derive(Debug)]
pub(super) struct Link(TokioIo<ByteStream>);

type Failure = Box<dyn Error + Send + Sync>;

impl Connector {
    /// Connections with `tls`, or without; TCP and TLS may take `limit` each.
    pub(super) fn new(tls: Option<ClientTls>, limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limit));
        // It decides about the port alone; what is spoken there is decided here.
        tcp.enforce_http(false);
        Self { tcp, tls, limit }
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Link, Failure>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, tls, limit) = (self.tcp.call(uri), self.tls.clone(), self.limit);
        Box::pin(async move {
            let stream = connecting.await?.into_inner();
            let stream = match &tls {
                None => mqtt::Connection::new(stream).into(),
                Some(tls) => {
                    // Connections are few and live long: there is nothing to gain from resuming.
                    timeout(limit, ByteStream::connect(stream, tls, false)).await.map_err(|_| TlsError::TimedOut)??
                }
            };
            Ok(Link(TokioIo::new(stream)))
        })
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buffer)
    }
}

impl Write for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, parts)
    }
}
