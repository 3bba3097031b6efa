//! The threads of a fleet: each runs its share of the devices on a runtime of its own.

mod alive;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, mpsc as std_mpsc};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{sleep_until, timeout};

pub(super) use self::alive::Alive;
use super::download::Downloads;
use super::event::Output;
use super::failures::{Failure, Failures};
use super::session::Settings;
use super::{DeviceIdentities, FleetConfig, FleetError, FleetPlan, intruder, task};
use crate::dialect::DeviceDialect;
use crate::measure::{Gauges, Measurements, Recorder, Tracer, Truth};
use crate::mqtt::{ClientTls, Packet, Scratch, Sources, WebSocketClient};
use crate::policy::{ConnectPace, DeviceRange};
use crate::time::{Clock, Nanos};

/// Commands that may wait for a worker; more make their sender wait.
const COMMANDS: usize = 8;

/// How often a worker measures how late its timers fire. Timers count whole milliseconds, so that a worker with
/// nothing else to do shows up to 1 ms; it is not subtracted.
const LAG_EVERY: Duration = Duration::from_millis(50);

/// What a worker is told.
pub(super) enum Command {
    LoadStarts { at: Nanos, measured_from: Nanos },
    Heal,
    Sample(oneshot::Sender<Sample>),
    Failures(oneshot::Sender<Vec<Failure>>),
    Stop { grace: Duration, reply: oneshot::Sender<Sample> },
}

/// What a worker has measured since the last time, and how things stand with it.
pub(super) struct Sample {
    pub(super) measurements: Measurements,
    pub(super) gauges: Gauges,
    /// Whether one of its tasks has panicked.
    pub(super) broken: bool,
}

/// A running worker. It ends by [`Command::Stop`], or when `commands` is dropped.
pub(super) struct Handle {
    pub(super) name: String,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) thread: JoinHandle<()>,
}

/// What the devices of a worker share.
pub(super) struct Worker<D> {
    pub(super) settings: Rc<Settings<D>>,
    pub(super) hub: std::net::SocketAddr,
    pub(super) sources: Sources,
    pub(super) tls: Option<ClientTls>,
    pub(super) identities: Option<DeviceIdentities>,
    pub(super) websocket: Option<WebSocketClient>,
    /// Where devices really download.
    pub(super) downloads: Option<Downloads>,
    pub(super) clock: Clock,
    pub(super) truth: Option<Arc<Truth>>,
    pub(super) tracer: Option<Arc<Tracer>>,
    /// One permit for each connection that may be under way.
    pub(super) connecting: Arc<Semaphore>,
    pub(super) pace: RefCell<ConnectPace>,
    pub(super) load_start: Cell<Option<Nanos>>,
    /// Whether what comes before the load that is measured is in no count of reports.
    pub(super) load_settles: bool,
    /// Connections that were asked for before are in no figure.
    pub(super) connects_measured_from: Nanos,
    /// What is reported, pinged and downloaded before, and after the load has started, is in no figure.
    pub(super) measured_from: Cell<Nanos>,
    /// Whether all faults are over for good.
    pub(super) healed: Cell<bool>,
    pub(super) stopping: Cell<bool>,
    pub(super) buffers: RefCell<Buffers>,
    /// For handshakes, which go on while a device is polled and `buffers` is taken.
    pub(super) handshakes: RefCell<Scratch>,
    pub(super) books: RefCell<Books>,
    wakers: RefCell<Vec<Waker>>,
    /// Who connects with the id of which device.
    intruders: RefCell<BTreeMap<u32, AbortHandle>>,
    live: Cell<usize>,
    drained: Notify,
    broken: Cell<bool>,
}

/// What a device borrows while it is polled.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) scratch: Scratch,
    pub(super) packets: Vec<Packet>,
    pub(super) out: Vec<Output>,
}

/// What a worker has seen.
#[derive(Default)]
pub(super) struct Books {
    pub(super) recorder: Recorder,
    pub(super) gauges: Gauges,
    pub(super) failures: Failures,
}

/// A worker's part of the whole.
#[derive(Clone)]
struct Share {
    number: usize,
    workers: usize,
    /// Connections that may be under way.
    connecting: usize,
    /// Connections that the fleet starts per second in this range of its devices.
    rate: f64,
    sources: Sources,
}

/// Starts the workers of `plan`.
///
/// # Errors
/// Devices cannot come from where the plan wants, or a thread or its runtime could not be set up; those already started
/// end by themselves.
pub(super) fn start<D>(plan: &FleetPlan<D>) -> Result<Vec<Handle>, FleetError>
where
    D: DeviceDialect + Clone + Send + 'static,
{
    let FleetConfig { devices, connect_rate, connect_in_flight, .. } = plan.config;
    let sources = plan.config.source_addresses.towards(plan.hub.ip(), devices)?;
    sources.check()?;
    let workers = plan.config.workers.max(1);
    // A shard's range takes its share of what the whole fleet may do.
    let devices = devices.max(plan.range.end).max(1);
    let rate = connect_rate * (f64::from(plan.range.len()) / f64::from(devices));
    let in_flight = share_of(connect_in_flight, plan.range, devices);
    (0..workers)
        .map(|number| {
            let connecting = (in_flight / workers + usize::from(number < in_flight % workers)).max(1);
            let sources = sources.clone();
            spawn(plan.clone(), Share { number, workers, connecting, rate, sources })
        })
        .collect()
}

