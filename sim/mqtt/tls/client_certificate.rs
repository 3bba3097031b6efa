//! Certificates by which devices prove themselves: shown by the one end, looked at by the other.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::sign::SingleCertAndKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::config::{provider, roots};
use super::error::TlsConfigError;

/// The largest chain that a client may show, in bytes: a hub keeps it for as long as the connection lasts.
const MAX_CHAIN: usize = 8 * 1024;

/// A device's certificate and its private key. Clones share both. Nothing of it shows in a debug print.
#[derive(Clone)]
pub struct ClientIdentity(pub(super) Arc<CertifiedKey>);

impl ClientIdentity {
    /// From PEM: the device's own certificate with those between it and a CA behind it, and the private key.
    ///
    /// # Errors
    /// [`TlsConfigError::Identity`], which quotes neither.
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, TlsConfigError> {
        let unusable = |error: &dyn fmt::Display| TlsConfigError::Identity(error.to_string());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(&error))?;
        if chain.is_empty() {
            return Err(unusable(&"there is no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| unusable(&error))?;
        let identity = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| unusable(&error))?;
        Ok(Self(Arc::new(identity)))
    }

    /// What shows it, once: it is needed in one handshake, and must not be kept for the life of a connection.
    pub(super) fn shown_once(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(ShownOnce(Mutex::new(Some(Arc::clone(&self.0)))))
    }

    /// What shows it whenever it is asked for: all clients of a fleet have it.
    pub(super) fn shown_always(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

struct ShownOnce(Mutex<Option<Arc<CertifiedKey>>>);

impl ResolvesClientCert for ShownOnce {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShownOnce").finish_non_exhaustive()
    }
}

/// What a client has shown of itself: it has the private key. Whether that makes it anybody is for others to say.
#[derive(Clone, Copy)]
pub struct ClientCertificate<'a>(&'a [CertificateDer<'static>]);

impl<'a> ClientCertificate<'a> {
    /// `None` if there is none.
    pub(in crate::mqtt) fn new(chain: &'a [CertificateDer<'static>]) -> Option<Self> {
        (!chain.is_empty()).then_some(Self(chain))
    }

    /// The client's own certificate, in DER.
    #[must_use]
    pub fn leaf(&self) -> &'a [u8] {
        self.0.first().map_or(&[], |leaf| leaf)
    }
}

/// A certificate says who somebody is, which is nobody's concern who reads logs.
impl fmt::Debug for ClientCertificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificate").field(&self.0.len()).finish()
    }
}

/// Those who may sign the certificates of clients. Clones share everything.
#[derive(Debug, Clone)]
pub struct ClientAuthorities(Arc<dyn ClientCertVerifier>);

/// Why a client's certificate is refused.
#[derive(Debug, thiserror::Error)]
#[error("the client's certificate is refused: {0}")]
pub struct ClientRefused(Error);

impl ClientAuthorities {
    /// Those whose certificates are in `pem`.
    ///
    /// # Errors
    /// [`TlsConfigError::Authority`].
    pub fn new(pem: &str) -> Result<Self, TlsConfigError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(pem)?), provider());
        verifier.build().map(Self).map_err(|error| TlsConfigError::Authority(error.to_string()))
    }

    /// Whether one of them has signed `certificate`, directly or through the others of its chain, for a client, and it is
    /// valid at `at`.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify(&self, certificate: &ClientCertificate<'_>, at: Timestamp) -> Result<(), ClientRefused> {
        let refuse = || ClientRefused(Error::General("there is none".to_owned()));
        let (leaf, rest) = certificate.0.split_first().ok_or_else(refuse)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().try_into().unwrap_or_default()));
        self.0.verify_client_cert(leaf, rest, at).map(|_| ()).map_err(ClientRefused)
    }
}

/// Asks clients for a certificate, lets them go without, and has them prove that its key is theirs. Who signed it is
/// looked at when it is known which device they want to be.
#[derive(Debug)]
pub(super) struct Possession(Arc<CryptoProvider>);

impl Possession {
    pub(super) fn verifier() -> Arc<dyn ClientCertVerifier> {
        Arc::new(Self(provider()))
    }
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if leaf.len() + rest.iter().map(|certificate| certificate.len()).sum::<usize>() > MAX_CHAIN {
            return Err(Error::General(format!("the client's certificates have more than {MAX_CHAIN} bytes")));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
