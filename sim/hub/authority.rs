//! The hub's own certificate authority: it signs the certificate that the hub shows to devices.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::error::HubError;
use crate::mqtt::ServerTls;

/// The CA's certificate, in the folder that keeps it. Whoever trusts the hub needs it.
pub const CA_FILE: &str = "ca.pem";
/// The CA's private key, beside it. Nobody but the hub needs it.
const KEY: &str = "ca.key";

/// A certificate authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// Whether the certificate `text` is one of the key `pair`: it then holds its public half as it stands.
fn certifies(text: &str, pair: &KeyPair) -> bool {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let Ok(certificate) = STANDARD.decode(body) else { return false };
    let public = pair.public_key_raw();
    certificate.windows(public.len()).any(|part| part == public)
}

impl Authority {
    /// The one that `folder` keeps, which is made if there is none; without a folder a new one, kept nowhere.
    ///
    /// # Errors
    /// [`HubError::Folder`], [`HubError::Certificate`].
    pub(super) fn open(folder: Option<&Path>) -> Result<Self, HubError> {
        let Some(folder) = folder else { return Self::generate() };
        let failed = |source: io::Error| HubError::Folder { folder: folder.to_owned(), source };
        let (certificate, key) = (folder.join(CA_FILE), folder.join(KEY));
        match (read(&certificate).map_err(failed)?, read(&key).map_err(failed)?) {
            (Some(text), Some(pair)) => {
                let pair = KeyPair::from_pem(&pair)?;
                if !certifies(&text, &pair) {
                    return Err(HubError::ForeignKey { certificate, key });
                }
                Ok(Self { issuer: Issuer::new(params(), pair), certificate: text })
            }
            (None, None) => {
                let made = Self::generate()?;
                fs::create_dir_all(folder).map_err(failed)?;
                // The key first: who finds the certificate can rely on the hub having it.
                write_new(&key, 0o600, &made.issuer.key().serialize_pem()).map_err(failed)?;
                write_new(&certificate, 0o644, &made.certificate).map_err(failed)?;
                Ok(made)
            }
            (Some(_), None) => Err(HubError::HalfFolder { present: certificate, missing: key }),
            (None, Some(_)) => Err(HubError::HalfFolder { present: key, missing: certificate }),
        }
    }

    fn generate() -> Result<Self, HubError> {
        let key = KeyPair::generate()?;
        let certificate = params().self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params(), key), certificate })
    }

    /// Its certificate, in PEM.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// What a hub needs that is reached by `hosts` (a port behind one counts for nothing), at `addresses`, and by the
    /// names and addresses by which a machine calls itself.
    ///
    /// # Errors
    /// [`HubError::Certificate`], [`HubError::Tls`].
    pub(super) fn certify<'a>(
        &self,
        hosts: impl Iterator<Item = &'a str>,
        addresses: impl Iterator<Item = SocketAddr>,
    ) -> Result<ServerTls, HubError> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        for name in hosts.map(without_port).chain(addresses.map(|address| address.ip().to_string())) {
            let is_somewhere = name.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified());
            if !names.contains(&name) && !is_somewhere {
                names.push(name);
            }
        }
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = named("twinstorm hub");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ServerTls::new(vec![certificate.der().to_vec()], key.serialize_der())?)
    }
}

/// What an authority says of itself; the same each time, so that one that was kept signs as it did before.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("twinstorm hub CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn without_port(host: &str) -> String {
    match host.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string(),
        Err(_) => host.split(':').next().unwrap_or(host).to_owned(),
    }
}

/// What a file holds, if it is there.
fn read(path: &PathBuf) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_new(path: &PathBuf, mode: u32, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_kept_authority_is_the_same_at_the_next_start_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("tls");
        let first = Authority::open(Some(&kept)).unwrap();
        let again = Authority::open(Some(&kept)).unwrap();
        assert_eq!(first.certificate(), again.certificate());
        assert_eq!(first.issuer.key().serialize_der(), again.issuer.key().serialize_der());
        assert_eq!(fs::metadata(kept.join(KEY)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(Authority::open(None).unwrap().certificate(), first.certificate());
        fs::write(kept.join(CA_FILE), Authority::open(None).unwrap().certificate()).unwrap();
        let error = Authority::open(Some(&kept)).err().unwrap().to_string();
        assert!(error.contains("ca.pem is no certificate of the key in"), "{error}");
        fs::remove_file(kept.join(CA_FILE)).unwrap();
        let error = Authority::open(Some(&kept)).err().unwrap().to_string();
        assert!(error.contains("ca.pem is missing"), "{error}");
    }

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (host, name) in [("hub.test:8443", "hub.test"), ("hub.test", "hub.test"), ("127.0.0.1:80", "127.0.0.1")] {
            assert_eq!(without_port(host), name);
        }
        assert_eq!(without_port("[::1]:80"), "::1");
    }
}
