//! How a hub that is not ours is taken down and brought back: by commands of its operator.

use serde::{Deserialize, Serialize};

/// Two command lines, for `sh -c`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageCommands {
    /// Takes the hub down.
    pub down: String,
    /// Brings it back; nothing is wrong with saying it twice, or while the hub is up.
    pub up: String,
}
