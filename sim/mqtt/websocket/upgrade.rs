//! How a client asks a server of HTTP for a WebSocket.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tungstenite::handshake::client::{Response, generate_key};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::http::StatusCode;

use super::error::WebSocketError;

/// What MQTT is called in the list of subprotocols; some clients write it in capitals.
pub const SUBPROTOCOL: &str = "mqtt";

/// The largest head of an answer, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// What a server answers to a client's key.
#[must_use]
pub fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

/// Where devices ask one hub for a WebSocket. Clones share everything.
#[derive(Debug, Clone)]
pub struct WebSocketClient {
    host: Arc<str>,
    path: Arc<str>,
}

/// An upgrade that was asked for.
#[derive(Debug)]
pub struct Upgrade {
    accept: String,
}

impl WebSocketClient {
    /// At `path` of the server that goes by `host`, with its port if that is not HTTPS's.
    #[must_use]
    pub fn new(host: &str, path: &str) -> Self {
        Self { host: host.into(), path: path.into() }
    }

    /// The head of a request, and what is to be expected of its answer.
    pub(in crate::mqtt) fn ask(&self) -> (String, Upgrade) {
        let Self { host, path } = self;
        let key = generate_key();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        );
        (head, Upgrade { accept: accept_key(key.as_bytes()) })
    }
}

impl Upgrade {
    /// Takes the answer's head out of `buffer`, once it has arrived in full; what came behind it stays there. Whether the
    /// WebSocket is open.
    pub(in crate::mqtt) fn take_answer(&self, buffer: &mut BytesMut) -> Result<bool, WebSocketError> {
        let unreadable = WebSocketError::NoUpgrade("the other end does not speak HTTP");
        let Some((size, head)) = Response::try_parse(buffer).map_err(|_| unreadable)? else {
            let is_long = buffer.len() > MAX_HEAD;
            return if is_long { Err(WebSocketError::NoUpgrade("the answer is too long")) } else { Ok(false) };
        };
        if head.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(WebSocketError::Refused(head.status().as_u16()));
        }
        let says = |name: &str, value: &str| {
            head.headers().get(name).is_some_and(|text| text.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
        };
        if !says("upgrade", "websocket") || !says("connection", "upgrade") {
            return Err(WebSocketError::NoUpgrade("the answer switches to something else"));
        }
        if head.headers().get("sec-websocket-accept").is_none_or(|key| key.as_bytes() != self.accept.as_bytes()) {
            return Err(WebSocketError::NoUpgrade("the answer is for somebody else's key"));
        }
        if !says("sec-websocket-protocol", SUBPROTOCOL) {
            return Err(WebSocketError::NoUpgrade("the other end does not speak MQTT there"));
        }
        buffer.advance(size);
        Ok(true)
    }
}
