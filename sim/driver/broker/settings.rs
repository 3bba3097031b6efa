//! Where a broker is, and how its lines are to be.

use std::fmt;
use std::net::SocketAddr;

use crate::dialect::AnyOperator;
use crate::driver::LineConfig;
use crate::mqtt::{ClientTls, WebSocketClient};

/// Where a broker is, how it is spoken with, and the lines to it.
#[derive(Clone)]
pub struct BrokerSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// How TLS is spoken with it; `None` for plain TCP.
    pub tls: Option<ClientTls>,
    /// Where a WebSocket is asked for; `None` for none.
    pub websocket: Option<WebSocketClient>,
    /// How devices are talked with.
    pub dialect: AnyOperator,
    /// The lines.
    pub lines: LineConfig,
    /// Whether there are drivers of other shards, with devices of their own.
    pub has_others: bool,
    /// Whether devices send telemetry that is to be received.
    pub telemetry: bool,
}

impl fmt::Debug for BrokerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerSettings")
            .field("address", &self.address)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}
