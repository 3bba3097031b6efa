//! One run from beginning to end: hub and shard are started, brought to the line, loaded, stopped, and judged.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::assemble::{self, Facts};
use super::environment;
use super::follow::tracer;
use super::hub_process::HubProcess;
use super::live::{Live, Status};
use super::options::{RunError, RunOptions, RunSummary};
use super::output::Output;
use super::preflight;
use super::print;
use super::signals::StopSignal;
use super::tally::Tally;
use crate::measure::Usage;
use crate::policy::{DeviceRange, Outcome};
use crate::report::{self, Reporter};
use crate::shard::{Assignment, FromShard, Progress, Shard, ShardHandle, StopReason, ToShard};
use crate::time::Clock;
use crate::verdict::{self, Ending};

/// From `Ready` to the start of the load: long enough for every shard to get the word.
const START_LEAD: Duration = Duration::from_millis(300);
/// How long a shard may take to stop before it is given up; it waits for the last answers meanwhile.
const STOP_LIMIT: Duration = Duration::from_secs(45);
/// How much later than its connections a hub's process may be known to have ended.
const HUB_END: Duration = Duration::from_millis(300);

/// Runs a plan. To be called from the program's main thread.
///
/// # Errors
/// Why there is no result; everything that was started has been stopped.
pub fn execute(options: RunOptions) -> Result<RunSummary, RunError> {
    let signals = StopSignal::take()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let clock = Clock::start();
        let started = Coordinator::start(options, clock, signals).await?;
        started.run().await
    })
}

/// Everything that a run holds.
struct Coordinator {
    options: RunOptions,
    clock: Clock,
    output: Output,
    live: Live,
    hub: Option<HubProcess>,
    hub_gone: oneshot::Receiver<()>,
    hub_died: bool,
    hub_on_same_machine: bool,
    shard: ShardHandle,
    assignment: Option<Assignment>,
    signals: StopSignal,
    last_due: Option<Duration>,
    tally: Tally,
    phase: Phase,
    reasons: Vec<String>,
    descriptors_peak: u64,
    said: BTreeSet<String>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Connecting,
    Running { since: Instant },
    Stopping { reason: StopReason, until: Instant },
}

impl Coordinator {
    async fn start(mut options: RunOptions, clock: Clock, mut signals: StopSignal) -> Result<Self, RunError> {
        let plan = &options.plan;
        let embedded = plan.hub.embedded(plan.fleet.transport);
        preflight::descriptors(plan, options.roles, embedded.is_some())?;
        if let Some(device) = options.trace.filter(|device| *device >= plan.fleet.devices) {
            return Err(RunError::Trace { device, last: plan.fleet.devices.saturating_sub(1) });
        }
        let names = report::FILES.map(|(name, _)| name);
        let output = match options.out.clone().or_else(|| plan.report.out.clone()) {
            Some(folder) => Output::open(folder, &names)?,
            None => Output::open_own(&plan.name, clock.wall().at(clock.now()), &names)?,
        };
        let (hub, hub_gone, endpoints, credentials) = match embedded {
            Some(config) => {
                let (hub, gone) = tokio::select! {
                    started = HubProcess::start(&options.program, &config) => started?,
                    () = signals.come() => return Err(RunError::Interrupted),
                };
                let (endpoints, credentials) = (hub.endpoints.clone(), hub.credentials.clone());
                (Some(hub), gone, endpoints, credentials)
            }
            None => {
                let (endpoints, credentials) =
                    environment::read(options.roles, plan.fleet.transport, |name| std::env::var(name).ok())?;
                // Never resolves while its sender lives, and nobody waits for it without a hub of ours.
                let (_, gone) = oneshot::channel();
                (None, gone, endpoints, credentials)
            }
        };
        if options.roles.fleet {
            // Where the environment decides, the result still says what was done.
            options.plan.fleet.transport = endpoints.transport();
        }
        let plan = &options.plan;
        let hub_on_same_machine = preflight::target(plan, &endpoints, options.owns_hub)?;
        let narrates = plan.report.narrate;
        let live = Live::detect(narrates)?;
        if !hub_on_same_machine {
            live.say(&format!(
                "load on a hub elsewhere: {} devices at {}/s, {}",
                plan.fleet.devices,
                plan.fleet.connect_rate,
                plan.load_in_words()
            ));
        }
        let last_due = assemble::schedule_span(plan).map(|(_, last)| last);
        let tracer = tracer(&options, &output, &credentials)?;
        let shard = Shard::spawn(clock, tracer)?;
        let assignment = Assignment {
            shard: 0,
            plan: plan.clone(),
            range: DeviceRange { start: 0, end: plan.fleet.devices },
            roles: options.roles,
            endpoints,
            credentials,
            run_id: format!("{:x}", clock.wall().at(clock.now()).as_millisecond()),
            swallow_outcomes: options.swallow_outcomes,
        };
        Ok(Self {
            options,
            clock,
            output,
            live,
            hub,
            hub_gone,
            hub_died: false,
            hub_on_same_machine,
            shard,
            assignment: Some(assignment),
            signals,
            last_due,
            tally: Tally::default(),
            phase: Phase::Connecting,
            reasons: Vec::new(),
            descriptors_peak: 0,
            said: BTreeSet::new(),
        })
    }

