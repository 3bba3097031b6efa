//! What goes on the wire: topics, tokens, documents and error codes. Nothing outside this room knows a topic string.

pub mod azure;
mod device;
mod message;
mod observed;
mod operator;
pub mod plain;

pub use device::{AnyDevice, DeviceDialect, ToDevice};
pub use message::Message;
pub use observed::{ObservedTwin, Presence};
pub use operator::{AnyOperator, FromFleet, MethodAnswer, OperatorDialect, ReportedError, Scope, TwinReport};

/// The direct method that starts an update.
pub const FIRMWARE_UPDATE: &str = "firmwareUpdate";

/// The direct method that restarts a device.
pub const REBOOT: &str = "reboot";
