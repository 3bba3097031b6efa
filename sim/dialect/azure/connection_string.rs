//! Connection strings: `HostName=...;SharedAccessKeyName=...;SharedAccessKey=...`.

use super::Key;

/// A service's connection string. Its key never shows itself in a debug print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionString {
    /// The hub's host name, with a port where it is not the standard one.
    pub host: String,
    /// The shared access policy.
    pub policy: String,
    /// The policy's key.
    pub key: Key,
}

/// Why a text is no service connection string; never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    /// A part is missing.
    #[error(
        "the connection string has no `{0}=`: a service's reads `HostName=..;SharedAccessKeyName=..;SharedAccessKey=..`"
    )]
    Missing(&'static str),
    /// A part that must not be there.
    #[error("the connection string has a `DeviceId=`: it is a device's, a service's is needed")]
    Device,
    /// The key is no key.
    #[error("the connection string's `SharedAccessKey` is unusable: {0}")]
    Key(&'static str),
}

impl ConnectionString {
    /// Reads a connection string.
    ///
    /// # Errors
    /// What is missing or unreadable, without quoting it.
    pub fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let part = |name: &'static str| {
            text.trim().split(';').find_map(|part| match part.split_once('=') {
                Some((key, value)) if key.eq_ignore_ascii_case(name) && !value.is_empty() => Some(value),
                _ => None,
            })
        };
        if part("DeviceId").is_some() {
            return Err(ConnectionStringError::Device);
        }
        let need = |name| part(name).ok_or(ConnectionStringError::Missing(name));
        Ok(Self {
            host: need("HostName")?.to_owned(),
            policy: need("SharedAccessKeyName")?.to_owned(),
            key: Key::from_base64(need("SharedAccessKey")?).map_err(ConnectionStringError::Key)?,
        })
    }

    /// Writes it, key included.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("HostName={};SharedAccessKeyName={};SharedAccessKey={}", self.host, self.policy, self.key.to_base64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "HostName=127.0.0.1:8080;SharedAccessKeyName=service;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==";

    #[test]
    fn it_reads_as_written_and_hides_its_key() {
        let parsed = ConnectionString::parse(TEXT).unwrap();
        assert_eq!(parsed.reveal(), TEXT);
        assert!(!format!("{parsed:?}").contains("MDEy"));
    }

    #[test]
    fn errors_name_the_part_and_quote_nothing() {
        let error = |text: &str| ConnectionString::parse(text).unwrap_err();
        assert_eq!(error(""), ConnectionStringError::Missing("HostName"));
        assert_eq!(error("HostName=h;SharedAccessKeyName=s"), ConnectionStringError::Missing("SharedAccessKey"));
        assert_eq!(error("HostName=h;DeviceId=d;SharedAccessKey=x"), ConnectionStringError::Device);
        let short = error("HostName=h;SharedAccessKeyName=s;SharedAccessKey=c2VjcmV0");
        assert!(!short.to_string().contains("c2VjcmV0"));
    }
}
