//! A worker's ends of the ports: opened when the hub starts, and each time it comes back.

use std::io;
use std::rc::Rc;

use tokio::task::spawn_local;

use super::endpoint;
use super::listener::Listener;
use super::ports::{Port, Ports};
use super::rest;
use super::workers::Worker;
use crate::mqtt::ServerTls;

/// Who answers at the ports, and how.
pub(super) struct Entrance {
    pub(super) worker: Rc<Worker>,
    pub(super) service: Rc<rest::Service>,
    /// Spoken at those ports that are for it.
    pub(super) tls: Option<ServerTls>,
}

impl Entrance {
    /// Accepts connections at `ports` until the hub goes down.
    ///
    /// # Errors
    /// The runtime does not take the sockets.
    pub(super) fn open(&self, ports: Ports<Port>) -> io::Result<()> {
        let Self { worker, service, tls } = self;
        let listener = |port, tls| Listener::new(port, tls, worker.door.strangers, worker.clock);
        for (port, tls) in [(ports.mqtt, None), (ports.mqtts, tls.clone())] {
            if let Some(port) = port {
                spawn_local(worker.breaker.guard(endpoint::accept(Rc::clone(worker), listener(port, tls)?)));
            }
        }
        for (port, tls) in [(ports.http, None), (ports.https, tls.clone())] {
            if let Some(port) = port {
                spawn_local(worker.breaker.guard(rest::accept(Rc::clone(service), listener(port, tls)?)));
            }
        }
        Ok(())
    }
}
