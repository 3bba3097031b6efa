//! Why a connection is over.

use std::io;

use super::MAX_UNSENT;
use crate::mqtt::packet::PacketError;
use crate::mqtt::source::OpenError;
use crate::mqtt::tls::TlsError;
use crate::mqtt::websocket::WebSocketError;

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
    /// The WebSocket does not come about, or has broken.
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
}
