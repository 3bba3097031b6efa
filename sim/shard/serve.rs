//! What a shard does with its assignment: register, connect, wait for the start, run, stop, hand over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval};

use super::message::{Assignment, FromShard, Progress, StopReason, ToShard};
use crate::device::{Fleet, FleetPlan};
use crate::dialect::azure::AzureDevice;
use crate::driver::{self, Client, Driver, DriverPlan, RestSettings};
use crate::measure::{Gauges, Tracer, Truth, descriptor_limit};
use crate::mqtt::ClientTls;
use crate::policy::{DeviceIds, FaultPlan, Outcome};
use crate::time::Clock;

/// How often a shard looks whether its devices are ready.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between two progress messages.
const LOOKS_PER_PROGRESS: u32 = 10;
/// What devices get beyond the connect ramp to come online.
const CONNECT_GRACE: Duration = Duration::from_secs(60);
/// How long a TCP connection to the hub's REST side may take.
const REST_CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the answers to the devices' last reports are waited for.
const LAST_ANSWERS: Duration = Duration::from_secs(30);
/// How long devices may take to disconnect.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Serves one assignment.
pub(super) async fn serve(
    clock: Clock,
    tracer: Option<Arc<Tracer>>,
    mut orders: Receiver<ToShard>,
    say: Sender<FromShard>,
) {
    let descriptors = descriptor_limit().map_or(0, |(soft, _)| soft);
    // If nobody listens any more, there is nobody left to work for: here and below.
    if say.send(FromShard::Hello { descriptors }).await.is_err() {
        return;
    }
    let Some(ToShard::Assign(assignment)) = orders.recv().await else { return };
    let done = match Work::start(*assignment, clock, tracer, say.clone()) {
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

/// An assignment and the actors that carry it out.
struct Work {
    assignment: Assignment,
    ids: DeviceIds,
    clock: Clock,
    say: Sender<FromShard>,
    rest: Option<Client>,
    fleet: Option<Fleet>,
    driver: Option<Driver>,
    tracer: Option<Arc<Tracer>>,
    truth: Option<Arc<Truth>>,
    /// Measured, but not handed over yet.
    pending: Progress,
}

impl Work {
    /// The driver is made first: from then on every planned update is in the census.
    fn start(
        assignment: Assignment,
        clock: Clock,
        tracer: Option<Arc<Tracer>>,
        say: Sender<FromShard>,
    ) -> Result<Self, String> {
        let Assignment { plan, range, roles, endpoints, credentials, .. } = &assignment;
        let ids = DeviceIds::new(&plan.fleet.id_prefix);
        let truth = (roles.fleet && roles.driver).then(|| Arc::new(Truth::new(*range)));
        let settings = endpoints.rest.clone().zip(credentials.service.clone()).map(|(url, connection)| RestSettings {
            url,
            connection,
            connect_timeout: REST_CONNECT_LIMIT,
        });
        let rest = settings.as_ref().map(|settings| Client::new(settings, clock)).transpose().map_err(in_words)?;
        let driver = match settings {
            Some(rest) if roles.driver => {
                let plan = DriverPlan {
                    config: plan.driver.clone(),
                    seed: plan.seed,
                    devices: plan.fleet.devices,
                    range: *range,
                    ids: ids.clone(),
                    run_id: assignment.run_id.clone(),
                    rest,
                    clock,
                    truth: truth.clone(),
                    tracer: tracer.clone(),
                    swallow_outcomes: assignment.swallow_outcomes,
                };
                Some(Driver::start(plan).map_err(in_words)?)
            }
            None if roles.driver => {
                return Err("a driver needs the hub's REST address and a connection string".to_owned());
            }
            _ => None,
        };
        let pending = Progress { from: clock.now(), ..Progress::default() };
        Ok(Self { ids, clock, say, rest, fleet: None, driver, tracer, truth, pending, assignment })
    }

    /// Does everything, up to the last word; `None` if the coordinator is gone.
    async fn run(mut self, mut orders: Receiver<ToShard>) -> Result<Option<Progress>, String> {
        let mut word = self.prepare(&mut orders).await?;
        if let Word::Go = word {
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

    /// Registers and connects the devices, or waits for those of another process, and takes the observer's first
    /// look. An order to stop ends it wherever it is, except between taking measurements and keeping them.
    async fn prepare(&mut self, orders: &mut Receiver<ToShard>) -> Result<Word, String> {
        if self.assignment.roles.fleet {
            if let Err(word) = unless_told(orders, self.register()).await? {
                return Ok(word);
            }
            self.fleet = Some(self.start_fleet()?);
            match self.connect(orders).await? {
                Word::Go => {}
                word => return Ok(word),
            }
        } else {
            match unless_told(orders, self.wait_online()).await? {
                Ok(0) => {}
                Ok(missing) => {
                    let devices = self.assignment.range.len();
                    self.pending.warnings.push(format!("{missing} of {devices} devices are not online"));
                }
                Err(word) => return Ok(word),
            }
        }
        let prime = async {
            match &self.driver {
                Some(driver) => driver.prime().await.map_err(in_words),
                None => Ok(()),
            }
        };
        Ok(unless_told(orders, prime).await?.err().unwrap_or(Word::Go))
    }

    /// Waits for devices of another process; how many are missing in the end.
    async fn wait_online(&self) -> Result<u32, String> {
        let Some(rest) = &self.rest else { return Ok(0) };
        let say = self.say.clone();
        let tell = |connected, _| {
            let gauges = Gauges { connected, ..Gauges::default() };
            // Nothing but the gauges: it spans no time. One that finds no room is left out, the next tells more.
            let _ = say.try_send(FromShard::Progress(Box::new(Progress { gauges, ..Progress::default() })));
        };
        let limit = self.connect_limit();
        driver::wait_online(rest, &self.ids, self.assignment.range, limit, self.clock, tell).await.map_err(in_words)
    }

    async fn register(&self) -> Result<(), String> {
        let (Some(rest), Some(key)) = (&self.rest, &self.assignment.credentials.fleet_key) else { return Ok(()) };
        driver::register(rest, key, &self.ids, self.assignment.range, |_, _| {}).await.map_err(in_words)
    }

    fn start_fleet(&self) -> Result<Fleet, String> {
        let Assignment { plan, range, endpoints, credentials, .. } = &self.assignment;
        let (Some(hub), Some(key)) = (endpoints.mqtt, &credentials.fleet_key) else {
            return Err("a fleet needs the hub's MQTT address and the fleet's key".to_owned());
        };
        let resumption = plan.fleet.tls_resumption;
        let tls = endpoints.tls.as_ref().map(|proof| ClientTls::new(&proof.host, &proof.authority, resumption));
        // The profile holds it below 1,178 s.
        let keep_alive = u16::try_from(plan.fleet.keep_alive.as_secs()).unwrap_or(u16::MAX);
        Fleet::start(FleetPlan {
            config: plan.fleet.clone(),
            firmware: plan.firmware.clone(),
            faults: Arc::new(FaultPlan::new(plan.seed, &plan.faults, plan.fleet.devices)),
            seed: plan.seed,
            range: *range,
            hub,
            tls: tls.transpose().map_err(in_words)?,
            dialect: AzureDevice::new(&endpoints.host, key.clone(), keep_alive),
            clock: self.clock,
            truth: self.truth.clone(),
            tracer: self.tracer.clone(),
        })
        .map_err(in_words)
    }

    /// Waits until every device has reported once or has given up. Some may be missing when the time is over: their
    /// updates will tell. If none came online, there is nothing to run.
    async fn connect(&mut self, orders: &mut Receiver<ToShard>) -> Result<Word, String> {
        let devices = self.assignment.range.len();
        let until = self.clock.now() + self.connect_limit();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for looks in 1_u32.. {
            tokio::select! {
                order = orders.recv() => return Ok(Word::of(order)),
                _ = look.tick() => {}
            }
            self.look().await?;
            let stands = self.pending.gauges;
            let over = stands.ready >= devices || self.clock.now() >= until;
            if over && stands.gave_up >= devices.min(stands.ready) && stands.connected == 0 {
                return Err(self.why_none_is_online(devices).await);
            }
            if looks % LOOKS_PER_PROGRESS == 0 {
                self.report_progress().await;
            }
            if over {
                break;
            }
        }
        Ok(Word::Go)
    }

    /// The time that devices get to come online.
    fn connect_limit(&self) -> Duration {
        let fleet = &self.assignment.plan.fleet;
        Duration::from_secs_f64(f64::from(fleet.devices) / fleet.connect_rate) + CONNECT_GRACE
    }

    async fn why_none_is_online(&self, devices: u32) -> String {
        let failures = match &self.fleet {
            Some(fleet) => fleet.failures().await,
            None => Vec::new(),
        };
        let reasons: Vec<String> = failures.into_iter().map(|failure| failure.text).collect();
        format!("none of {devices} devices came online: {}", reasons.join("; "))
    }

    /// Waits for the start and runs the load, until it is told to stop.
    async fn carry_load(&mut self, orders: &mut Receiver<ToShard>) -> Result<Word, String> {
        let mut second = interval(LOOK * LOOKS_PER_PROGRESS);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut finished = false;
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(ToShard::StartAt(at)) => {
                        let at = self.clock.wall().moment(at);
                        if let Some(fleet) = &self.fleet {
                            fleet.load_starts(at).await;
                        }
                        if let Some(driver) = &self.driver {
                            driver.start_at(at).await.map_err(in_words)?;
                        }
                    }
                    Some(ToShard::Assign(_)) => {}
                    order => return Ok(Word::of(order)),
                },
                // Said at once, so that nobody waits for the next second.
                ended = finished_of(self.driver.as_ref()), if !finished => {
                    ended?;
                    finished = true;
                    self.look().await?;
                    self.report_progress().await;
                }
                _ = second.tick() => {
                    self.look().await?;
                    self.report_progress().await;
                }
            }
        }
    }

    /// Takes what the actors have measured since the last look.
    async fn look(&mut self) -> Result<(), String> {
        if let Some(driver) = &self.driver {
            let sample = driver.sample().await.map_err(in_words)?;
            self.pending.measurements.merge(&sample.measurements);
            // Without a fleet of its own, a shard knows of the devices what its observer saw.
            self.pending.gauges = sample.seen;
            self.pending.gauges.calls_in_flight = sample.gauges.calls_in_flight;
            self.pending.finished = sample.finished;
        }
        if let Some(fleet) = &self.fleet {
            let sample = fleet.sample().await;
            self.pending.measurements.merge(&sample.measurements);
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

    /// Hands over what is pending. What is taken is sent: nothing is lost if this is given up half-way.
    async fn report_progress(&mut self) {
        if let Ok(room) = self.say.clone().reserve_owned().await {
            room.send(FromShard::Progress(Box::new(self.take_pending())));
        }
    }

    fn take_pending(&mut self) -> Progress {
        let until = self.clock.now();
        let next = Progress { from: until, gauges: self.pending.gauges, ..Progress::default() };
        Progress { until, ..std::mem::replace(&mut self.pending, next) }
    }

    /// Every update has ended as the observer saw it; the last reports' answers may still be on their way to the
    /// devices, and the slowest of them are those that matter. An order to stop ends the wait.
    async fn await_last_answers(&mut self, orders: &mut Receiver<ToShard>) -> Result<(), String> {
        let until = self.clock.now() + LAST_ANSWERS;
        let mut look = interval(LOOK);
        for looks in 1_u32.. {
            if self.pending.gauges.reporting == 0 || self.clock.now() >= until {
                break;
            }
            tokio::select! {
                _ = orders.recv() => return Ok(()),
                _ = look.tick() => {}
            }
            self.look().await?;
            if looks % LOOKS_PER_PROGRESS == 0 {
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
                StopReason::Finished | StopReason::Interrupted => Outcome::Aborted,
                StopReason::HubDied => Outcome::HubError,
            };
            let sample = driver.stop(outcome).await.map_err(in_words)?;
            self.pending.measurements.merge(&sample.measurements);
            self.pending.finished = true;
        }
        if let Some(fleet) = self.fleet.take() {
            let sample = fleet.sample().await;
            self.pending.measurements.merge(&sample.measurements);
            self.pending.gauges = sample.gauges;
            let mut closing = fleet.stop(CLOSE_LIMIT).await;
            // How late timers are while everything disconnects says nothing of the load.
            closing.loop_lag.clear();
            self.pending.measurements.merge(&closing);
        }
        Ok(self.take_pending())
    }
}

/// What is next for a shard.
enum Word {
    /// Going on.
    Go,
    /// Stopping.
    Stop(StopReason),
    /// Nobody is left to work for.
    Gone,
}

impl Word {
    /// What an order that comes out of turn means: only a stop makes sense then.
    fn of(order: Option<ToShard>) -> Self {
        match order {
            Some(ToShard::Stop(reason)) => Self::Stop(reason),
            _ => Self::Gone,
        }
    }
}

/// Does `work` unless an order comes first.
async fn unless_told<T>(
    orders: &mut Receiver<ToShard>,
    work: impl Future<Output = Result<T, String>>,
) -> Result<Result<T, Word>, String> {
    tokio::select! {
        done = work => done.map(Ok),
        order = orders.recv() => Ok(Err(Word::of(order))),
    }
}

/// Resolves when the driver has finished; never without one.
async fn finished_of(driver: Option<&Driver>) -> Result<(), String> {
    match driver {
        Some(driver) => driver.finished().await.map_err(in_words),
        None => std::future::pending().await,
    }
}

fn in_words(error: impl ToString) -> String {
    error.to_string()
}
