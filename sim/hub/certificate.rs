//! Certificates of devices, as far as a hub looks at them, and the thumbprints that they are known by.

use std::fmt;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use subtle::ConstantTimeEq;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The certificate that a client has proven to hold the key of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct DeviceCertificate {
    /// In hexadecimal, lower case.
    sha1: String,
    sha256: String,
    /// The subject's; `None` if it has none, or more than one.
    common_name: Option<String>,
    /// Whether it is valid now and signed by a CA that this hub trusts with its devices.
    is_trusted: bool,
}

impl DeviceCertificate {
    /// Looks at a certificate in DER.
    pub(in crate::hub) fn new(der: &[u8], is_trusted: bool) -> Self {
        Self {
            sha1: hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()),
            sha256: hex(digest(&SHA256, der).as_ref()),
            common_name: common_name(der),
            is_trusted,
        }
    }

    /// Whether a CA vouches for it as the certificate of the device `id`.
    pub(in crate::hub) fn is_issued_to(&self, id: &str) -> bool {
        self.is_trusted && self.common_name.as_deref() == Some(id)
    }
}

fn common_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A certificate's SHA-1 or SHA-256, as a service wrote it into the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Thumbprint(Box<str>);

impl Thumbprint {
    /// Reads 40 or 64 hexadecimal digits.
    pub(in crate::hub) fn parse(text: &str) -> Option<Self> {
        let is_one = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Self(text.into()))
    }

    /// Whether it is that of `certificate`; takes the same time for every wrong one.
    pub(in crate::hub) fn is_of(&self, certificate: &DeviceCertificate) -> bool {
        let known = self.0.to_ascii_lowercase();
        let known = known.as_bytes();
        (known.ct_eq(certificate.sha1.as_bytes()) | known.ct_eq(certificate.sha256.as_bytes())).into()
    }
}

/// As it was written.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn der(names: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in names {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn thumbprints_are_told_by_their_length_whatever_their_case() {
        let certificate = DeviceCertificate::new(b"abc", false);
        let sha1 = "A9993E364706816ABA3E25717850C26C9CD0D89D";
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for text in [sha1, sha256] {
            let thumbprint = Thumbprint::parse(text).unwrap();
            assert!(thumbprint.is_of(&certificate) && !thumbprint.is_of(&DeviceCertificate::new(b"abd", false)));
            assert_eq!(thumbprint.to_string(), text);
        }
        for text in ["", "a9", &sha1[1..], &format!("{sha1} "), &sha1.replace('A', "G"), &sha1.replace("A9", "ä")] {
            assert_eq!(Thumbprint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_certificate_is_issued_to_whom_its_name_is_exactly() {
        let trusted = DeviceCertificate::new(&der(&["dev-1"]), true);
        assert!(trusted.is_issued_to("dev-1"));
        assert!(!trusted.is_issued_to("Dev-1") && !trusted.is_issued_to("dev-11") && !trusted.is_issued_to(""));
        assert!(!DeviceCertificate::new(&der(&["dev-1"]), false).is_issued_to("dev-1"), "of a stranger");
        assert!(!DeviceCertificate::new(&der(&[]), true).is_issued_to(""), "no name is no id");
        assert!(!DeviceCertificate::new(b"no certificate", true).is_issued_to(""));
    }
}
