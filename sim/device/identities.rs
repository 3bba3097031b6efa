//! The certificates by which devices prove themselves, where they do.

use std::sync::Arc;

use crate::mqtt::{ClientIdentity, TlsConfigError};
use crate::policy::Arena;

/// A certificate and a private key for each device, kept as they were read (PEM): what a handshake makes of them takes
/// several times as much memory, and is needed for the length of a handshake. Clones share everything.
#[derive(Debug, Clone)]
pub struct DeviceIdentities {
    certificates: Arc<Arena>,
    keys: Arc<Arena>,
}

impl DeviceIdentities {
    /// Those of the devices from `first` on; `None` if they are too long to keep. Each has been looked at by
    /// [`DeviceIdentities::check`].
    #[must_use]
    pub fn new(first: u32, certificates: &[String], keys: &[String]) -> Option<Self> {
        let arena = |texts: &[String]| Arena::new(first, texts).map(Arc::new);
        Some(Self { certificates: arena(certificates)?, keys: arena(keys)? })
    }

    /// Whether these two make an identity.
    ///
    /// # Errors
    /// Why they do not, without either.
    pub fn check(certificate: &str, key: &str) -> Result<(), TlsConfigError> {
        ClientIdentity::from_pem(certificate, key).map(drop)
    }

    /// What device number `device` shows.
    pub(super) fn of(&self, device: u32) -> Option<ClientIdentity> {
        let text = |arena: &Arena| String::from_utf8(arena.get(device)?.to_vec()).ok();
        ClientIdentity::from_pem(&text(&self.certificates)?, &text(&self.keys)?).ok()
    }
}
