//! What a shard does with its assignment: register, connect, wait for the start, run, stop, hand over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Interval, interval, sleep_until};

use super::dialects;
use super::message::{Assignment, FromShard, Progress, StopReason, ToShard};
use super::prepare::tls;
use crate::device::Fleet;
use crate::driver::{BrokerSettings, Client, Driver, DriverPlan, PhasePlan, RestSettings, ServiceSettings};
use crate::measure::{Gauges, Tracer, Truth, Usage, descriptor_limit};
use crate::mqtt::WebSocketClient;
use crate::policy::{DeviceIds, Diagonal, Outcome, ReportFormat};
use crate::time::{Clock, Nanos};

/// How often a shard looks whether its devices are ready.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// Progress is reported at every whole second of the run, so that the reports of all shards fit together.
const SECOND: Duration = Duration::from_secs(1);
/// How long a TCP connection to the hub's REST side may take.
const REST_CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the answers to the devices' last reports are waited for.
const LAST_ANSWERS: Duration = Duration::from_secs(30);
/// MQTT keep-alive of a driver's connections to a broker, in seconds: they ask it much more often.
const LINE_KEEP_ALIVE: u16 = 30;
/// How long devices may take to disconnect.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Serves one assignment. Who follows a device either gives a `tracer`, or is told by messages.
pub(super) async fn serve(tracer: Option<Arc<Tracer>>, mut orders: Receiver<ToShard>, say: Sender<FromShard>) {
    let descriptors = descriptor_limit().map_or(0, |(soft, _)| soft);
    // If nobody listens any more, there is nobody left to work for: here and below.
    if say.send(FromShard::Hello { descriptors }).await.is_err() {
        return;
    }
    let Some(ToShard::Assign(assignment)) = orders.recv().await else { return };
    let tracer = tracer.or_else(|| follow(&assignment, &say));
    let done = match Work::start(*assignment, tracer, say.clone()) {
        Ok(work) => work.run(orders).await,
        Err(why) => Err(why),
    };
    let last = match done {
        Ok(Some(progress)) => FromShard::Result(Box::new(progress)),
        Ok(None) => return,
        Err(why) => FromShard::Failed(why),
    };
    let _ = say.send(last).await;
}

/// Tells the coordinator what happens to the device that it follows. What finds no room is left out: a coordinator that
/// takes nothing must not hold up a device.
fn follow(assignment: &Assignment, say: &Sender<FromShard>) -> Option<Arc<Tracer>> {
    let device = assignment.trace.filter(|device| assignment.range.contains(*device))?;
    let say = say.clone();
    Some(Arc::new(Tracer::new(device, move |now, event| {
        let _ = say.try_send(FromShard::Trace(now, event.clone()));
    })))
}

/// An assignment and the actors that carry it out.
pub(super) struct Work {
    pub(super) assignment: Assignment,
    pub(super) ids: DeviceIds,
    pub(super) clock: Clock,
    pub(super) say: Sender<FromShard>,
    pub(super) rest: Option<Client>,
    pub(super) fleet: Option<Fleet>,
    pub(super) driver: Option<Driver>,
    pub(super) tracer: Option<Arc<Tracer>>,
    pub(super) truth: Option<Arc<Truth>>,
    /// What the process had used before.
    before: Usage,
    /// Measured, but not handed over yet.
    pub(super) pending: Progress,
    /// When the next progress is due.
    progress_at: Nanos,
}

