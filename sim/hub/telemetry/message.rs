//! A message to the cloud.

use std::sync::Arc;

use jiff::Timestamp;

/// What proved who the sender is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum AuthMethod {
    /// A key of its own.
    Key,
    /// A key of a shared access policy.
    Policy,
    /// A client certificate.
    Certificate,
}

/// A message as it came in; it is taken apart where it is written, and that is not where devices wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Message {
    /// Who sent it: `device` or `device/module`.
    pub(in crate::hub) sender: Arc<str>,
    /// Tells the sender from an earlier one of the same id.
    pub(in crate::hub) generation: u64,
    pub(in crate::hub) method: AuthMethod,
    /// The model that its device named when it connected.
    pub(in crate::hub) model: Option<Box<str>>,
    /// When it came.
    pub(in crate::hub) at: Timestamp,
    /// `k=v&k=v`, percent-encoded.
    pub(in crate::hub) properties: Box<str>,
    /// It was to be retained, which this hub does not do (1.7).
    pub(in crate::hub) retain: bool,
    /// It is the will of a device whose connection was lost (1.5).
    pub(in crate::hub) is_will: bool,
    pub(in crate::hub) body: Box<[u8]>,
}

impl Message {
    /// The memory that it takes, in bytes.
    pub(super) const fn memory(&self) -> usize {
        size_of::<Self>() + self.properties.len() + self.body.len()
    }
}
