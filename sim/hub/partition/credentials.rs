//! How a device proves who it is (1.2, 1.3, 5).

use serde_json::{Value, json};

use crate::dialect::azure::{Key, SasToken};
use crate::hub::certificate::{DeviceCertificate, Thumbprint};

/// What a device proves itself by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum Credentials {
    /// A key derived from the master key, as group enrolment does (10): nothing is kept.
    Derived,
    /// What its identity says. In a box, so that devices of a fleet do not carry it.
    Own(Box<OwnCredentials>),
}

/// What an identity says of its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum OwnCredentials {
    /// Primary and secondary key.
    Keys(Key, Key),
    /// A certificate with one of these thumbprints, primary and secondary, whoever signed it.
    Thumbprints(Option<Thumbprint>, Option<Thumbprint>),
    /// A certificate in its name, signed by a CA that the hub trusts.
    Authority,
    /// Nothing: it cannot connect.
    Nothing,
}

impl Credentials {
    /// Keys of its own: primary and secondary.
    pub(in crate::hub) fn keys(primary: Key, secondary: Key) -> Self {
        Self::Own(Box::new(OwnCredentials::Keys(primary, secondary)))
    }

    /// The hub's word for them.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Derived => "sas",
            Self::Own(own) => match **own {
                OwnCredentials::Keys(..) => "sas",
                OwnCredentials::Thumbprints(..) => "selfSigned",
                OwnCredentials::Authority => "certificateAuthority",
                OwnCredentials::Nothing => "none",
            },
        }
    }

    /// Whether they are keys.
    pub(super) fn are_keys(&self) -> bool {
        self.kind() == "sas"
    }

    /// Primary and secondary key of the device `id`, if it has keys. Derived ones need a second key too, because an
    /// identity has both or neither (1.3): the first one's derivative.
    fn pair(&self, id: &str, master: &Key) -> Option<(Key, Key)> {
        match self {
            Self::Derived => {
                let primary = master.derive(id);
                let secondary = primary.derive(id);
                Some((primary, secondary))
            }
            Self::Own(own) => match &**own {
                OwnCredentials::Keys(primary, secondary) => Some((primary.clone(), secondary.clone())),
                _ => None,
            },
        }
    }

    /// Whether the device `id` itself signed `token`.
    pub(super) fn signed(&self, token: &SasToken, id: &str, master: &Key) -> bool {
        self.pair(id, master)
            .is_some_and(|(primary, secondary)| token.is_signed_by(&primary) || token.is_signed_by(&secondary))
    }

    /// Whether the device `id` has the key that derives from the master key, by which it could enrol itself.
    pub(super) fn may_enrol(&self, id: &str, master: &Key) -> bool {
        let derived = master.derive(id);
        self.pair(id, master).is_some_and(|(primary, secondary)| primary == derived || secondary == derived)
    }

    /// Whether `certificate` is one of the device `id`.
    pub(super) fn accept(&self, certificate: &DeviceCertificate, id: &str) -> bool {
        match self {
            Self::Own(own) if **own == OwnCredentials::Authority => certificate.is_issued_to(id),
            _ => self.thumbprints().into_iter().flatten().any(|thumbprint| thumbprint.is_of(certificate)),
        }
    }

    /// The thumbprints, primary and secondary.
    pub(super) fn thumbprints(&self) -> [Option<&Thumbprint>; 2] {
        match self {
            Self::Own(own) => match &**own {
                OwnCredentials::Thumbprints(primary, secondary) => [primary.as_ref(), secondary.as_ref()],
                _ => [None, None],
            },
            Self::Derived => [None, None],
        }
    }

    /// The thumbprints, as documents show them.
    pub(super) fn thumbprints_document(&self) -> Value {
        let [primary, secondary] = self.thumbprints().map(|thumbprint| thumbprint.map(ToString::to_string));
        json!({ "primaryThumbprint": primary, "secondaryThumbprint": secondary })
    }

    /// `authentication` of the identity of the device `id`, keys included.
    pub(super) fn document(&self, id: &str, master: &Key) -> Value {
        let keys = self.pair(id, master).map(|(primary, secondary)| (primary.to_base64(), secondary.to_base64()));
        let (primary, secondary) = keys.unzip();
        json!({
            "symmetricKey": { "primaryKey": primary, "secondaryKey": secondary },
            "x509Thumbprint": self.thumbprints_document(),
            "type": self.kind(),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn derived_keys_are_two_and_the_first_is_the_enrolment_s() {
        let master = Key::from_bytes([7; 32]);
        let (primary, secondary) = Credentials::Derived.pair("d", &master).unwrap();
        assert!(primary == master.derive("d") && secondary != primary);
    }

    #[test]
    fn a_fleet_s_devices_carry_a_pointer_at_most() {
        assert_eq!(size_of::<Credentials>(), size_of::<usize>());
    }

    #[test]
    fn each_kind_is_proven_in_its_own_way_only() {
        let key = |byte| Key::from_bytes([byte; 32]);
        let token = |key: &Key| SasToken::parse(&SasToken::sign("h/devices/d", Timestamp::MAX, None, key)).unwrap();
        let certificate = DeviceCertificate::new(b"abc", false);
        let thumbprint = Thumbprint::parse("a9993e364706816aba3e25717850c26c9cd0d89d");
        let own = |own| Credentials::Own(Box::new(own));
        for (credentials, by_token, by_certificate) in [
            (Credentials::Derived, false, false),
            (Credentials::keys(key(1), key(2)), true, false),
            (Credentials::keys(key(3), key(1)), true, false),
            (own(OwnCredentials::Thumbprints(thumbprint.clone(), None)), false, true),
            (own(OwnCredentials::Thumbprints(None, thumbprint)), false, true),
            (own(OwnCredentials::Thumbprints(Thumbprint::parse(&"0".repeat(64)), None)), false, false),
            (own(OwnCredentials::Authority), false, false),
            (own(OwnCredentials::Nothing), false, false),
        ] {
            assert_eq!(credentials.signed(&token(&key(1)), "d", &key(9)), by_token, "{credentials:?}");
            assert_eq!(credentials.accept(&certificate, "d"), by_certificate, "{credentials:?}");
            let document = credentials.document("d", &key(9));
            assert_eq!(document["symmetricKey"]["primaryKey"].is_null(), !credentials.are_keys());
        }
    }
}
