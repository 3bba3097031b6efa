//! Certificates for a broker and its clients.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// A CA, and what it has signed: a broker's certificate for this machine, and a client's. Files in PEM.
pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// A client named `client`, of a CA that nobody else knows.
    pub(crate) fn new(client: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = named("CA of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        write("ca.pem", &params.self_signed(&key).unwrap().pem());
        let authority = Issuer::new(params, key);
        let sign = |file: &str, name: &str, hosts: &[&str], usage| {
            let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
            let mut params = CertificateParams::new(hosts).unwrap();
            params.distinguished_name = named(name);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![usage];
            params.use_authority_key_identifier_extension = true;
            let key = KeyPair::generate().unwrap();
            write(&format!("{file}.pem"), &params.signed_by(&key, &authority).unwrap().pem());
            write(&format!("{file}.key"), &key.serialize_pem());
        };
        sign("broker", "broker", &["localhost", "127.0.0.1"], ExtendedKeyUsagePurpose::ServerAuth);
        sign("client", client, &[], ExtendedKeyUsagePurpose::ClientAuth);
        Self { folder }
    }

    /// The CA's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The broker's certificate and key.
    pub(crate) fn broker(&self) -> [PathBuf; 2] {
        [self.file("broker.pem"), self.file("broker.key")]
    }

    /// The client's certificate and key.
    pub(crate) fn client(&self) -> [PathBuf; 2] {
        [self.file("client.pem"), self.file("client.key")]
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