    async fn run(mut self) -> Result<RunSummary, RunError> {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.tick().await;
        loop {
            let give_up = match self.phase {
                Phase::Stopping { until, .. } => until,
                _ => Instant::now() + STOP_LIMIT,
            };
            tokio::select! {
                message = self.shard.messages.recv() => match message {
                    Some(FromShard::Result(progress)) => {
                        self.take_in(&progress);
                        break;
                    }
                    Some(FromShard::Failed(why)) => {
                        self.on_failed(why).await?;
                        break;
                    }
                    Some(message) => self.on_message(message).await,
                    None => {
                        self.lose_shard("the shard ended without a result");
                        break;
                    }
                },
                _ = second.tick() => self.on_second(),
                _ = &mut self.hub_gone, if self.hub.is_some() && !self.hub_died => self.on_hub_gone().await,
                () = self.signals.come() => self.on_signal().await,
                () = sleep_until(give_up), if matches!(self.phase, Phase::Stopping { .. }) => {
                    self.lose_shard("the shard did not stop when told to");
                    break;
                }
            }
        }
        self.finish()
    }

    async fn on_message(&mut self, message: FromShard) {
        match message {
            FromShard::Hello { .. } => {
                if let Some(assignment) = self.assignment.take() {
                    self.tell(ToShard::Assign(Box::new(assignment))).await;
                }
            }
            FromShard::Ready => {
                self.descriptors_peak = self.descriptors_peak.max(Usage::open_descriptors());
                if self.phase == Phase::Connecting {
                    let start = self.clock.now() + START_LEAD;
                    self.phase = Phase::Running { since: self.clock.instant(start) };
                    self.tell(ToShard::StartAt(self.clock.wall().at(start))).await;
                }
            }
            FromShard::Progress(progress) => {
                self.take_in(&progress);
                if progress.finished && matches!(self.phase, Phase::Running { .. }) {
                    self.descriptors_peak = self.descriptors_peak.max(Usage::open_descriptors());
                    self.stop(StopReason::Finished).await;
                }
            }
            // Taken care of where they end the loop.
            FromShard::Failed(_) | FromShard::Result(_) => {}
        }
    }

    /// A shard has ended without a result. Before the load that is an error of what was asked for; afterwards, or
    /// where the hub died under it, there is a result, if an invalid one.
    async fn on_failed(&mut self, why: String) -> Result<(), RunError> {
        if let Some(status) = self.hub_status().await {
            self.hub_died = true;
            self.lose_shard(&format!("the embedded hub died ({status}): {why}"));
            return Ok(());
        }
        if self.phase == Phase::Connecting {
            self.live.finish();
            return Err(RunError::Shard(why));
        }
        self.lose_shard(&why);
        Ok(())
    }

    fn take_in(&mut self, progress: &Progress) {
        self.tally.add(progress);
        for warning in &progress.warnings {
            if self.said.insert(warning.clone()) {
                self.live.say(&format!("warning: {warning}"));
            }
        }
        for mishap in &progress.mishaps {
            if !self.reasons.contains(mishap) {
                self.live.say(&format!("warning: {mishap}"));
                self.reasons.push(mishap.clone());
            }
        }
    }

    fn on_second(&mut self) {
        if let Some(hub) = &mut self.hub {
            hub.usage();
        }
        let status = self.status();
        self.live.show(&status);
    }

    async fn on_hub_gone(&mut self) {
        self.hub_died = true;
        let how = self.hub_status().await.map(|status| format!(" ({status})")).unwrap_or_default();
        let reason = format!("the embedded hub died{how}");
        self.live.say(&reason);
        self.reasons.push(reason);
        // A stop that is under way goes on: it knows its reason.
        if !matches!(self.phase, Phase::Stopping { .. }) {
            self.stop(StopReason::HubDied).await;
        }
    }

