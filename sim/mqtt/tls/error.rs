//! Why TLS does not come about, in words that name the way out.

use rustls::{AlertDescription, CertificateError, Error};

/// Why TLS cannot be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// There is no certificate in what should hold those that are trusted.
    #[error("the CA is unusable: {0}; it must hold certificates in PEM")]
    Authority(String),
    /// A device's certificate or its key cannot be used.
    #[error("a device's certificate is unusable: {0}; both it and its private key must be there in PEM")]
    Identity(String),
    /// A file of certificates holds none.
    #[error("it holds no certificate in PEM: {0}")]
    Certificate(String),
    /// The system trusts nobody.
    #[error(
        "no certificate that this system trusts is to be found ({0}): install them (often the package \
         `ca-certificates`), or name a CA in TWINSTORM_HUB_CA"
    )]
    SystemRoots(String),
    /// Neither a host name nor an address.
    #[error("`{0}` is no host name that a certificate could be checked against")]
    Host(String),
    /// Certificate and key of a server do not fit together, or the cryptography has none of what TLS asks for.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] Error),
}

/// Why a TLS connection is over. The same words for all connections to one hub, so that they can be counted together.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nobody that is trusted has signed the peer's certificate.
    #[error(
        "the hub's certificate is not trusted: TWINSTORM_HUB_CA must hold the certificate of the CA that signed it, or, with a \
         plain broker, hub.tls.ca name its file (`twinstorm hub --tls-dir DIR` keeps its own in DIR/ca.pem)"
    )]
    Untrusted,
    /// The peer's certificate is for somebody else.
    #[error(
        "wrong host: {0}; name the hub as its certificate does (in hub.url, the connection string, TWINSTORM_HUB_MQTT or \
         TWINSTORM_HUB_REST), or start it with that --host"
    )]
    WrongHost(Error),
    /// The peer's certificate is unusable otherwise.
    #[error("the hub's certificate is unusable: {0}; give the hub a new one and look at the clocks of both machines")]
    Certificate(CertificateError),
    /// The hub does not take the client's certificate, or wants one where there is none.
    #[error(
        "the hub does not take who comes without a certificate that it trusts ({0}): for a plain broker hub.tls.certificate and \
         hub.tls.private_key name one for all, fleet.devices_file with fleet.auth = \"x509\" one for each device"
    )]
    Uncertified(Error),
    /// The client's certificate is unusable, or its key is not the client's.
    #[error("the client's certificate is unusable: {0}")]
    Client(Error),
    /// The client does not take the hub's certificate.
    #[error(
        "the client does not trust this hub's certificate ({0}): it needs the certificate of the hub's CA \
         (`twinstorm hub --tls-dir DIR` keeps it in DIR/ca.pem), and has to call the hub by a --host"
    )]
    Distrusted(Error),
    /// What came is no TLS.
    #[error(
        "the other end does not speak TLS (from a device: name the port for MQTT over TLS, often 8883, or set \
         fleet.transport = \"tcp\")"
    )]
    NotTls,
    /// The peer went away in the middle of the handshake.
    #[error(
        "the peer closed the connection during the TLS handshake: if its port is for plain MQTT, name the one for TLS \
         (often 8883) or set fleet.transport = \"tcp\""
    )]
    Closed,
    /// The peer did not finish the handshake in time.
    #[error(
        "the TLS handshake took too long: a port that does not speak TLS never ends it, and a hub that is too busy wants \
         a lower fleet.connect_rate or fleet.connect_in_flight"
    )]
    TimedOut,
    /// The peer, or the rules of TLS, ended it.
    #[error("TLS failed: {0}")]
    Failed(Error),
}

impl TlsError {
    /// What `error` means at the hub's end.
    pub(super) fn at_hub(error: Error) -> Self {
        use AlertDescription::{BadCertificate, CertificateUnknown, DecryptError, UnknownCA};
        match error {
            // The last of them from a client that trusts another CA of the same name: an earlier hub's, say.
            Error::AlertReceived(BadCertificate | CertificateUnknown | UnknownCA | DecryptError) => {
                Self::Distrusted(error)
            }
            Error::InvalidCertificate(_) => Self::Client(error),
            error => error.into(),
        }
    }
}

/// What an error means at a device's end.
impl From<Error> for TlsError {
    fn from(error: Error) -> Self {
        use AlertDescription::{
            BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown, UnknownCA,
            UnsupportedCertificate,
        };
        match error {
            Error::AlertReceived(
                BadCertificate
                | CertificateExpired
                | CertificateRequired
                | CertificateRevoked
                | CertificateUnknown
                | UnknownCA
                | UnsupportedCertificate,
            ) => Self::Uncertified(error),
            // The latter from a CA of the same name: that of an earlier hub, say.
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                Self::Untrusted
            }
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::WrongHost(error),
            Error::InvalidCertificate(error) => Self::Certificate(error),
            Error::InvalidMessage(_) => Self::NotTls,
            error => Self::Failed(error),
        }
    }
}
