//! Symmetric keys.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A symmetric key: 16 to 64 bytes. It never shows itself in a debug print.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Reads a key from base64.
    ///
    /// # Errors
    /// What is wrong, without the text itself.
    pub fn from_base64(text: &str) -> Result<Self, &'static str> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| "the key is not base64")?;
        // 1.3: device keys have 16 to 64 bytes.
        if (16..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err("the key does not have 16 to 64 bytes") }
    }

    /// A key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }

    /// A key of these bytes, if they are 16 to 64.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (16..=64).contains(&bytes.len()).then(|| Self(bytes.to_vec()))
    }

    /// The key itself.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The key as base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// The key of one device under this master key, as group enrolment derives it (10): HMAC-SHA256 of the id.
    #[must_use]
    pub fn derive(&self, device_id: &str) -> Self {
        Self(self.hmac(device_id.as_bytes()).to_vec())
    }

    /// Names the key without giving it away: by this, devices are marked as created by somebody who has it.
    #[must_use]
    pub fn mark(&self) -> String {
        hex(&self.hmac(b"twinstorm fleet")[..8])
    }

    /// HMAC-SHA256 of `message`.
    pub(super) fn hmac(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

/// Upper-case hexadecimal digits of `bytes`.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
