//! The null hub's threads.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;

use super::worker::{MAILBOX, Message, Worker};
use super::{link, rest};
use crate::hub::config::{DoorLimits, HubConfig, HubDelays};
use crate::hub::error::HubError;
use crate::hub::listener::Listener;
use crate::hub::ports::{Port, Ports};
use crate::hub::tracking::TrackingIds;
use crate::mqtt::ServerTls;
use crate::time::Clock;

/// What `config` asks for that a hub which only acknowledges has not, in words.
pub(in crate::hub) fn lacks(config: &HubConfig) -> Option<&'static str> {
    let HubConfig { acknowledge_only, https, client_ca, telemetry, slow, limits, service, .. } = config;
    let asked = [
        (https.is_some(), "HTTPS"),
        (client_ca.is_some(), "certificates of devices"),
        (telemetry.is_some(), "file for telemetry"),
        (*slow != HubDelays::default(), "delays"),
        (limits.is_some(), "limits"),
        (service.is_some(), "service-time model"),
    ];
    asked.into_iter().find(|(is_asked, _)| *acknowledge_only && *is_asked).map(|(_, what)| what)
}

/// Everything that a worker starts with.
pub(in crate::hub) struct Seat {
    index: usize,
    ports: Ports<Port>,
    tls: Option<ServerTls>,
    mailbox: mpsc::Receiver<Message>,
    peers: Arc<[mpsc::Sender<Message>]>,
    door: DoorLimits,
    clock: Clock,
    stopped: watch::Receiver<bool>,
}

impl Seat {
    /// Seats for all workers of a hub.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(in crate::hub) fn all(
        (workers, door): (usize, DoorLimits),
        ports: &Ports<Port>,
        tls: Option<&ServerTls>,
        clock: Clock,
        stopped: &watch::Receiver<bool>,
    ) -> Result<Vec<Self>, HubError> {
        let (peers, mailboxes): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel(MAILBOX)).unzip();
        let peers: Arc<[_]> = peers.into();
        let seat = |(index, mailbox)| {
            Ok(Self {
                index,
                ports: ports.share().map_err(HubError::Worker)?,
                tls: tls.cloned(),
                mailbox,
                peers: Arc::clone(&peers),
                door,
                clock,
                stopped: stopped.clone(),
            })
        };
        mailboxes.into_iter().enumerate().map(seat).collect()
    }

    /// Works until the hub is stopped. What is still connected then is closed. Tells `started` how it began.
    pub(in crate::hub) fn run(self, started: &SyncSender<io::Result<()>>) {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(error))),
        };
        // All work is in tasks of the runtime, as the embedded hub's is: to wake the future that it blocks on costs two
        // system calls each time.
        let work = runtime.spawn_local(self.work(started.clone()));
        if let Err(error) = runtime.block_on(work)
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }

    async fn work(self, started: SyncSender<io::Result<()>>) {
        let Self { index, ports, tls, mut mailbox, peers, door, clock, mut stopped } = self;
        let worker = Rc::new(Worker {
            index,
            peers,
            devices: RefCell::default(),
            calls: RefCell::default(),
            scratch: RefCell::default(),
            inbound: RefCell::default(),
            outbound: RefCell::default(),
            door,
            clock,
            tracking: TrackingIds::new(index),
        });
        let opened = open(&worker, ports, tls);
        let is_listening = opened.is_ok();
        // Whoever starts the hub waits for it.
        let _ = started.send(opened);
        if !is_listening {
            return;
        }
        loop {
            tokio::select! {
                // A hub that is dropped halfway through its start closes the channel instead.
                _ = stopped.wait_for(|stopped| *stopped) => return,
                Some(message) = mailbox.recv() => worker.handle(message),
            }
        }
    }
}

/// Accepts connections at `ports`.
fn open(worker: &Rc<Worker>, ports: Ports<Port>, tls: Option<ServerTls>) -> io::Result<()> {
    let listener = |port, tls| Listener::new(port, tls, worker.door.strangers, worker.clock);
    for (port, tls) in [(ports.mqtt, None), (ports.mqtts, tls)] {
        if let Some(port) = port {
            spawn_local(link::accept(Rc::clone(worker), listener(port, tls)?));
        }
    }
    if let Some(port) = ports.http {
        spawn_local(rest::accept(Rc::clone(worker), listener(port, None)?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::Hub;
    use crate::policy::{Delay, ServiceModel};

    #[test]
    fn what_it_has_not_is_refused_by_name() {
        let config = HubConfig { acknowledge_only: true, ..HubConfig::default() };
        assert_eq!(lacks(&config), None);
        let limits = Some(crate::hub::HubLimits::of(crate::hub::Tier::ALL[0], 1));
        let limited = HubConfig { limits, ..config.clone() };
        assert_eq!(lacks(&HubConfig { acknowledge_only: false, ..limited.clone() }), None);
        let error = Hub::bind(limited).unwrap_err().to_string();
        assert!(error.contains("only acknowledges has no limits"), "{error}");
        let telemetry = HubConfig { telemetry: Some("t".into()), ..config.clone() };
        assert_eq!(lacks(&telemetry), Some("file for telemetry"));
        let model = ServiceModel {
            methods: Some(Delay::Fixed(Duration::from_millis(5))),
            twin_writes: None,
            twin_reads: None,
            queries: None,
            servers: 1,
            queue: Duration::ZERO,
        };
        assert_eq!(lacks(&HubConfig { service: Some(model), ..config }), Some("service-time model"));
    }
}
