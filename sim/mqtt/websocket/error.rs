//! Why a WebSocket does not come about, or is over.

use tungstenite::protocol::frame::coding::CloseCode;

/// Why a WebSocket does not come about, or is over. The same words for all connections to one hub, so that they can be
/// counted together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// The other end is no server of WebSockets.
    #[error("no WebSocket: {0}; name the port that the hub serves HTTPS at (often 443)")]
    NoUpgrade(&'static str),
    /// The other end does not want to.
    #[error("no WebSocket: the hub answered {0}; name the port that it serves HTTPS at (often 443)")]
    Refused(u16),
    /// What came breaks the rules of RFC 6455.
    #[error("the WebSocket is over: {0}")]
    Protocol(&'static str),
    /// MQTT comes in binary frames only.
    #[error("the WebSocket is over: a frame with text came, and MQTT needs binary ones")]
    Text,
    /// The last words are no UTF-8.
    #[error("the WebSocket is over: the reason why it is closed is not UTF-8")]
    Reason,
    /// More than any packet of MQTT holds.
    #[error("the WebSocket is over: a frame of {0} bytes came")]
    TooLarge(u64),
    /// Masks have to be random.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl WebSocketError {
    /// What the peer is told (RFC 6455, 7.4.1).
    pub(super) const fn code(&self) -> CloseCode {
        match self {
            Self::NoUpgrade(_) | Self::Refused(_) | Self::Protocol(_) => CloseCode::Protocol,
            Self::Text => CloseCode::Unsupported,
            Self::Reason => CloseCode::Invalid,
            Self::TooLarge(_) => CloseCode::Size,
            Self::Random(_) => CloseCode::Error,
        }
    }
}
