//! A gateway for WebSockets before a broker: Debian's Mosquitto is built without them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::{Error, Message, accept_hdr};

use super::Mosquitto;

/// How long it listens to one side before it turns to the other.
const TURN: Duration = Duration::from_millis(2);

/// A gateway for a few clients. It closes when dropped.
pub(crate) struct Gateway {
    port: u16,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// A gateway to `broker`, whatever path it is asked for.
    pub(crate) fn to(broker: &Mosquitto) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), broker.port());
        let closed = Arc::<AtomicBool>::default();
        let is_closed = Arc::clone(&closed);
        let thread = std::thread::spawn(move || {
            while !is_closed.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) => {
                        let is_closed = Arc::clone(&is_closed);
                        std::thread::spawn(move || serve(client, target, &is_closed));
                    }
                    Err(_) => std::thread::park_timeout(TURN),
                }
            }
        });
        Self { port, closed, thread: Some(thread) }
    }

    /// Where it is, as `--hub` takes it.
    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[allow(clippy::result_large_err, clippy::unnecessary_wraps, reason = "tungstenite wants it so")]
fn speaks_mqtt(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
    Ok(response)
}

/// Carries bytes between the two until one of them goes; `None`, as there is nothing to say then.
fn serve(client: TcpStream, broker: u16, closed: &AtomicBool) -> Option<()> {
    client.set_nonblocking(false).ok()?;
    client.set_nodelay(true).ok()?;
    let mut client = accept_hdr(client, speaks_mqtt).ok()?;
    client.get_ref().set_read_timeout(Some(TURN)).ok()?;
    let mut broker = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)).ok()?;
    broker.set_read_timeout(Some(TURN)).ok()?;
    broker.set_nodelay(true).ok()?;
    let mut buffer = [0; 4096];
    while !closed.load(Ordering::Relaxed) {
        match client.read() {
            Ok(Message::Binary(bytes)) => broker.write_all(&bytes).ok()?,
            Ok(_) => {}
            Err(Error::Io(error)) if is_later(error.kind()) => {}
            Err(_) => return None,
        }
        match broker.read(&mut buffer) {
            Ok(0) => return client.close(None).ok(),
            Ok(read) => client.send(Message::binary(buffer[..read].to_vec())).ok()?,
            Err(error) if is_later(error.kind()) => {}
            Err(_) => return None,
        }
    }
    None
}

fn is_later(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