/// What `range` gets of a `whole` that all `devices` of a fleet share: neighbouring ranges add up to the whole.
fn share_of(whole: u32, range: DeviceRange, devices: u32) -> usize {
    let until = |device: u32| u64::from(whole) * u64::from(device) / u64::from(devices);
    (until(range.end) - until(range.start)) as usize
}

fn spawn<D>(plan: FleetPlan<D>, share: Share) -> Result<Handle, FleetError>
where
    D: DeviceDialect + Clone + Send + 'static,
{
    let name = format!("fleet-{}", share.number);
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let (started, outcome) = std_mpsc::sync_channel(1);
    let thread_name = name.clone();
    let body = move || {
        // Such a runtime stays on the thread that made it.
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(()));
        // All work is in tasks of the runtime: to wake the future that it blocks on (as a `LocalSet` would be) costs
        // two system calls each time.
        let work = runtime.spawn_local(serve(plan, share, thread_name, inbox));
        let _ = runtime.block_on(work);
    };
    let failed = |source| FleetError::Worker { name: name.clone(), source };
    let thread = std::thread::Builder::new().name(name.clone()).spawn(body).map_err(failed)?;
    match outcome.recv() {
        Ok(Ok(())) => Ok(Handle { name, commands, thread }),
        Ok(Err(source)) => Err(failed(source)),
        Err(_) => Err(failed(std::io::Error::other("the thread ended"))),
    }
}

/// Runs a worker until it is stopped.
async fn serve<D>(plan: FleetPlan<D>, share: Share, name: String, mut inbox: mpsc::Receiver<Command>)
where
    D: DeviceDialect + Clone + Send + 'static,
{
    let range = plan.range;
    let worker = Rc::new(Worker::new(plan, &share));
    let pacing = spawn_local(pace(Rc::clone(&worker), share, range));
    spawn_local(probe_lag(Rc::clone(&worker), name));
    while let Some(command) = inbox.recv().await {
        match command {
            Command::LoadStarts { at, measured_from } => {
                worker.load_start.set(Some(at));
                worker.measured_from.set(measured_from);
                // Whom nothing will befall learns of it when something else wakes him: waking all takes long where
                // there are many, and just before their first calls.
                let fleet = &worker.settings.fleet;
                if worker.settings.faults.strikes_links() || fleet.telemetry.is_some() || fleet.churn.is_some() {
                    worker.wake_all();
                }
            }
            Command::Heal => {
                worker.healed.set(true);
                worker.wake_all();
            }
            Command::Sample(reply) => worker.answer(reply),
            Command::Failures(reply) => {
                // Whoever asked may have gone meanwhile; that is no concern of the worker's.
                let failures = worker.books.borrow().failures.list().to_vec();
                let _ = reply.send(failures.into_iter().chain(slowed(worker.pace.borrow().behind())).collect());
            }
            Command::Stop { grace, reply } => {
                pacing.abort();
                worker.stopping.set(true);
                worker.wake_all();
                // Devices that are not done by then are dropped with the runtime.
                let _ = timeout(grace, worker.drained()).await;
                worker.answer(reply);
                return;
            }
        }
    }
}

/// Says that connecting has slowed down, and roughly by how much: the words must not differ from worker to worker.
fn slowed(behind: Duration) -> Option<Failure> {
    let behind = match behind.as_secs_f64() {
        ..0.1 => return None,
        ..1.0 => "0.1 s",
        ..10.0 => "1 s",
        ..100.0 => "10 s",
        ..1000.0 => "100 s",
        _ => "1,000 s",
    };
    let text =
        format!("CONNACKs took longer than fleet.connect_slow_down: connecting fell over {behind} behind the plan");
    Some(Failure { text, count: 1, local: false })
}

/// Starts the devices at the fleet's rate: the k-th of the range at k / rate, whichever worker it belongs to, and later
/// where the hub is slow to accept.
async fn pace<D: DeviceDialect + 'static>(worker: Rc<Worker<D>>, share: Share, range: DeviceRange) {
    let _alive = Alive::new(Rc::clone(&worker));
    let start = worker.clock.now();
    let mut planned = Duration::ZERO;
    for device in range.iter().filter(|device| *device as usize % share.workers == share.number) {
        let place = device - range.start;
        let after = match &worker.settings.fleet.connect_settle {
            Some(settle) => settle.starts(u64::from(place), share.rate),
            None => Duration::try_from_secs_f64(f64::from(place) / share.rate).unwrap_or(Duration::MAX),
        };
        let gap = after.saturating_sub(std::mem::replace(&mut planned, after));
        let behind = worker.pace.borrow_mut().next(gap);
        let due = start + after + behind;
        if worker.clock.now() < due {
            sleep_until(worker.clock.instant(due)).await;
        }
        // One that could not connect yet would only take memory for its attempt. The permit goes back at once: the device
        // asks for its own.
        drop(worker.connecting.acquire().await);
        spawn_local(task::run(Rc::clone(&worker), device));
    }
}

