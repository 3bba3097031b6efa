//! A hub's life: bound, started, stopped.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use tokio::sync::watch;

use super::authority::Authority;
use super::config::{HubConfig, HubDelays};
use super::error::HubError;
use super::faults::{HubFaultNews, Injector, Victim};
use super::identity::HubIdentity;
use super::jobs::JobDesk;
use super::null;
use super::peers::Peers;
use super::ports::{Port, Ports};
use super::service::Servers;
use super::telemetry::TelemetryFile;
use super::throttle::Throttles;
use super::workers::WorkerSeat;
use crate::measure::{HubCounts, ThrottleCount};
use crate::mqtt::ClientAuthorities;
use crate::policy::HubFault;
use crate::time::Clock;

/// A hub that owns its ports but does not answer yet. Its name in tokens may depend on them.
#[derive(Debug)]
pub struct BoundHub {
    config: HubConfig,
    ports: Ports<Port>,
}

/// A running hub. Dropping it stops it.
#[derive(Debug)]
pub struct Hub {
    addresses: Ports<SocketAddr>,
    authority: Option<String>,
    throttles: Arc<Throttles>,
    servers: Option<Arc<Servers>>,
    clock: Clock,
    peers: Peers,
    delays: HubDelays,
    acknowledges_only: bool,
    injector: Option<Injector>,
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
        if let Some(what) = null::lacks(&config) {
            return Err(HubError::AcknowledgesOnly(what));
        }
        let ports = Ports::open(&config)?;
        if ports.addresses().all().next().is_none() {
            return Err(HubError::NoPorts);
        }
        Ok(BoundHub { config, ports })
    }

    /// Takes the ports of a hub and starts it as `identity`.
    ///
    /// # Errors
    /// Those of [`Hub::bind`] and [`BoundHub::start`].
    pub fn start(config: HubConfig, identity: HubIdentity) -> Result<Self, HubError> {
        Self::bind(config)?.start(identity)
    }

    /// Where devices connect over plain TCP, if anywhere.
    #[must_use]
    pub const fn mqtt_addr(&self) -> Option<SocketAddr> {
        self.addresses.mqtt
    }

    /// Where devices connect over TLS, if anywhere.
    #[must_use]
    pub const fn mqtts_addr(&self) -> Option<SocketAddr> {
        self.addresses.mqtts
    }

    /// Where services send their requests over plain HTTP, if anywhere.
    #[must_use]
    pub const fn http_addr(&self) -> Option<SocketAddr> {
        self.addresses.http
    }

    /// Where services send their requests over HTTPS, if anywhere.
    #[must_use]
    pub const fn https_addr(&self) -> Option<SocketAddr> {
        self.addresses.https
    }

    /// The certificate of the CA that clients have to trust, in PEM, if TLS is spoken anywhere.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// What its limits let through, held back and refused so far, by operation; nothing without limits.
    #[must_use]
    pub fn throttled(&self) -> Vec<ThrottleCount> {
        self.throttles.counts(self.clock.now())
    }

    /// What its limits and its servers did so far.
    #[must_use]
    pub fn counts(&self) -> HubCounts {
        let now = self.clock.now();
        let service = self.servers.as_ref().map(|servers| servers.count(now));
        HubCounts { throttled: self.throttles.counts(now), service }
    }

    /// Does `faults` to this hub at their times, for a load that starts at `start`, and tells `tell`, on a thread of its
    /// own, what really happens. They take the place of faults that were to be done before.
    ///
    /// # Errors
    /// [`HubError::Worker`]: no thread is to be had. [`HubError::AcknowledgesOnly`]: nothing can be done to such a hub.
    pub fn inject(
        &mut self,
        start: Timestamp,
        faults: Vec<HubFault>,
        tell: impl FnMut(HubFaultNews) + Send + 'static,
    ) -> Result<(), HubError> {
        self.heal();
        if faults.is_empty() {
            return Ok(());
        }
        if self.acknowledges_only {
            return Err(HubError::AcknowledgesOnly("faults"));
        }
        let victim = Victim {
            peers: self.peers.clone(),
            throttles: Arc::clone(&self.throttles),
            addresses: self.addresses,
            delays: self.delays,
            clock: self.clock,
        };
        let start = self.clock.wall().moment(start);
        let (injector, thread) = Injector::start(victim, start, faults, tell).map_err(HubError::Worker)?;
        self.injector = Some(injector);
        self.threads.push(thread);
        Ok(())
    }

    /// Lifts every fault that is done to this hub; those to come do not happen. Blocks until that is done; a hub that
    /// was down listens again then, unless somebody has taken its ports: it tries on.
    pub fn heal(&self) {
        if let Some(injector) = &self.injector {
            injector.heal();
        }
    }

    /// Closes listeners and connections, and waits for the workers to end.
    pub fn stop(self) {
        drop(self);
    }

    /// Starts worker number `index`, and waits until it listens.
    fn staff(
        &mut self,
        index: usize,
        work: impl FnOnce(&mpsc::SyncSender<io::Result<()>>) + Send + 'static,
    ) -> Result<(), HubError> {
        let (tell, failed) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(format!("hub-{index}"));
        self.threads.push(thread.spawn(move || work(&tell)).map_err(HubError::Worker)?);
        match failed.recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(HubError::Worker(error)),
            Err(_) => Err(HubError::Worker(io::Error::other("the thread ended"))),
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.injector = None;
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a hub worker has panicked");
            }
        }
        for count in self.throttled().iter().filter(|count| count.is_notable()) {
            let ThrottleCount { operation, admitted, delayed, refused, wait_ms_total, fault, .. } = count;
            tracing::info!(operation, fault, admitted, delayed, refused, wait_ms_total, "the hub's limits");
        }
    }
}

