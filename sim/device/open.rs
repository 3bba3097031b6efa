//! Opening a device's connection, TLS and WebSocket included, and why it could not be opened.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::event::Input;
use super::workers::Worker;
use crate::mqtt::{Connection, ConnectionError, OpenError};
use crate::time::Nanos;

/// How long TCP, TLS and WebSocket may take to connect, all together; the kernel alone would try for two minutes.
pub(super) const OPEN_LIMIT: Duration = Duration::from_secs(30);

/// What became of an attempt.
pub(super) struct Opened {
    /// When it started.
    pub(super) since: Nanos,
    pub(super) connection: Result<Connection, ConnectionError>,
    /// Counts the connection as under way as long as it is held.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// Waits until one more connection may be under way, and opens it; `again` if the device was connected before.
pub(super) async fn open<D>(worker: Rc<Worker<D>>, device: u32, again: bool) -> Opened {
    // The semaphore is never closed.
    let permit = Arc::clone(&worker.connecting).acquire_owned().await.ok();
    let since = worker.clock.now();
    let connection = try_open(&worker, device, worker.clock.instant(since + OPEN_LIMIT), again).await;
    Opened { since, connection, permit }
}

pub(super) async fn try_open<D>(
    worker: &Worker<D>,
    device: u32,
    until: Instant,
    again: bool,
) -> Result<Connection, ConnectionError> {
    let identity = worker.identities.as_ref().and_then(|identities| identities.of(device));
    let own = identity.and_then(|identity| Some(worker.tls.as_ref()?.presenting(&identity)));
    let tls = own.as_ref().or(worker.tls.as_ref()).map(|tls| (tls, again));
    let source = worker.sources.of(device);
    Connection::open(source, worker.hub, tls, worker.websocket.as_ref(), &worker.handshakes, until).await
}

/// What the session is told of an attempt that failed.
pub(super) fn failed(since: Nanos, error: &ConnectionError, hub: SocketAddr) -> Input {
    match error {
        ConnectionError::Open(OpenError::Source(_)) => Input::Starved(
            "a source address is not of this machine any more: name in fleet.source_addresses those that it keeps",
        ),
        ConnectionError::Open(OpenError::Connect(error)) | ConnectionError::Io(error) => match shortage(error) {
            Some(shortage) => Input::Starved(shortage),
            None => Input::OpenFailed { since, reason: unreachable(error, hub) },
        },
        error => Input::OpenFailed { since, reason: format!("no connection to the hub at {hub}: {error}") },
    }
}

/// What this machine has run out of, and the way out; `None` if the error came from elsewhere. The hub has no part in
/// such an error, so that it must not count as one of the hub's.
pub(super) fn shortage(error: &io::Error) -> Option<&'static str> {
    Some(match Errno::from_raw(error.raw_os_error()?) {
        Errno::EMFILE => "no more descriptors: raise the limit of open files or run fewer devices",
        Errno::ENFILE => "no more descriptors on this machine: raise fs.file-max or run fewer devices",
        Errno::EADDRNOTAVAIL => {
            "no more local ports to the hub: add fleet.source_addresses, widen net.ipv4.ip_local_port_range, wait for \
             the ports of earlier runs, or run fewer devices"
        }
        Errno::ENOBUFS | Errno::ENOMEM => {
            "no more memory for connections: give this machine more memory or run fewer devices"
        }
        _ => return None,
    })
}

/// The words for a hub that cannot be reached; the same for all devices, so that they can be counted together.
fn unreachable(error: &io::Error, hub: SocketAddr) -> String {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};
    match error.kind() {
        kind @ (ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable | TimedOut) => {
            format!("hub unreachable: {kind} at {hub}")
        }
        _ => format!("hub unreachable: {error} at {hub}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_told_from_what_the_hub_did() {
        let hub = ([192, 0, 2, 1], 8883).into();
        let told = |errno: Errno| failed(Nanos::ZERO, &io::Error::from_raw_os_error(errno as i32).into(), hub);
        for (errno, word) in [
            (Errno::EMFILE, "limit of open files"),
            (Errno::ENFILE, "fs.file-max"),
            (Errno::EADDRNOTAVAIL, "no more local ports to the hub"),
            (Errno::ENOBUFS, "memory"),
            (Errno::ENOMEM, "memory"),
        ] {
            assert!(matches!(told(errno), Input::Starved(text) if text.contains(word)), "{errno}");
        }
        let foreign = OpenError::Source(io::Error::from_raw_os_error(Errno::EADDRNOTAVAIL as i32));
        let told_foreign = failed(Nanos::ZERO, &foreign.into(), hub);
        assert!(matches!(told_foreign, Input::Starved(text) if text.contains("not of this machine")));
        for errno in [Errno::ECONNREFUSED, Errno::ETIMEDOUT, Errno::EPIPE] {
            let Input::OpenFailed { reason, .. } = told(errno) else { panic!("{errno}") };
            assert!(reason.starts_with("hub unreachable: ") && reason.ends_with("192.0.2.1:8883"), "{reason}");
        }
    }
}