/// Measures how late the worker's timers fire. A stall does not make it skip measurements: each has its due time.
async fn probe_lag<D>(worker: Rc<Worker<D>>, name: String) {
    let mut due = worker.clock.now();
    loop {
        due = due + LAG_EVERY;
        sleep_until(worker.clock.instant(due)).await;
        let lag = worker.clock.now().since(due);
        worker.books.borrow_mut().recorder.loop_lag(&name, lag);
    }
}

impl<D> Worker<D> {
    fn new(plan: FleetPlan<D>, share: &Share) -> Self {
        let pace = ConnectPace::new(plan.config.connect_slow_down);
        let lead = plan.config.connect_settle.map(|settle| settle.lead());
        let connects_measured_from = lead.map_or(Nanos::ZERO, |lead| plan.clock.now() + lead);
        let devices = plan.range.iter().filter(|device| *device as usize % share.workers == share.number).count();
        let part = devices as f64 / f64::from(plan.config.devices.max(plan.range.end).max(1));
        let downloads = Downloads::of(&plan.firmware, plan.images, part);
        let settings = Settings {
            dialect: plan.dialect,
            ids: plan.ids,
            fleet: plan.config,
            version: plan.firmware.version.as_str().into(),
            firmware: plan.firmware,
            faults: plan.faults,
            seed: plan.seed,
            wall: plan.clock.wall(),
        };
        Self {
            settings: Rc::new(settings),
            hub: plan.hub,
            sources: share.sources.clone(),
            tls: plan.tls,
            identities: plan.identities,
            websocket: plan.websocket,
            downloads,
            clock: plan.clock,
            truth: plan.truth,
            tracer: plan.tracer,
            connecting: Arc::new(Semaphore::new(share.connecting)),
            pace: RefCell::new(pace),
            connects_measured_from,
            load_start: Cell::new(None),
            load_settles: plan.load_settles,
            measured_from: Cell::new(Nanos::ZERO),
            healed: Cell::new(false),
            stopping: Cell::new(false),
            buffers: RefCell::default(),
            handshakes: RefCell::default(),
            books: RefCell::default(),
            wakers: RefCell::default(),
            intruders: RefCell::default(),
            live: Cell::new(0),
            drained: Notify::new(),
            broken: Cell::new(false),
        }
    }

    /// Whether the load that goes on is there to settle.
    pub(super) fn is_settling(&self, now: Nanos) -> bool {
        now < self.measured_from.get() && self.load_start.get().is_some_and(|start| now >= start)
    }

    /// A worker without a thread.
    #[cfg(test)]
    pub(super) fn for_tests(plan: FleetPlan<D>) -> Rc<Self> {
        Rc::new(Self::new(
            plan,
            &Share { number: 0, workers: 1, connecting: 1, rate: 1.0, sources: Sources::default() },
        ))
    }

    /// Keeps a device's waker for news that concern all. It stays the same as long as the device's task lives; one
    /// of these costs a device less than a channel would.
    pub(super) fn register(&self, waker: &Waker) {
        self.wakers.borrow_mut().push(waker.clone());
    }

    fn wake_all(&self) {
        self.wakers.borrow().iter().for_each(Waker::wake_by_ref);
    }

    /// Hands over what was measured. If whoever asked has gone meanwhile, it is kept for the next one.
    fn answer(&self, reply: oneshot::Sender<Sample>) {
        let books = &mut *self.books.borrow_mut();
        let (measurements, gauges) = (books.recorder.take(), books.gauges);
        if let Err(refused) = reply.send(Sample { measurements, gauges, broken: self.broken.get() }) {
            books.recorder.take_back(&refused.measurements);
        }
    }

    /// Lets somebody else connect with the id of `device`, or no longer.
    pub(super) fn intrude(self: &Rc<Self>, device: u32, begins: bool)
    where
        D: DeviceDialect + 'static,
    {
        let before = match begins {
            true => {
                let intruder = spawn_local(intruder::run(Rc::clone(self), device));
                self.intruders.borrow_mut().insert(device, intruder.abort_handle())
            }
            false => self.intruders.borrow_mut().remove(&device),
        };
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Waits until no task is left.
    async fn drained(&self) {
        while self.live.get() > 0 {
            self.drained.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_ranges_add_up() {
        let shares = [(0, 3), (3, 4), (4, 10)].map(|(start, end)| share_of(200, DeviceRange { start, end }, 10));
        assert_eq!(shares, [60, 20, 120]);
        assert_eq!(share_of(100_000, DeviceRange { start: 0, end: 10_000_000 }, 10_000_000), 100_000);
    }
}
