//! Messages from devices to the cloud (7): what is kept of one, and the file that they are written to on request.

mod file;
mod line;
mod message;

pub(super) use file::TelemetryFile;
pub(super) use message::{AuthMethod, Message};
