//! Azure IoT Hub's dialect. The facts and their sources stand in azure-iothub-protocol.md of the design pages; the
//! section numbers in comments are its.

mod connection_string;
mod device;
pub mod enrolment;
mod error;
pub mod jobs;
mod key;
mod properties;
pub mod rest;
mod sas;
mod secrets;
mod topic;
mod twin;
mod username;
mod websocket;

pub use connection_string::{ConnectionString, ConnectionStringError};
pub use device::AzureDevice;
pub use error::{ErrorCode, ServiceError};
pub use key::Key;
pub use properties::MessageProperties;
pub use sas::{SasError, SasToken};
pub use secrets::{CertificateFiles, DeviceSecrets};
pub use topic::{FromDevice, FromHub};
pub use twin::read_report;
pub use username::{Username, UsernameError, is_device_id};
pub use websocket::WEBSOCKET_PATH;
