//! MQTT over WebSocket (RFC 6455, and section 6 of MQTT 3.1.1): the frames, and how a client asks for them. Heads of
//! frames and keys are tungstenite's.

mod error;
mod framing;
mod upgrade;

pub use error::WebSocketError;
pub(super) use framing::Framing;
pub use upgrade::{SUBPROTOCOL, Upgrade, WebSocketClient, accept_key};

#[cfg(test)]
mod tests;
