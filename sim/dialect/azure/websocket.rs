//! MQTT over WebSocket (1.1).

/// The path that devices ask for a WebSocket at.
pub const WEBSOCKET_PATH: &str = "/$iothub/websocket";