    /// How the hub's process ended. One that dies closes its connections first; its end is known a moment later.
    async fn hub_status(&mut self) -> Option<ExitStatus> {
        let hub = self.hub.as_mut()?;
        let until = Instant::now() + HUB_END;
        loop {
            let status = hub.ended();
            if status.is_some() || Instant::now() >= until {
                return status;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn on_signal(&mut self) {
        self.stop(StopReason::Interrupted).await;
        if self.options.roles.driver {
            self.live.say("stopping: writing what there is; Ctrl-C again leaves at once");
        }
    }

    async fn stop(&mut self, reason: StopReason) {
        self.phase = Phase::Stopping { reason, until: Instant::now() + STOP_LIMIT };
        self.tell(ToShard::Stop(reason)).await;
    }

    fn reason_is(&self, wanted: StopReason) -> bool {
        matches!(self.phase, Phase::Stopping { reason, .. } if reason == wanted)
    }

    async fn tell(&mut self, message: ToShard) {
        // A shard that has ended says so itself: by a result, a failure, or the end of its messages.
        let _ = self.shard.orders.send(message).await;
    }

    fn lose_shard(&mut self, why: &str) {
        self.live.say(why);
        self.reasons.push(why.to_owned());
        let census = &mut self.tally.total.census;
        if self.options.roles.driver {
            // What was planned is known from the plan, also where the shard never said so.
            census.planned = census.planned.max(u64::from(self.options.plan.fleet.devices));
        }
        let missing = u64::try_from(census.unaccounted()).unwrap_or(0);
        let outcome = if self.hub_died { Outcome::HubError } else { Outcome::LostShard };
        census.add(outcome, if self.hub_died { "hub_died" } else { "" }, missing);
    }

    fn status(&self) -> Status {
        let plan = &self.options.plan;
        let elapsed = self.clock.now().since(crate::time::Nanos::ZERO);
        let (phase, left) = match self.phase {
            // How long a driver alone has to wait is up to somebody else.
            Phase::Connecting if !self.options.roles.fleet => ("waiting", None),
            Phase::Connecting => {
                ("connecting", (plan.estimated_connect() + plan.estimated_load()).checked_sub(elapsed))
            }
            Phase::Running { since } => {
                let passed = Instant::now().saturating_duration_since(since);
                // What was seen so far tells more than what the plan allows for.
                let whole = match (self.last_due, self.tally.longest_update()) {
                    (Some(last_due), Some(longest)) => last_due + longest,
                    _ => plan.estimated_load(),
                };
                ("running", whole.checked_sub(passed))
            }
            Phase::Stopping { .. } => ("stopping", None),
        };
        let driver = self.options.roles.driver;
        let census = &self.tally.total.census;
        Status {
            phase,
            elapsed,
            left: left.filter(|_| driver),
            devices: plan.fleet.devices,
            gauges: self.tally.gauges,
            updates: (driver && self.phase != Phase::Connecting).then(|| (census.planned, census.ended())),
            rate: self.tally.last_rate().filter(|_| driver && matches!(self.phase, Phase::Running { .. })),
            lag_us: self.tally.last_lag_us.filter(|_| driver),
        }
    }

    fn finish(mut self) -> Result<RunSummary, RunError> {
        self.live.finish();
        let now = self.clock.now();
        let hub = self.hub.as_mut().map(HubProcess::usage);
        let interrupted = self.reason_is(StopReason::Interrupted);
        let roles = self.options.roles;
        if !roles.driver && self.tally.gauges.connected == 0 {
            self.reasons.push("no device was connected in the end".to_owned());
        }
        let facts = Facts {
            plan: self.options.plan,
            roles,
            command: self.options.command,
            started_at: self.clock.wall().at(crate::time::Nanos::ZERO),
            duration_s: now.as_secs_f64(),
            hub,
            hub_on_same_machine: self.hub_on_same_machine,
            descriptors_peak: self.descriptors_peak.max(Usage::open_descriptors()),
        };
        let thresholds = facts.plan.thresholds.clone();
        let mut result = assemble::result(facts, self.tally);
        // A fleet alone runs until it is stopped, which is no abort, and has no updates to judge.
        let thresholds = if roles.driver { thresholds } else { Vec::new() };
        let ending = Ending { aborted: interrupted && roles.driver, mishaps: self.reasons };
        let exit = verdict::conclude(&mut result, &thresholds, &ending);
        // https://no-color.org
        let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = report::Terminal { color };
        let mut table = String::from_utf8_lossy(&terminal.render(&result)?).into_owned();
        for (name, format) in report::FILES {
            if let Err(error) = self.output.write(name, &format.render(&result)?) {
                // What was measured is not lost: it can still be read.
                print::line(&table);
                return Err(RunError::Write(error));
            }
        }
        table.push_str(&format!("\nresults   {}\n", self.output.folder().join("results.json").display()));
        // Last, so that a hub that does not stop holds up nothing but the end.
        if let Some(hub) = self.hub.take() {
            hub.stop();
        }
        Ok(RunSummary { table, exit })
    }
}
