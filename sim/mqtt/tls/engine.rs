//! The TLS state of one connection: turns records into what they hold, and back. It holds no socket, and bytes only
//! while a record is incomplete.

use std::fmt;

use bytes::BytesMut;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus};
use rustls::{Error, HandshakeKind};

use super::config::{ClientTls, ServerTls};
use super::error::TlsError;

/// What a record adds to the bytes that it holds, at most: header, content type, nonce and tag.
const RECORD_OVERHEAD: usize = 64;
/// What a record holds at most, in bytes.
const RECORD: usize = 16 * 1024;

/// The TLS state of one connection.
pub(in crate::mqtt) struct Engine {
    side: Side,
    /// The head of what is not complete yet, as rustls left it: it finds its place in it again.
    pub(in crate::mqtt) partial: BytesMut,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What is to be sent.
#[derive(Clone, Copy)]
enum Say<'a> {
    Nothing,
    Data(&'a [u8]),
    Goodbye,
}

/// What one step led to.
enum Step {
    /// There may be more in what has arrived.
    More,
    /// All is done that can be done.
    Done,
    /// The peer has said goodbye.
    Closed,
}

impl Engine {
    /// The device's side. `again` if it was connected before: it may resume its session.
    pub(in crate::mqtt) fn client(tls: &ClientTls, again: bool) -> Result<Self, TlsError> {
        let (config, host) = tls.start(again);
        Ok(Self::new(Side::Client(UnbufferedClientConnection::new(config, host)?)))
    }

    /// The hub's side.
    pub(in crate::mqtt) fn server(tls: &ServerTls) -> Result<Self, TlsError> {
        Ok(Self::new(Side::Server(UnbufferedServerConnection::new(tls.start())?)))
    }

    fn new(side: Side) -> Self {
        Self { side, partial: BytesMut::new() }
    }

    /// Whether it is too early for [`Engine::seal`].
    pub(in crate::mqtt) fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Client(client) => client.is_handshaking(),
            Side::Server(server) => server.is_handshaking(),
        }
    }

    /// Whether an earlier session was resumed; known once the handshake is over.
    pub(in crate::mqtt) fn is_resumed(&self) -> bool {
        let kind = match &self.side {
            Side::Client(client) => client.handshake_kind(),
            Side::Server(server) => server.handshake_kind(),
        };
        kind == Some(HandshakeKind::Resumed)
    }

    /// The version of TLS; known once the handshake is over.
    #[cfg(test)]
    pub(in crate::mqtt) fn version(&self) -> Option<rustls::ProtocolVersion> {
        match &self.side {
            Side::Client(client) => client.protocol_version(),
            Side::Server(server) => server.protocol_version(),
        }
    }

    /// The certificates that the client has shown, once the handshake is over; empty at the client's side.
    pub(in crate::mqtt) fn client_certificates(&self) -> &[CertificateDer<'static>] {
        match &self.side {
            Side::Client(_) => &[],
            Side::Server(server) => server.peer_certificates().unwrap_or_default(),
        }
    }

    /// Opens the records in `arrived` (and decrypts in place). What they hold is appended to `plain`, what TLS itself
    /// has to say to `answer`, which has to be sent even after an error. `false` once the peer has said goodbye.
    pub(in crate::mqtt) fn open(
        &mut self,
        arrived: &mut [u8],
        plain: &mut BytesMut,
        answer: &mut BytesMut,
    ) -> Result<bool, TlsError> {
        let mut gathered = std::mem::take(&mut self.partial);
        let records = if gathered.is_empty() {
            arrived
        } else {
            gathered.extend_from_slice(arrived);
            &mut gathered[..]
        };
        let mut done = 0;
        let result = loop {
            match self.side.step(&mut records[done..], Say::Nothing, plain, answer) {
                (used, Ok(Step::More)) => done += used,
                (used, Ok(end)) => {
                    done += used;
                    break Ok(!matches!(end, Step::Closed));
                }
                (used, Err(error)) => {
                    done += used;
                    // What it has to say to the peer about that; it must see no record again.
                    while self.side.wants_to_say() {
                        let _ = self.side.step(&mut [], Say::Nothing, plain, answer);
                    }
                    break Err(match self.side {
                        Side::Client(_) => error.into(),
                        Side::Server(_) => TlsError::at_hub(error),
                    });
                }
            }
        };
        self.partial = BytesMut::from(&records[done..]);
        result
    }

    /// Appends `plain` to `sealed`, as one record if it fits into one.
    pub(in crate::mqtt) fn seal(&mut self, plain: &[u8], sealed: &mut BytesMut) -> Result<(), TlsError> {
        self.say(Say::Data(plain), sealed)
    }

    /// Appends the last word of a connection to `sealed`.
    pub(in crate::mqtt) fn say_goodbye(&mut self, sealed: &mut BytesMut) -> Result<(), TlsError> {
        self.say(Say::Goodbye, sealed)
    }

    fn say(&mut self, say: Say<'_>, sealed: &mut BytesMut) -> Result<(), TlsError> {
        // All that arrived was opened, so nothing can come out of it here.
        let mut plain = BytesMut::new();
        while let Step::More = self.side.step(&mut self.partial, say, &mut plain, sealed).1? {}
        Ok(())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("partial", &self.partial.len()).finish_non_exhaustive()
    }
}

