//! The driver as others hold it: started with a plan, told what to do, asked how it goes.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

use super::broker::LineError;
use super::client::ClientError;
use super::config::DriverConfig;
use super::phases::PhasePlan;
use super::service::{Service, ServiceSettings};
use super::workers;
use crate::measure::{Gauges, Measurements, Tracer, Truth};
use crate::policy::{DeviceIds, DeviceRange, Diagonal, Outcome};
use crate::random::Seed;
use crate::time::{Clock, Nanos};

/// Commands that may wait for the driver; whoever sends one more waits.
const COMMANDS: usize = 16;

/// What a driver is to do.
#[derive(Debug)]
pub struct DriverPlan {
    /// Its settings.
    pub config: DriverConfig,
    /// The run's seed.
    pub seed: Seed,
    /// Devices in the whole fleet.
    pub devices: u32,
    /// Those that this driver updates.
    pub range: DeviceRange,
    /// The devices' ids.
    pub ids: DeviceIds,
    /// Names this run: update `n` has the id `{run_id}-{n}`, which no other run may use.
    pub run_id: String,
    /// By what devices are reached.
    pub service: ServiceSettings,
    /// The process's clock; the same that the fleet has, if there is a fleet.
    pub clock: Clock,
    /// What the devices did, where they run in this process. A call without an id is looked up there under an empty
    /// one.
    pub truth: Option<Arc<Truth>>,
    /// By what updates are judged, where the truth is known; an empty one judges nothing.
    pub diagonal: Diagonal,
    /// Who follows a device.
    pub tracer: Option<Arc<Tracer>>,
    /// Where the run is a drill: what is written down by phase.
    pub phases: Option<PhasePlan>,
    /// Whether everything that happens to updates is told, in [`Measurements::events`].
    pub events: bool,
    /// Forgets so many outcomes, for the test that proves that the census tells.
    #[doc(hidden)]
    pub swallow_outcomes: u32,
}

/// Why a driver could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The hub's address is unusable.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A broker that does not let the driver in.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The first look at the twins failed.
    #[error("cannot read the devices' twins: {0}")]
    Prime(String),
    /// Its thread could not be started.
    #[error("cannot start the driver's thread: {0}")]
    Thread(#[source] std::io::Error),
    /// Its thread has ended.
    #[error("the driver's thread has ended")]
    Gone,
}

/// How a driver is doing.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// What was measured since the last sample.
    pub measurements: Measurements,
    /// What the driver itself holds: calls in flight.
    pub gauges: Gauges,
    /// What its observer knows of the devices: connected, and by status. Where a fleet runs in the same process its
    /// own gauges are fresher; the two must not be added.
    pub seen: Gauges,
    /// Whether every planned update has ended.
    pub finished: bool,
}

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Open what has to be open before devices come.
    Open(oneshot::Sender<Result<(), DriverError>>),
    /// Take the first look; so many devices are known to be connected.
    Prime(u32, oneshot::Sender<Result<(), DriverError>>),
    /// Wait for what is on its way.
    Settle(oneshot::Sender<Sample>),
    /// Start the load.
    StartAt(Nanos),
    /// Release a further wave.
    Release(u32, Nanos),
    /// Hand over what was measured.
    Sample(oneshot::Sender<Sample>),
    /// End everything, and hand over the last of it.
    Stop(Outcome, oneshot::Sender<Sample>),
}

/// A driver on a thread of its own. Dropping it ends the thread.
#[derive(Debug)]
pub struct Driver {
    commands: Option<mpsc::Sender<Command>>,
    finished: watch::Receiver<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    /// Starts a driver. It does nothing until it is told to.
    ///
    /// # Errors
    /// The hub's address is unusable, or there can be no thread.
    pub fn start(plan: DriverPlan) -> Result<Self, DriverError> {
        let service = Service::new(&plan.service, plan.range, &plan.run_id, plan.clock)?;
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (sender, finished) = watch::channel(false);
        let thread = workers::spawn(plan, service, inbox, sender).map_err(DriverError::Thread)?;
        Ok(Self { commands: Some(commands), finished, thread: Some(thread) })
    }

    /// Opens what has to be open before devices come: the lines to a broker, which tell of them as they come. Over REST
    /// there is nothing to open.
    ///
    /// # Errors
    /// The broker cannot be reached, or does not let the driver in.
    pub async fn open(&self) -> Result<(), DriverError> {
        self.ask(Command::Open).await?
    }

    /// Takes the first look at all twins: what they show now belongs to no update of this run. A driver that is not
    /// primed takes every device for a new one. Where devices tell of themselves, this waits until the driver has heard of
    /// as many as are `connected`, or of no more for a while.
    ///
    /// # Errors
    /// The hub does not answer, or not with twins.
    pub async fn prime(&self, connected: u32) -> Result<(), DriverError> {
        self.ask(|reply| Command::Prime(connected, reply)).await?
    }

    /// Waits until what devices have published has arrived, or no more comes; to be called once they publish no more. Hands
    /// over what was measured since the last sample, with what never arrived.
    ///
    /// # Errors
    /// The driver's thread has ended.
    pub async fn settle(&self) -> Result<Sample, DriverError> {
        self.ask(Command::Settle).await
    }

    /// Starts the load at `at`. Only the first start counts.
    ///
    /// # Errors
    /// The driver's thread has ended.
    pub async fn start_at(&self, at: Nanos) -> Result<(), DriverError> {
        let commands = self.commands.as_ref().ok_or(DriverError::Gone)?;
        commands.send(Command::StartAt(at)).await.map_err(|_| DriverError::Gone)
    }

    /// Releases a further wave of the roll-out at `at`; the first is released by the start. Waves are released in their
    /// order: anything else is ignored.
    ///
    /// # Errors
    /// The driver's thread has ended.
    pub async fn release(&self, wave: u32, at: Nanos) -> Result<(), DriverError> {
        let commands = self.commands.as_ref().ok_or(DriverError::Gone)?;
        commands.send(Command::Release(wave, at)).await.map_err(|_| DriverError::Gone)
    }

    /// Hands over what was measured since the last sample.
    ///
    /// # Errors
    /// The driver's thread has ended.
    pub async fn sample(&self) -> Result<Sample, DriverError> {
        self.ask(Command::Sample).await
    }

    /// Whether every planned update has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        *self.finished.borrow()
    }

    /// Waits until every planned update has ended.
    ///
    /// # Errors
    /// The driver's thread has ended before.
    pub async fn finished(&self) -> Result<(), DriverError> {
        let mut finished = self.finished.clone();
        finished.wait_for(|finished| *finished).await.map(drop).map_err(|_| DriverError::Gone)
    }

    /// Stops calling and observing: what is unfinished or was never called ends in `outcome`. Hands over what was
    /// measured since the last sample.
    ///
    /// # Errors
    /// The driver's thread has ended.
    pub async fn stop(&self, outcome: Outcome) -> Result<Sample, DriverError> {
        self.ask(|reply| Command::Stop(outcome, reply)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, DriverError> {
        let commands = self.commands.as_ref().ok_or(DriverError::Gone)?;
        let (reply, answer) = oneshot::channel();
        commands.send(command(reply)).await.map_err(|_| DriverError::Gone)?;
        answer.await.map_err(|_| DriverError::Gone)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The thread ends when nobody can tell it anything any more.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