impl Work {
    /// The driver is made first: from then on every planned update is in the census.
    fn start(assignment: Assignment, tracer: Option<Arc<Tracer>>, say: Sender<FromShard>) -> Result<Self, String> {
        let Assignment { plan, range, roles, endpoints, credentials, .. } = &assignment;
        let (clock, before) = (Clock::since(assignment.epoch), Usage::of_self());
        let ids = assignment.ids.clone();
        let truth = (roles.fleet && roles.driver).then(|| {
            let truth = Truth::new(*range);
            Arc::new(if plan.fleet.telemetry.is_some() { truth.with_telemetry() } else { truth })
        });
        let settings = endpoints.rest.clone().zip(credentials.service.clone()).map(|(url, connection)| RestSettings {
            url,
            authority: endpoints.rest_authority.clone(),
            connection,
            connect_timeout: REST_CONNECT_LIMIT,
        });
        let rest = settings.as_ref().map(|settings| Client::new(settings, clock)).transpose().map_err(in_words)?;
        let service = match service(&assignment)? {
            Some(broker) => Some(ServiceSettings::Broker(broker)),
            None => settings.map(ServiceSettings::Rest),
        };
        let driver = match service {
            Some(service) if roles.driver => {
                let mut config = plan.driver.clone();
                if let Some(image) = &assignment.image {
                    config.package_uri.clone_from(&image.url);
                    config.package_check = Some(image.sha256.clone());
                }
                if plan.hub.is_ours() {
                    // Its answers hold all that had changed when it was asked: nothing becomes visible late.
                    config.observe.overlap.get_or_insert(Duration::ZERO);
                }
                let phases = plan
                    .drill
                    .as_ref()
                    .map(|drill| PhasePlan { phases: drill.phases(&plan.faults), series: drill.series() });
                let wants_events = plan.report.formats.contains(&ReportFormat::Events);
                let plan = DriverPlan {
                    config,
                    seed: plan.seed,
                    devices: plan.fleet.devices,
                    range: *range,
                    ids: ids.clone(),
                    run_id: assignment.run_id.clone(),
                    service,
                    clock,
                    truth: truth.clone(),
                    diagonal: Diagonal::new(&plan.faults, !plan.hub.is_ideal())
                        .where_presence_is(!plan.hub.tells_presence()),
                    tracer: tracer.clone(),
                    phases,
                    events: wants_events,
                    swallow_outcomes: assignment.swallow_outcomes,
                };
                Some(Driver::start(plan).map_err(in_words)?)
            }
            None if roles.driver => {
                return Err("a driver needs the hub's REST address and a connection string".to_owned());
            }
            _ => None,
        };
        let now = clock.now();
        let pending = Progress { from: now, ..Progress::default() };
        let progress_at = next_second(now);
        Ok(Self { ids, clock, say, rest, fleet: None, driver, tracer, truth, before, pending, progress_at, assignment })
    }

    /// Does everything, up to the last word; `None` if the coordinator is gone.
    async fn run(mut self, mut orders: Receiver<ToShard>) -> Result<Option<Progress>, String> {
        let mut word = self.prepare(&mut orders).await?;
        if let Word::Go = word {
            self.count_descriptors();
            self.report_progress().await;
            if self.say.send(FromShard::Ready).await.is_err() {
                return Ok(None);
            }
            word = self.carry_load(&mut orders).await?;
        }
        match word {
            Word::Stop(reason) => self.stop(reason, &mut orders).await.map(Some),
            Word::Go | Word::Gone => Ok(None),
        }
    }