impl Side {
    /// Whether the next step brings something to send, whatever has arrived.
    fn wants_to_say(&self) -> bool {
        match self {
            Self::Client(client) => client.wants_write(),
            Self::Server(server) => server.wants_write(),
        }
    }

    /// One step with `records`, and how many bytes of them are done with.
    fn step(
        &mut self,
        records: &mut [u8],
        say: Say<'_>,
        plain: &mut BytesMut,
        answer: &mut BytesMut,
    ) -> (usize, Result<Step, Error>) {
        match self {
            Self::Client(client) => act(client.process_tls_records(records), say, plain, answer),
            Self::Server(server) => act(server.process_tls_records(records), say, plain, answer),
        }
    }
}

/// Does what rustls asks for.
fn act<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    say: Say<'_>,
    plain: &mut BytesMut,
    answer: &mut BytesMut,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let act = || -> Result<Step, Error> {
        match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    plain.extend_from_slice(record.payload);
                }
                Ok(Step::More)
            }
            ConnectionState::EncodeTlsData(mut data) => {
                let encode = |space: &mut [u8]| match data.encode(space) {
                    Err(EncodeError::InsufficientSize(size)) => Err(Some(size)),
                    other => other.map_err(|_| None),
                };
                append(answer, 0, encode).map(|()| Step::More)
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Ok(Step::More)
            }
            ConnectionState::WriteTraffic(mut traffic) => {
                let sized = |result| match result {
                    Err(EncryptError::InsufficientSize(size)) => Err(Some(size)),
                    Err(EncryptError::EncryptExhausted) => Err(None),
                    Ok(written) => Ok(written),
                };
                match say {
                    Say::Nothing => {}
                    Say::Data(data) => {
                        let guess = data.len() + (1 + data.len() / RECORD) * RECORD_OVERHEAD;
                        append(answer, guess, |space| sized(traffic.encrypt(data, space)))?;
                    }
                    Say::Goodbye => append(answer, RECORD_OVERHEAD, |space| sized(traffic.queue_close_notify(space)))?,
                }
                Ok(Step::Done)
            }
            ConnectionState::PeerClosed | ConnectionState::Closed => Ok(Step::Closed),
            ConnectionState::BlockedHandshake if matches!(say, Say::Nothing) => Ok(Step::Done),
            ConnectionState::BlockedHandshake => Err(Error::HandshakeNotComplete),
            // Early data, which is not switched on, and what later versions may add.
            _ => Err(Error::General("TLS wants something unheard of".to_owned())),
        }
    };
    let result = act();
    (discard, result)
}

/// Lets `write` write behind what `buffer` holds: `guess` bytes at first, or as many as it says that it needs.
fn append(
    buffer: &mut BytesMut,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), Error> {
    let start = buffer.len();
    let mut size = guess;
    loop {
        buffer.resize(start + size, 0);
        match write(&mut buffer[start..]) {
            Ok(written) => {
                buffer.truncate(start + written);
                return Ok(());
            }
            Err(Some(InsufficientSizeError { required_size })) if required_size > size => size = required_size,
            Err(_) => {
                buffer.truncate(start);
                return Err(Error::EncryptError);
            }
        }
    }
}
