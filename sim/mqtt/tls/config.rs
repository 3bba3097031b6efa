//! What all TLS connections of a process share.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::client_certificate::{ClientIdentity, Possession};
use super::error::TlsConfigError;
use super::tickets::Tickets;

/// How devices speak TLS with one hub. Clones share everything.
#[derive(Clone)]
pub struct ClientTls {
    /// For a device's first connection, which never resumes: it has nothing to resume.
    first: Arc<ClientConfig>,
    /// For those after it.
    again: Arc<ClientConfig>,
    host: ServerName<'static>,
}

impl ClientTls {
    /// TLS 1.3 or 1.2 with a hub whose certificate must be for `host` (a name or an address) and signed by one of the
    /// certificates in `authority` (PEM). With `resumption`, connections after the first may resume a session: a
    /// handshake without certificates, which costs less.
    ///
    /// # Errors
    /// [`TlsConfigError::Host`], [`TlsConfigError::Authority`].
    pub fn new(host: &str, authority: &str, resumption: bool) -> Result<Self, TlsConfigError> {
        Self::trusting(roots(authority)?, host, resumption)
    }

    /// The same, with a hub whose certificate is signed by somebody whom this system trusts: a hub in a cloud, mostly.
    ///
    /// # Errors
    /// [`TlsConfigError::Host`], [`TlsConfigError::SystemRoots`].
    pub fn with_system_roots(host: &str, resumption: bool) -> Result<Self, TlsConfigError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Systems keep some that no verifier takes; the rest will do.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
            return Err(TlsConfigError::SystemRoots(why));
        }
        Self::trusting(roots, host, resumption)
    }

    /// The same for one device, which shows `identity` to a hub that asks for one. Its sessions are not resumed: a ticket is
    /// for the device that it was given to, and tickets are pooled.
    #[must_use]
    pub fn presenting(&self, identity: &ClientIdentity) -> Self {
        // Each part of it is shared.
        let mut config = ClientConfig::clone(&self.first);
        config.client_auth_cert_resolver = identity.shown_once();
        config.resumption = Resumption::disabled();
        let config = Arc::new(config);
        Self { first: Arc::clone(&config), again: config, host: self.host.clone() }
    }

    /// The same for clients that all show this `identity`, as often as they are asked.
    #[must_use]
    pub fn all_presenting(&self, identity: &ClientIdentity) -> Self {
        let showing = |config: &Arc<ClientConfig>| {
            let mut config = ClientConfig::clone(config);
            config.client_auth_cert_resolver = identity.shown_always();
            Arc::new(config)
        };
        Self { first: showing(&self.first), again: showing(&self.again), host: self.host.clone() }
    }

    fn trusting(roots: RootCertStore, host: &str, resumption: bool) -> Result<Self, TlsConfigError> {
        Self::speaking(DEFAULT_VERSIONS, roots, host, resumption)
    }

    pub(super) fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        roots: RootCertStore,
        host: &str,
        resumption: bool,
    ) -> Result<Self, TlsConfigError> {
        let host = ServerName::try_from(host.to_owned()).map_err(|_| TlsConfigError::Host(host.to_owned()))?;
        let mut first = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut again = first.clone();
        (first.resumption, again.resumption) = if resumption {
            let (adds, takes) = Tickets::pool();
            (Resumption::store(Arc::new(adds)), Resumption::store(Arc::new(takes)))
        } else {
            (Resumption::disabled(), Resumption::disabled())
        };
        Ok(Self { first: Arc::new(first), again: Arc::new(again), host })
    }

    /// What a connection starts with; `again` if its device was connected before.
    pub(super) fn start(&self, again: bool) -> (Arc<ClientConfig>, ServerName<'static>) {
        (Arc::clone(if again { &self.again } else { &self.first }), self.host.clone())
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("host", &self.host).finish_non_exhaustive()
    }
}

/// How a hub speaks TLS with its devices. Clones share everything.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

impl ServerTls {
    /// TLS 1.3 or 1.2, proven by `chain` (DER, the server's own certificate first) and its private `key` (PKCS #8, DER).
    /// Clients are asked for a certificate, and may come without. Sessions can be resumed by tickets; the server itself keeps
    /// nothing of them.
    ///
    /// # Errors
    /// [`TlsConfigError::Setup`].
    pub fn new(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Result<Self, TlsConfigError> {
        Self::speaking(DEFAULT_VERSIONS, chain, key)
    }

    pub(super) fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        chain: Vec<Vec<u8>>,
        key: Vec<u8>,
    ) -> Result<Self, TlsConfigError> {
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(Possession::verifier())
            .with_single_cert(chain, key)?;
        config.ticketer = ring::Ticketer::new()?;
        // Whoever comes back needs one, and each costs a record.
        config.send_tls13_tickets = 1;
        Ok(Self(Arc::new(config)))
    }

    /// What a connection starts with.
    pub(super) fn start(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates in `pem`, of those who are trusted.
pub(super) fn roots(pem: &str) -> Result<RootCertStore, TlsConfigError> {
    let unusable = |error: &dyn fmt::Display| TlsConfigError::Authority(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        return Err(unusable(&"it holds no certificate"));
    }
    Ok(roots)
}
