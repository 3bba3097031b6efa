//! Why a hub does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::mqtt::TlsConfigError;

/// Why a hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A listener cannot be opened.
    #[error("cannot listen for {protocol} on {address}: {source}{}", way_out(source))]
    Listen {
        /// What was to be listened for.
        protocol: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No thread or event queue to be had.
    #[error("cannot start a hub worker: {0}; look at the limits of descriptors and threads (`ulimit -n -u`)")]
    Worker(io::Error),
    /// No worker at all.
    #[error("a hub needs at least 1 worker")]
    NoWorkers,
    /// A null hub was asked for more than to acknowledge.
    #[error("a hub that only acknowledges has no {0}: leave that out, or take one that does more")]
    AcknowledgesOnly(&'static str),
    /// No port at all.
    #[error("a hub needs at least one port: for MQTT, MQTT over TLS, HTTP or HTTPS")]
    NoPorts,
    /// The operating system gives no random numbers for keys.
    #[error("the system gives no random numbers for keys: {0}")]
    Random(getrandom::Error),
    /// The CAs of devices cannot be read.
    #[error("cannot read the CAs of devices in {}: {source}; name another --client-ca", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The CAs of devices are of no use.
    #[error("the CAs of devices in {} are unusable: {source}", path.display())]
    ClientAuthorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TlsConfigError,
    },
    /// The file for telemetry cannot be opened.
    #[error("cannot write telemetry to {}: {source}; name another --telemetry", path.display())]
    Telemetry {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder for the hub's CA cannot be used.
    #[error("cannot keep the hub's CA in {}: {source}; name another --tls-dir", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Of the CA's certificate and its key, one is missing.
    #[error(
        "{} is missing beside {}: restore it, or remove both for a new CA",
        missing.display(),
        present.display()
    )]
    HalfFolder {
        /// What is there.
        present: PathBuf,
        /// What is not.
        missing: PathBuf,
    },
    /// What a folder keeps of a CA does not belong together.
    #[error(
        "{} is no certificate of the key in {}: restore the one that belongs to it, or remove both for a new CA",
        certificate.display(),
        key.display()
    )]
    ForeignKey {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// No certificate can be made.
    #[error("cannot make the hub's certificate: {0}; a CA that was kept is unusable if its files were changed")]
    Certificate(#[from] rcgen::Error),
    /// The certificate made is of no use to TLS.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there, choose another port, or port 0 for a free one",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges, choose a higher one",
        _ => "",
    }
}