impl BoundHub {
    /// An identity with new keys for a hub that goes by its own address.
    ///
    /// # Errors
    /// [`HubError::Random`].
    pub fn generate_identity(&self) -> Result<HubIdentity, HubError> {
        let address = self.ports.addresses().all().next();
        HubIdentity::generate(address.map(|address| address.to_string()).unwrap_or_default())
    }

    /// The name in tokens of a hub on `host`: with the port of HTTPS, or else of HTTP, where that is not 443.
    #[must_use]
    pub fn name(&self, host: &str) -> String {
        let addresses = self.ports.addresses();
        match addresses.https.or(addresses.http).map(|address| address.port()) {
            None | Some(443) => host.to_owned(),
            Some(port) => format!("{host}:{port}"),
        }
    }

    /// Where devices will connect over plain TCP, if anywhere.
    #[must_use]
    pub fn mqtt_addr(&self) -> Option<SocketAddr> {
        self.ports.addresses().mqtt
    }

    /// Where services will send their requests over plain HTTP, if anywhere.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.ports.addresses().http
    }

    /// Where services will send their requests over HTTPS, if anywhere.
    #[must_use]
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.ports.addresses().https
    }

    /// Starts the workers. The hub goes by `identity` in tokens.
    ///
    /// # Errors
    /// [`HubError::Worker`], [`HubError::Telemetry`], [`HubError::ClientCa`], [`HubError::ClientAuthorities`]; with TLS also those of its CA and its certificate.
    pub fn start(self, identity: HubIdentity) -> Result<Hub, HubError> {
        let Self { config, ports } = self;
        let (stop, stopped) = watch::channel(false);
        let (peers, mailboxes) = Peers::new(config.workers);
        let clock = Clock::start();
        let identity = Arc::new(identity);
        let throttles = Arc::new(Throttles::new(config.limits, clock.wall()));
        let servers = config.service.map(|model| Arc::new(Servers::new(model, config.seed, config.instance.into())));
        let addresses = ports.addresses();
        let (mut authority, mut tls) = (None, None);
        if addresses.tls().next().is_some() {
            let ca = Authority::open(config.tls_dir.as_deref())?;
            let names = std::iter::once(identity.host.as_str()).chain(config.names.iter().map(String::as_str));
            tls = Some(ca.certify(names, addresses.tls())?);
            authority = Some(ca.certificate().to_owned());
        }
        let client_ca = config.client_ca.as_deref().map(read_authorities).transpose()?;
        // A hub that cannot start all of its workers is dropped here, which stops those that run.
        let (jobs, inbox) = JobDesk::new();
        let mut inbox = Some(inbox);
        let mut hub = Hub {
            addresses,
            authority,
            throttles: Arc::clone(&throttles),
            servers: servers.clone(),
            clock,
            peers: peers.clone(),
            delays: config.slow,
            acknowledges_only: config.acknowledge_only,
            injector: None,
            stop,
            threads: Vec::new(),
        };
        if config.acknowledge_only {
            let seats = null::Seat::all((config.workers, config.door), &ports, tls.as_ref(), clock, &stopped)?;
            for (index, seat) in seats.into_iter().enumerate() {
                hub.staff(index, move |tell| seat.run(tell))?;
            }
            return Ok(hub);
        }
        // Ends with the last of its senders: dropped before the hub, which waits for its thread.
        let telemetry = match &config.telemetry {
            None => None,
            Some(path) => {
                let opened = TelemetryFile::open(path);
                let (file, thread) = opened.map_err(|source| HubError::Telemetry { path: path.clone(), source })?;
                hub.threads.push(thread);
                Some(file)
            }
        };
        for (index, mailbox) in mailboxes.into_iter().enumerate() {
            let seat = WorkerSeat {
                index,
                ports: ports.share().map_err(HubError::Worker)?,
                tls: tls.clone(),
                mailbox,
                peers: peers.clone(),
                jobs: jobs.clone(),
                job_inbox: inbox.take(),
                identity: Arc::clone(&identity),
                delays: config.slow,
                client_ca: client_ca.clone(),
                telemetry: telemetry.clone(),
                throttles: Arc::clone(&throttles),
                servers: servers.clone(),
                door: config.door,
                clock,
                stopped: stopped.clone(),
            };
            hub.staff(index, move |tell| seat.run(tell))?;
        }
        Ok(hub)
    }
}

fn read_authorities(path: &Path) -> Result<ClientAuthorities, HubError> {
    let pem = fs::read_to_string(path).map_err(|source| HubError::ClientCa { path: path.to_owned(), source })?;
    ClientAuthorities::new(&pem).map_err(|source| HubError::ClientAuthorities { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let first = Hub::bind(HubConfig::default()).unwrap();
        let error = Hub::bind(HubConfig { http: first.http_addr(), ..HubConfig::default() }).unwrap_err().to_string();
        assert!(error.contains(&first.http_addr().unwrap().to_string()) && error.contains("port 0"), "{error}");
        assert!(Hub::bind(HubConfig { workers: 0, ..HubConfig::default() }).is_err());
        let error = Hub::bind(HubConfig { mqtt: None, http: None, ..HubConfig::default() }).unwrap_err().to_string();
        assert!(error.contains("at least one port"), "{error}");
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
