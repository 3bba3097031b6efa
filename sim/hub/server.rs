//! A hub's life: bound, started, stopped.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use nix::sys::socket::{Backlog, listen as set_backlog};
use tokio::sync::watch;

use super::authority::Authority;
use super::config::{HubConfig, HubIdentity};
use super::error::HubError;
use super::jobs::JobDesk;
use super::workers::{Peers, WorkerSeat};
use crate::time::Clock;

/// Connections that the kernel keeps until they are accepted: a fleet comes all at once.
const BACKLOG: i32 = 4096;

/// A hub that owns its ports but does not answer yet. Its name in tokens may depend on them.
#[derive(Debug)]
pub struct BoundHub {
    config: HubConfig,
    mqtt: TcpListener,
    mqtts: Option<(TcpListener, SocketAddr)>,
    http: TcpListener,
    mqtt_addr: SocketAddr,
    http_addr: SocketAddr,
}

/// A running hub. Dropping it stops it.
#[derive(Debug)]
pub struct Hub {
    mqtt_addr: SocketAddr,
    mqtts_addr: Option<SocketAddr>,
    authority: Option<String>,
    http_addr: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Hub {
    /// Takes the ports of a hub.
    ///
    /// # Errors
    /// [`HubError::Listen`] names the address that is not to be had.
    pub fn bind(config: HubConfig) -> Result<BoundHub, HubError> {
        if config.workers == 0 {
            return Err(HubError::NoWorkers);
        }
        let (mqtt, mqtt_addr) = listen("MQTT", config.mqtt)?;
        let mqtts = config.mqtts.map(|address| listen("MQTT over TLS", address)).transpose()?;
        let (http, http_addr) = listen("HTTP", config.http)?;
        Ok(BoundHub { config, mqtt, mqtts, http, mqtt_addr, http_addr })
    }

    /// Takes the ports of a hub and starts it as `identity`.
    ///
    /// # Errors
    /// Those of [`Hub::bind`] and [`BoundHub::start`].
    pub fn start(config: HubConfig, identity: HubIdentity) -> Result<Self, HubError> {
        Self::bind(config)?.start(identity)
    }

    /// Where devices connect.
    #[must_use]
    pub const fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt_addr
    }

    /// Where devices connect over TLS, if it listens for that.
    #[must_use]
    pub const fn mqtts_addr(&self) -> Option<SocketAddr> {
        self.mqtts_addr
    }

    /// The certificate of the CA that devices have to trust, in PEM, if it listens for TLS.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Where services send their requests.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Closes listeners and connections, and waits for the workers to end.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a hub worker has panicked");
            }
        }
    }
}

impl BoundHub {
    /// An identity with new keys for a hub that goes by its own address.
    ///
    /// # Errors
    /// [`HubError::Random`].
    pub fn generate_identity(&self) -> Result<HubIdentity, HubError> {
        HubIdentity::generate(self.http_addr.to_string())
    }

    /// Where devices will connect.
    #[must_use]
    pub const fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt_addr
    }

    /// Where services will send their requests.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Starts the workers. The hub goes by `identity` in tokens.
    ///
    /// # Errors
    /// [`HubError::Worker`]; with TLS also those of its CA and its certificate.
    pub fn start(self, identity: HubIdentity) -> Result<Hub, HubError> {
        let (stop, stopped) = watch::channel(false);
        let (peers, mailboxes) = Peers::new(self.config.workers);
        let clock = Clock::start();
        let identity = Arc::new(identity);
        let mut authority = None;
        let mut mqtts = None;
        if let Some((listener, address)) = &self.mqtts {
            let ca = Authority::open(self.config.tls_dir.as_deref())?;
            mqtts = Some((listener, ca.certify(&identity.host, *address)?));
            authority = Some(ca.certificate().to_owned());
        }
        // A hub that cannot start all of its workers is dropped here, which stops those that run.
        let mut hub = Hub {
            mqtt_addr: self.mqtt_addr,
            mqtts_addr: self.mqtts.as_ref().map(|(_, address)| *address),
            authority,
            http_addr: self.http_addr,
            stop,
            threads: Vec::new(),
        };
        let (jobs, inbox) = JobDesk::new();
        let mut inbox = Some(inbox);
        for (index, mailbox) in mailboxes.into_iter().enumerate() {
            let mqtts = mqtts.as_ref().map(|(listener, tls)| Ok((listener.try_clone()?, tls.clone())));
            // All workers accept on the same sockets; the kernel gives each connection to one of them.
            let seat = WorkerSeat {
                index,
                mqtt: self.mqtt.try_clone().map_err(HubError::Worker)?,
                mqtts: mqtts.transpose().map_err(HubError::Worker)?,
                http: self.http.try_clone().map_err(HubError::Worker)?,
                mailbox,
                peers: peers.clone(),
                jobs: jobs.clone(),
                job_inbox: inbox.take(),
                identity: Arc::clone(&identity),
                delays: self.config.slow,
                clock,
                stopped: stopped.clone(),
            };
            let (tell, failed) = mpsc::sync_channel(1);
            let thread = thread::Builder::new().name(format!("hub-{index}"));
            hub.threads.push(thread.spawn(move || seat.run(&tell)).map_err(HubError::Worker)?);
            match failed.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(HubError::Worker(error)),
                Err(_) => return Err(HubError::Worker(io::Error::other("the thread ended"))),
            }
        }
        Ok(hub)
    }
}

fn listen(protocol: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), HubError> {
    let open = || {
        let listener = TcpListener::bind(address)?;
        // Once more, for a longer queue than the standard library asks for.
        set_backlog(&listener, Backlog::new(BACKLOG)?)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    open().map_err(|source| HubError::Listen { protocol, address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let first = Hub::bind(HubConfig::default()).unwrap();
        let error = Hub::bind(HubConfig { http: first.http_addr(), ..HubConfig::default() }).unwrap_err().to_string();
        assert!(error.contains(&first.http_addr().to_string()) && error.contains("port 0"), "{error}");
        assert!(Hub::bind(HubConfig { workers: 0, ..HubConfig::default() }).is_err());
    }

    #[test]
    fn a_stopped_hub_gives_its_ports_back() {
        let hub =
            Hub::start(HubConfig { workers: 2, ..HubConfig::default() }, HubIdentity::generate("h").unwrap()).unwrap();
        let again = HubConfig { mqtt: hub.mqtt_addr(), http: hub.http_addr(), ..HubConfig::default() };
        hub.stop();
        drop(Hub::start(again, HubIdentity::generate("h").unwrap()).unwrap());
    }
}