    /// Waits for the start and runs the load, until it is told to stop.
    async fn carry_load(&mut self, orders: &mut Receiver<ToShard>) -> Result<Word, String> {
        let mut finished = false;
        let mut healing: Option<Interval> = None;
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(ToShard::StartAt(at)) => {
                        let at = self.clock.wall().moment(at);
                        if let Some(fleet) = &self.fleet {
                            fleet.load_starts(at, at + self.assignment.plan.driver.lead()).await;
                        }
                        if let Some(driver) = &self.driver {
                            driver.start_at(at).await.map_err(in_words)?;
                        }
                    }
                    Some(ToShard::Heal { abort }) => {
                        self.heal(abort).await?;
                        healing = Some(interval(LOOK));
                    }
                    Some(ToShard::Release { wave, at }) => {
                        let at = self.clock.wall().moment(at);
                        if let Some(driver) = &self.driver {
                            driver.release(wave, at).await.map_err(in_words)?;
                        }
                    }
                    Some(ToShard::Assign(_)) => {}
                    order => return Ok(Word::of(order)),
                },
                () = tick(&mut healing) => {
                    self.look().await?;
                    self.tell_gauges();
                }
                // Said at once, so that nobody waits for the next second.
                ended = finished_of(self.driver.as_ref()), if !finished => {
                    ended?;
                    finished = true;
                    self.count_descriptors();
                    self.look().await?;
                    self.report_progress().await;
                }
                () = sleep_until(self.clock.instant(self.progress_at)) => {
                    self.look().await?;
                    self.report_progress().await;
                }
            }
        }
    }

    /// Lifts every fault of the devices; if it is to `abort`, ends every update.
    async fn heal(&mut self, abort: bool) -> Result<(), String> {
        if let Some(driver) = self.driver.as_ref().filter(|_| abort) {
            let sample = driver.stop(Outcome::Aborted).await.map_err(in_words)?;
            self.pending.measurements.absorb(sample.measurements);
        }
        if let Some(fleet) = &self.fleet {
            fleet.heal().await;
        }
        Ok(())
    }

    /// Tells how things stand between two progresses. What finds no room is left out: the next tells more.
    fn tell_gauges(&self) {
        let now = self.clock.now();
        let Progress { gauges, finished, .. } = self.pending;
        let progress = Progress { from: now, until: now, gauges, finished, ..Progress::default() };
        let _ = self.say.try_send(FromShard::Progress(Box::new(progress)));
    }

    /// Takes what the actors have measured since the last look.
    pub(super) async fn look(&mut self) -> Result<(), String> {
        if let Some(driver) = &self.driver {
            let sample = driver.sample().await.map_err(in_words)?;
            self.pending.measurements.absorb(sample.measurements);
            // Without a fleet of its own, a shard knows of the devices what its observer saw.
            self.pending.gauges = sample.seen;
            self.pending.gauges.calls_in_flight = sample.gauges.calls_in_flight;
            self.pending.finished = sample.finished;
        }
        if let Some(fleet) = &self.fleet {
            let sample = fleet.sample().await;
            self.pending.measurements.absorb(sample.measurements);
            self.pending.gauges = Gauges { calls_in_flight: self.pending.gauges.calls_in_flight, ..sample.gauges };
            let dead = sample.dead.iter().map(|name| format!("worker {name} ended unexpectedly"));
            self.pending.mishaps = dead.collect();
            self.pending.warnings.clear();
            for failure in fleet.failures().await {
                let words = if failure.local { &mut self.pending.mishaps } else { &mut self.pending.warnings };
                if !words.contains(&failure.text) {
                    words.push(failure.text);
                }
            }
        }
        Ok(())
    }

    /// Whether the next progress is due.
    pub(super) fn progress_is_due(&self) -> bool {
        self.clock.now() >= self.progress_at
    }

    /// Counting takes milliseconds where there are many: only at moments when there are as many as there will be.
    fn count_descriptors(&mut self) {
        self.pending.descriptors = Usage::open_descriptors();
    }

    /// Hands over what is pending. What is taken is sent: nothing is lost if this is given up half-way.
    pub(super) async fn report_progress(&mut self) {
        self.progress_at = next_second(self.clock.now());
        if let Ok(room) = self.say.clone().reserve_owned().await {
            room.send(FromShard::Progress(Box::new(self.take_pending())));
        }
    }

    fn take_pending(&mut self) -> Progress {
        let until = self.clock.now();
        let (gauges, descriptors) = (self.pending.gauges, self.pending.descriptors);
        let next = Progress { from: until, gauges, descriptors, ..Progress::default() };
        let usage = Usage::of_self().since(self.before);
        Progress { until, usage, ..std::mem::replace(&mut self.pending, next) }
    }

    /// Every update has ended as the observer saw it; the last reports' answers may still be on their way to the
    /// devices, and the slowest of them are those that matter. An order to stop ends the wait.
    async fn await_last_answers(&mut self, orders: &mut Receiver<ToShard>) -> Result<(), String> {
        let until = self.clock.now() + LAST_ANSWERS;
        let mut look = interval(LOOK);
        loop {
            if self.pending.gauges.reporting == 0 || self.clock.now() >= until {
                break;
            }
            tokio::select! {
                _ = orders.recv() => return Ok(()),
                _ = look.tick() => {}
            }
            self.look().await?;
            if self.progress_is_due() {
                self.report_progress().await;
            }
        }
        if self.pending.gauges.reporting > 0 {
            let reporting = self.pending.gauges.reporting;
            // What is missing in `twin.ack` is its slowest part: without it the series tells too good a story.
            self.pending.mishaps.push(format!(
                "{reporting} devices got no answer to their last report within {} s: twin.ack lacks them",
                LAST_ANSWERS.as_secs()
            ));
        }
        Ok(())
    }

    async fn stop(mut self, reason: StopReason, orders: &mut Receiver<ToShard>) -> Result<Progress, String> {
        if reason == StopReason::Finished && self.fleet.is_some() {
            self.look().await?;
            self.await_last_answers(orders).await?;
        }
        if let Some(driver) = &self.driver {
            let outcome = match reason {
                StopReason::Finished
                | StopReason::Interrupted
                | StopReason::RolloutAborted
                | StopReason::ThresholdBroken => Outcome::Aborted,
                StopReason::HubDied => Outcome::HubError,
            };
            let sample = driver.stop(outcome).await.map_err(in_words)?;
            self.pending.measurements.absorb(sample.measurements);
            self.pending.finished = true;
        }
        if let Some(fleet) = self.fleet.take() {
            let sample = fleet.sample().await;
            self.pending.measurements.absorb(sample.measurements);
            self.pending.gauges = sample.gauges;
            let mut closing = fleet.stop(CLOSE_LIMIT).await;
            // How late timers are while everything disconnects says nothing of the load.
            closing.loop_lag.clear();
            self.pending.measurements.absorb(closing);
        }
        if let Some(driver) = &self.driver {
            // What the devices said last may still be on its way.
            let mut settled = driver.settle().await.map_err(in_words)?.measurements;
            settled.loop_lag.clear();
            self.pending.measurements.absorb(settled);
        }
        Ok(self.take_pending())
    }
}

