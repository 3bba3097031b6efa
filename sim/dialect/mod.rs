//! What goes on the wire: topics, tokens, documents and error codes. Nothing outside this room knows a topic string.

pub mod azure;
mod device;
mod operator;

pub use device::{DeviceDialect, ToDevice};
pub use operator::{MethodAnswer, ReportedError, TwinReport};
