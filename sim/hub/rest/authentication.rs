//! How a device is to prove who it is, as a service writes it (5).

use serde::Deserialize;

use crate::dialect::azure::{ErrorCode, Key};
use crate::hub::certificate::Thumbprint;
use crate::hub::identity::random_key;
use crate::hub::partition::{Credentials, OwnCredentials, Refusal};

/// `authentication` of an identity.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authentication {
    #[serde(rename = "type")]
    kind: Option<String>,
    symmetric_key: Option<SymmetricKey>,
    x509_thumbprint: Option<X509Thumbprint>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SymmetricKey {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

/// Keys show themselves nowhere, not even in a debug print.
impl std::fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SymmetricKey(..)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct X509Thumbprint {
    primary_thumbprint: Option<String>,
    secondary_thumbprint: Option<String>,
}

impl Authentication {
    /// The credentials that it stands for; keys that it does not bring are made.
    pub(super) fn credentials(self) -> Result<Credentials, Refusal> {
        let thumbprints = self.x509_thumbprint.unwrap_or_default().read()?;
        let kind = match (self.kind.as_deref(), &thumbprints) {
            (Some(kind), _) => kind,
            (None, (None, None)) => "sas",
            (None, _) => "selfSigned",
        };
        let own = match (kind, thumbprints) {
            ("sas", _) => return self.symmetric_key.unwrap_or_default().read(),
            ("selfSigned", (None, None)) => {
                return Err(refuse("authentication `selfSigned` needs a primaryThumbprint or a secondaryThumbprint"));
            }
            ("selfSigned", (primary, secondary)) => OwnCredentials::Thumbprints(primary, secondary),
            ("certificateAuthority", _) => OwnCredentials::Authority,
            ("none", _) => OwnCredentials::Nothing,
            (other, _) => {
                let allowed = "`sas`, `selfSigned`, `certificateAuthority` and `none`";
                return Err(refuse(format!("authentication `{other}` is none of {allowed}")));
            }
        };
        Ok(Credentials::Own(Box::new(own)))
    }
}

impl SymmetricKey {
    /// Both keys or neither (1.3).
    fn read(self) -> Result<Credentials, Refusal> {
        let key = |name: &str, text: String| Key::from_base64(&text).map_err(|why| refuse(format!("{name}: {why}")));
        match (given(self.primary_key), given(self.secondary_key)) {
            (Some(primary), Some(secondary)) => {
                Ok(Credentials::keys(key("primaryKey", primary)?, key("secondaryKey", secondary)?))
            }
            (None, None) => random_key()
                .and_then(|primary| Ok(Credentials::keys(primary, random_key()?)))
                .map_err(|error| Refusal::new(ErrorCode::ServerError, error.to_string())),
            _ => Err(refuse("an identity has two keys or none")),
        }
    }
}

impl X509Thumbprint {
    fn read(self) -> Result<(Option<Thumbprint>, Option<Thumbprint>), Refusal> {
        let read = |name: &str, text: Option<String>| {
            let unreadable =
                || refuse(format!("{name} is no thumbprint: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits"));
            given(text).map(|text| Thumbprint::parse(&text).ok_or_else(unreadable)).transpose()
        };
        let primary = read("primaryThumbprint", self.primary_thumbprint)?;
        Ok((primary, read("secondaryThumbprint", self.secondary_thumbprint)?))
    }
}

/// Some SDKs send an empty text for what is not there.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn refuse(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(document: Value) -> Result<Credentials, Refusal> {
        serde_json::from_value::<Authentication>(document).unwrap().credentials()
    }

    #[test]
    fn every_kind_is_read() {
        let own = |own| Credentials::Own(Box::new(own));
        let print = "0123456789abcdef0123456789ABCDEF01234567";
        let self_signed = own(OwnCredentials::Thumbprints(Thumbprint::parse(print), None));
        let keys = json!({"primaryKey": Key::from_bytes([1; 32]).to_base64(), "secondaryKey": Key::from_bytes([2; 32]).to_base64()});
        for (document, expected) in [
            (
                json!({"type": "sas", "symmetricKey": keys}),
                Credentials::keys(Key::from_bytes([1; 32]), Key::from_bytes([2; 32])),
            ),
            (json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": print}}), self_signed.clone()),
            (
                json!({"x509Thumbprint": {"primaryThumbprint": print, "secondaryThumbprint": ""}, "symmetricKey": {"primaryKey": ""}}),
                self_signed,
            ),
            (json!({"type": "certificateAuthority"}), own(OwnCredentials::Authority)),
            (json!({"type": "none"}), own(OwnCredentials::Nothing)),
        ] {
            assert_eq!(read(document), Ok(expected));
        }
        let made = |document| read(document).unwrap();
        let empty = json!({"type": null, "x509Thumbprint": {"primaryThumbprint": null}});
        assert_ne!(made(json!({})), made(empty), "new keys each time");
    }

    #[test]
    fn what_cannot_be_is_refused_without_naming_a_key() {
        for (document, word) in [
            (json!({"type": "password"}), "certificateAuthority"),
            (json!({"type": "selfSigned"}), "primaryThumbprint"),
            (json!({"x509Thumbprint": {"secondaryThumbprint": "abc"}}), "secondaryThumbprint"),
            (json!({"symmetricKey": {"primaryKey": "c2VjcmV0"}}), "two keys"),
            (json!({"symmetricKey": {"primaryKey": "c2VjcmV0", "secondaryKey": "c2VjcmV0"}}), "16 to 64"),
        ] {
            let refusal = read(document).unwrap_err();
            assert!(refusal.code == ErrorCode::ArgumentInvalid && refusal.message.contains(word), "{refusal}");
            assert!(!refusal.message.contains("c2VjcmV0"));
        }
    }
}
