//! Shared access signatures (1.3).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use subtle::ConstantTimeEq;

use super::Key;

/// What stays as it is when a resource or signature is percent-encoded.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A parsed token. Its signature never shows itself in a debug print.
#[derive(Clone, PartialEq, Eq)]
pub struct SasToken {
    /// The resource, decoded: `{host}/devices/{id}` or `{host}`.
    pub resource: String,
    /// Unix time after which it is void.
    pub expiry: i64,
    /// The shared access policy whose key signed it; `None` for the identity's own key.
    pub policy: Option<String>,
    /// `sr` as it was sent: that is what was signed, not a new encoding of it.
    signed: String,
    signature: Vec<u8>,
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SasError {
    /// It does not begin with the scheme.
    #[error("the token does not begin with `SharedAccessSignature `")]
    Scheme,
    /// A field is missing or unreadable.
    #[error("the token's field `{0}` is missing or unreadable")]
    Field(&'static str),
}

impl SasToken {
    /// Signs a token for `resource` that is valid until `expiry`, with the key of `policy` or of the identity itself.
    #[must_use]
    pub fn sign(resource: &str, expiry: Timestamp, policy: Option<&str>, key: &Key) -> String {
        let resource = utf8_percent_encode(resource, UNRESERVED).to_string();
        let expiry = expiry.as_second();
        let signature = STANDARD.encode(key.hmac(format!("{resource}\n{expiry}").as_bytes()));
        let signature = utf8_percent_encode(&signature, UNRESERVED);
        let mut token = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}");
        if let Some(policy) = policy {
            token.push_str("&skn=");
            token.push_str(policy);
        }
        token
    }

    /// Reads a token; the order of its fields is free.
    ///
    /// # Errors
    /// Names the field, never its value.
    pub fn parse(text: &str) -> Result<Self, SasError> {
        let fields = text.trim().strip_prefix("SharedAccessSignature ").ok_or(SasError::Scheme)?;
        let (mut resource, mut signature, mut expiry, mut policy) = (None, None, None, None);
        for field in fields.split('&') {
            match field.split_once('=') {
                Some(("sr", value)) => resource = Some(value),
                Some(("sig", value)) => signature = Some(value),
                Some(("se", value)) => expiry = Some(value),
                Some(("skn", value)) => policy = Some(value),
                _ => {}
            }
        }
        let signed = resource.ok_or(SasError::Field("sr"))?;
        // `+` is a base64 digit here, never a space: the Python service SDK leaves such characters unescaped.
        let signature = decode(signature.ok_or(SasError::Field("sig"))?, "sig")?;
        let policy = policy.filter(|policy| !policy.is_empty()).map(|policy| decode(policy, "skn")).transpose()?;
        Ok(Self {
            resource: decode(signed, "sr")?,
            expiry: expiry.and_then(|expiry| expiry.trim().parse().ok()).ok_or(SasError::Field("se"))?,
            policy,
            signed: signed.to_owned(),
            signature: STANDARD.decode(signature).map_err(|_| SasError::Field("sig"))?,
        })
    }

    /// Whether `key` signed it; takes the same time for every wrong signature.
    #[must_use]
    pub fn is_signed_by(&self, key: &Key) -> bool {
        let expected = key.hmac(format!("{}\n{}", self.signed, self.expiry).as_bytes());
        expected.ct_eq(self.signature.as_slice()).into()
    }

    /// Whether it is void at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expiry <= now.as_second()
    }

    /// Whether it covers `resource` of the hub `host`: a prefix by path segments, the host compared without case, the
    /// rest with case.
    #[must_use]
    pub fn covers(&self, host: &str, path: &str) -> bool {
        let (token_host, token_path) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let token_path = token_path.trim_end_matches('/');
        token_host.eq_ignore_ascii_case(host)
            && (token_path.is_empty()
                || path.strip_prefix(token_path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

fn decode(text: &str, field: &'static str) -> Result<String, SasError> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| SasError::Field(field))
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SasToken")
            .field("resource", &self.resource)
            .field("expiry", &self.expiry)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::from_base64("MDEyMzQ1Njc4OWFiY2RlZg==").unwrap()
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_signed_by_another_implementation_is_accepted() {
        // Made with Python's hmac, hashlib, base64 and urllib.parse.quote(safe='').
        let text = "SharedAccessSignature sr=hub.example%2Fdevices%2Fdev-1&sig=SIGNATURE&se=1900000000";
        let signature = "sx5iWCbDh15rpOQvJfuaReSzizYGQggTgP0OSw3LexA%3D";
        let token = SasToken::parse(&text.replace("SIGNATURE", signature)).unwrap();
        assert_eq!(token.resource, "hub.example/devices/dev-1");
        assert!(token.is_signed_by(&key()));
    }

    #[test]
    fn what_is_signed_is_read_and_verified() {
        let text = SasToken::sign("Hub.example:8443/devices/a b#1", time(1_900_000_000), Some("device"), &key());
        assert!(!text.contains(' ') || text.matches(' ').count() == 1);
        let token = SasToken::parse(&text).unwrap();
        assert_eq!(token.policy.as_deref(), Some("device"));
        assert!(token.is_signed_by(&key()));
        assert!(!token.is_signed_by(&key().derive("other")));
        assert!(!token.is_expired(time(1_899_999_999)) && token.is_expired(time(1_900_000_000)));
        assert!(token.covers("hub.EXAMPLE:8443", "devices/a b#1"));
        assert!(!token.covers("hub.example:8443", "devices/a b#12"));
        assert!(!token.covers("hub.example", "devices/a b#1"));
    }

    #[test]
    fn field_order_case_of_escapes_and_loose_encoding_do_not_matter() {
        let lower = SasToken::sign("h/devices/d", time(9), None, &key());
        let fields: Vec<&str> = lower.trim_start_matches("SharedAccessSignature ").split('&').collect();
        let shuffled = format!("SharedAccessSignature {}&{}&{}", fields[2], fields[0], fields[1].replace("%2F", "/"));
        assert!(SasToken::parse(&shuffled).unwrap().is_signed_by(&key()));
    }

    #[test]
    fn a_token_covers_by_path_segments() {
        let token = |resource: &str| SasToken::parse(&SasToken::sign(resource, time(9), None, &key())).unwrap();
        assert!(token("h").covers("h", "devices/d"));
        assert!(token("h/devices").covers("h", "devices/d"));
        assert!(token("h/devices/d").covers("h", "devices/d/modules/m"));
        assert!(!token("h/devices/d").covers("h", "devices/dd"));
        assert!(!token("h/devices/D").covers("h", "devices/d"));
    }

    #[test]
    fn errors_name_the_field_and_never_its_value() {
        assert_eq!(SasToken::parse("Bearer abc"), Err(SasError::Scheme));
        assert_eq!(SasToken::parse("SharedAccessSignature sr=h&se=1"), Err(SasError::Field("sig")));
        assert_eq!(SasToken::parse("SharedAccessSignature sr=h&sig=%%%&se=1"), Err(SasError::Field("sig")));
        assert_eq!(SasToken::parse("SharedAccessSignature sr=h&sig=AAAA&se=soon"), Err(SasError::Field("se")));
        let debug = format!("{:?} {:?}", SasToken::parse(&SasToken::sign("h", time(9), None, &key())), key());
        assert!(!debug.contains("sig") && debug.contains("Key(..)"));
    }
}