/// The broker that the driver is to be a client of, if there is one.
fn service(assignment: &Assignment) -> Result<Option<BrokerSettings>, String> {
    let Assignment { plan, range, endpoints, .. } = assignment;
    let Some((broker, dialect)) = plan.hub.broker().zip(dialects::of_operator(assignment, LINE_KEEP_ALIVE)?) else {
        return Ok(None);
    };
    Ok(Some(BrokerSettings {
        address: endpoints.mqtt.ok_or("a driver needs the broker's address")?,
        tls: tls(assignment, false)?,
        websocket: endpoints.websocket.as_ref().map(|path| WebSocketClient::new(&endpoints.host, path)),
        dialect,
        lines: broker.lines,
        has_others: range.len() < plan.fleet.devices,
        telemetry: plan.fleet.telemetry.is_some(),
    }))
}

/// What is next for a shard.
pub(super) enum Word {
    /// Going on.
    Go,
    /// Stopping.
    Stop(StopReason),
    /// Nobody is left to work for.
    Gone,
}

impl Word {
    /// What an order that comes out of turn means: only a stop makes sense then.
    pub(super) fn of(order: Option<ToShard>) -> Self {
        match order {
            Some(ToShard::Stop(reason)) => Self::Stop(reason),
            _ => Self::Gone,
        }
    }
}

/// The next turn of a clock; never without one.
async fn tick(clock: &mut Option<Interval>) {
    match clock {
        Some(clock) => drop(clock.tick().await),
        None => std::future::pending().await,
    }
}

/// Resolves when the driver has finished; never without one.
async fn finished_of(driver: Option<&Driver>) -> Result<(), String> {
    match driver {
        Some(driver) => driver.finished().await.map_err(in_words),
        None => std::future::pending().await,
    }
}

pub(super) fn in_words(error: impl ToString) -> String {
    error.to_string()
}

/// The first whole second of the run after `now`.
fn next_second(now: Nanos) -> Nanos {
    Nanos::ZERO + SECOND * (u32::try_from(now.as_secs()).unwrap_or(u32::MAX - 1) + 1)
}
