//! A fleet: many devices on a few threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::failures::{Failure, Failures};
use super::workers::{self, Command, Handle, Sample};
use super::{DeviceIdentities, FirmwareConfig, FleetConfig, ImageSource};
use crate::dialect::DeviceDialect;
use crate::measure::{Gauges, Measurements, Tracer, Truth};
use crate::mqtt::{ClientTls, SourceError, WebSocketClient};
use crate::policy::{DeviceIds, DeviceRange, FaultPlan};
use crate::random::Seed;
use crate::time::{Clock, Nanos};

/// What a fleet is started with.
#[derive(Debug, Clone)]
pub struct FleetPlan<D> {
    /// The fleet's settings.
    pub config: FleetConfig,
    /// The workflow's settings.
    pub firmware: FirmwareConfig,
    /// Whether the load begins with a part in which the hub settles: what devices report before they are called is then in no
    /// count of reports, as it is no part of the load that is measured.
    pub load_settles: bool,
    /// What goes wrong, resolved for the whole fleet.
    pub faults: Arc<FaultPlan>,
    /// The seed of the run.
    pub seed: Seed,
    /// The devices that run here.
    pub range: DeviceRange,
    /// Their ids.
    pub ids: DeviceIds,
    /// Where the hub listens for MQTT.
    pub hub: SocketAddr,
    /// How TLS is spoken with it; `None` for plain TCP.
    pub tls: Option<ClientTls>,
    /// What devices show of themselves as TLS begins, where they do.
    pub identities: Option<DeviceIdentities>,
    /// Where it is asked for a WebSocket, which MQTT then goes over; `None` for none.
    pub websocket: Option<WebSocketClient>,
    /// Where images come from; needed where devices download any.
    pub images: Option<ImageSource>,
    /// How devices talk to it.
    pub dialect: D,
    /// The run's clock.
    pub clock: Clock,
    /// Where devices note what they really did.
    pub truth: Option<Arc<Truth>>,
    /// Follows one device.
    pub tracer: Option<Arc<Tracer>>,
}

/// Why a fleet did not start.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Devices cannot come from where the plan wants.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The operating system gave no thread or no event queue.
    #[error("worker {name} could not be started: {source}; fewer [fleet] workers need fewer threads and descriptors")]
    Worker {
        /// The worker.
        name: String,
        /// What failed.
        source: std::io::Error,
    },
}

/// What [`Fleet::sample`] gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FleetSample {
    /// What was measured since the last sample.
    pub measurements: Measurements,
    /// How things stand.
    pub gauges: Gauges,
    /// The names of workers that have ended unexpectedly or had a task that panicked: what they measured, and what is
    /// measured from now on, is incomplete.
    pub dead: Vec<String>,
}

/// How much longer than the devices' grace a worker may take to end.
const JOIN_LIMIT: Duration = Duration::from_secs(2);

/// A running fleet. Dropping it ends its threads without ceremony; [`Fleet::stop`] is the clean way.
pub struct Fleet {
    workers: Vec<Handle>,
}

impl Fleet {
    /// Starts the threads; the devices then connect at the plan's rate.
    ///
    /// # Errors
    /// [`FleetError`].
    pub fn start<D>(plan: FleetPlan<D>) -> Result<Self, FleetError>
    where
        D: DeviceDialect + Clone + Send + 'static,
    {
        Ok(Self { workers: workers::start(&plan)? })
    }

    /// Tells all devices when the load starts (it may lie ahead): the times of faults, their `at` and `for`, count from
    /// there. A fleet that runs alone knows nothing of the load that others put on its devices: its faults' clock
    /// starts at the moment told here, whenever the calls come. Until a fleet is told, only faults without a time are
    /// active, and they last. What devices report, ping and download from then until
    /// `measured_from` is in no figure.
    pub async fn load_starts(&self, at: Nanos, measured_from: Nanos) {
        for worker in &self.workers {
            // A worker that has ended shows up in the next sample.
            let _ = worker.commands.send(Command::LoadStarts { at, measured_from }).await;
        }
    }

    /// Ends every fault that acts on the devices, and lets none begin any more.
    pub async fn heal(&self) {
        for worker in &self.workers {
            // A worker that has ended shows up in the next sample.
            let _ = worker.commands.send(Command::Heal).await;
        }
    }

    /// What was measured since the last sample, and how things stand.
    pub async fn sample(&self) -> FleetSample {
        let mut whole = FleetSample::default();
        for (name, answer) in self.ask(Command::Sample).await {
            if answer.as_ref().is_none_or(|part| part.broken) {
                whole.dead.push(name);
            }
            if let Some(Sample { measurements, gauges, .. }) = answer {
                whole.measurements.absorb(measurements);
                whole.gauges.merge(&gauges);
            }
        }
        whole
    }

    /// The first few errors that devices met, so that the user learns why they do not come online. Those of this
    /// machine's own, a worker's death among them, are marked as local.
    pub async fn failures(&self) -> Vec<Failure> {
        let mut failures = Failures::default();
        for (name, answer) in self.ask(Command::Failures).await {
            match answer {
                Some(part) => part.into_iter().for_each(|failure| failures.note(failure)),
                None => {
                    let text = format!("worker {name} ended unexpectedly");
                    failures.note(Failure { text, count: 1, local: true });
                }
            }
        }
        failures.into_list()
    }

    /// Disconnects all devices, waits for them up to `grace`, and ends the threads. What was measured since the last
    /// sample.
    pub async fn stop(self, grace: Duration) -> Measurements {
        let limit = grace + JOIN_LIMIT;
        let answers = self.ask(|reply| Command::Stop { grace, reply });
        let mut measurements = Measurements::default();
        for (_, part) in timeout(limit, answers).await.unwrap_or_default() {
            if let Some(part) = part {
                measurements.absorb(part.measurements);
            }
        }
        // Each thread ends once it has answered; one that does not is left behind rather than waited for.
        let threads = self.workers.into_iter().map(|worker| worker.thread);
        let threads: Vec<_> = threads.collect();
        let join = spawn_blocking(|| {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = timeout(JOIN_LIMIT, join).await;
        measurements
    }

    /// Asks all workers at once; `None` from one that has ended.
    async fn ask<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<(String, Option<T>)> {
        let mut questions = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (reply, answer) = oneshot::channel();
            // A refused command drops `reply`, so that the answer below is `None`.
            let _ = worker.commands.send(command(reply)).await;
            questions.push((worker.name.clone(), answer));
        }
        let mut answers = Vec::with_capacity(questions.len());
        for (name, answer) in questions {
            answers.push((name, answer.await.ok()));
        }
        answers
    }
}

#[cfg(test)]
pub(super) mod tests;
