//! Why a hub does not start.

use std::io;
use std::net::SocketAddr;

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
    /// The operating system gives no random numbers for keys.
    #[error("the system gives no random numbers for keys: {0}")]
    Random(getrandom::Error),
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there, choose another port, or port 0 for a free one",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges, choose a higher one",
        _ => "",
    }
}
