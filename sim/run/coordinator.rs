//! One run from beginning to end: hub and shard are started, brought to the line, loaded, stopped, and judged.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::assemble::{self, Facts};
use super::environment::{self, EnvironmentError};
use super::hub_process::{HubProcess, HubProcessError};
use super::live::{Live, Status};
use super::narrate::Narrator;
use super::output::{Output, OutputError};
use super::preflight::{self, PreflightError};
use super::signals::Signals;
use super::tally::{Tally, p99_or_max_us};
use crate::measure::{Tracer, Usage};
use crate::policy::{DeviceIds, DeviceRange, Outcome, Series};
use crate::profile::Plan;
use crate::report::{self, ReportError, Reporter};
use crate::shard::{Assignment, Credentials, FromShard, Progress, Roles, Shard, ShardHandle, StopReason, ToShard};
use crate::time::Clock;
use crate::verdict::{self, Ending, ExitCode};

/// From `Ready` to the start of the load: long enough for every shard to get the word.
const START_LEAD: Duration = Duration::from_millis(300);
/// How long a shard may take to stop before it is given up.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What to run.
#[derive(Debug)]
pub struct RunOptions {
    /// The plan.
    pub plan: Plan,
    /// Which actors.
    pub roles: Roles,
    /// Where results go; by default a new folder below reports/runs.
    pub out: Option<PathBuf>,
    /// A device to follow.
    pub trace: Option<u32>,
    /// The command that repeats this run.
    pub command: String,
    /// The program that can be started as a hub.
    pub program: PathBuf,
    /// Whether the user confirmed that load may go to a hub elsewhere.
    pub owns_hub: bool,
    /// Forget so many outcomes: proves that the census notices.
    pub swallow_outcomes: u32,
}

/// A finished run, as the command shows it.
#[derive(Debug)]
pub struct RunSummary {
    /// What to print.
    pub table: String,
    /// What to exit with.
    pub exit: ExitCode,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan cannot run here.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The environment does not tell where the hub is.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Results cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The result cannot be put into a format.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The embedded hub does not start.
    #[error(transparent)]
    Hub(#[from] HubProcessError),
    /// A shard could not do its part.
    #[error("{0}")]
    Shard(String),
    /// The traced device is not in the fleet.
    #[error("--trace {device}: the fleet has the devices 0 to {last}")]
    Trace {
        /// Which was asked for.
        device: u32,
        /// The last there is.
        last: u32,
    },
    /// The system failed.
    #[error("the system failed: {0}")]
    System(#[from] io::Error),
}

impl RunError {
    /// What the command exits with.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Preflight(_) | Self::Environment(_) | Self::Output(_) | Self::Trace { .. } => ExitCode::Usage,
            Self::Report(_) | Self::Hub(_) | Self::Shard(_) | Self::System(_) => ExitCode::Error,
        }
    }
}

/// Runs a plan. To be called from the program's main thread.
///
/// # Errors
/// Why there is no result; everything that was started has been stopped.
pub fn execute(options: RunOptions) -> Result<RunSummary, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let clock = Clock::start();
        let started = Coordinator::start(options, clock)?;
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
    signals: Signals,
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
    fn start(options: RunOptions, clock: Clock) -> Result<Self, RunError> {
        let signals = Signals::take()?;
        let plan = &options.plan;
        let embedded = plan.hub.embedded();
        preflight::descriptors(plan, options.roles, embedded.is_some())?;
        if let Some(device) = options.trace.filter(|device| *device >= plan.fleet.devices) {
            return Err(RunError::Trace { device, last: plan.fleet.devices.saturating_sub(1) });
        }
        let folder = options
            .out
            .clone()
            .or_else(|| plan.report.out.clone())
            .unwrap_or_else(|| Output::default_folder(&plan.name, clock.wall().at(clock.now())));
        let output = Output::open(folder)?;
        let (hub, hub_gone, endpoints, credentials) = match embedded {
            Some(config) => {
                let (hub, gone) = HubProcess::start(&options.program, &config)?;
                let (endpoints, credentials) = (hub.endpoints.clone(), hub.credentials.clone());
                (Some(hub), gone, endpoints, credentials)
            }
            None => {
                let (endpoints, credentials) = environment::read(options.roles, |name| std::env::var(name).ok())?;
                // Never resolves while its sender lives, and nobody waits for it without a hub of ours.
                let (_, gone) = oneshot::channel();
                (None, gone, endpoints, credentials)
            }
        };
        let hub_on_same_machine = preflight::target(plan, &endpoints, options.owns_hub)?;
        let narrates = plan.report.narrate;
        let live = if narrates { Live::Silent } else { Live::detect() };
        if !hub_on_same_machine {
            live.say(&format!(
                "load on a hub elsewhere: {} devices at {}/s, {}",
                plan.fleet.devices,
                plan.fleet.connect_rate,
                plan.load_in_words()
            ));
        }
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
                        self.tally.add(&progress);
                        break;
                    }
                    Some(message) => self.on_message(message).await?,
                    None => {
                        self.lose_shard("the shard ended without a result");
                        break;
                    }
                },
                _ = second.tick() => self.on_second(),
                _ = &mut self.hub_gone, if self.hub.is_some() && !self.hub_died => self.on_hub_gone().await,
                () = self.signals.next() => self.on_signal().await,
                () = sleep_until(give_up), if matches!(self.phase, Phase::Stopping { .. }) => {
                    self.lose_shard("the shard did not stop when told to");
                    break;
                }
            }
        }
        self.finish()
    }

    async fn on_message(&mut self, message: FromShard) -> Result<(), RunError> {
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
                self.tally.add(&progress);
                self.say_failures(&progress);
                if progress.finished && matches!(self.phase, Phase::Running { .. }) {
                    self.descriptors_peak = self.descriptors_peak.max(Usage::open_descriptors());
                    self.stop(StopReason::Finished).await;
                }
            }
            FromShard::Failed(why) => {
                self.live.clear();
                let hub = self.hub.as_mut().and_then(HubProcess::ended);
                return Err(RunError::Shard(match hub {
                    Some(status) => format!("the embedded hub died ({status}): {why}"),
                    None => why,
                }));
            }
            // Taken care of where it ends the loop.
            FromShard::Result(_) => {}
        }
        Ok(())
    }

    fn on_second(&mut self) {
        self.tally.tick(self.clock.now());
        if let Some(hub) = &mut self.hub {
            hub.usage();
        }
        let status = self.status();
        self.live.show(&status);
    }

    async fn on_hub_gone(&mut self) {
        self.hub_died = true;
        let how =
            self.hub.as_mut().and_then(HubProcess::ended).map(|status| format!(" ({status})")).unwrap_or_default();
        let reason = format!("the embedded hub died{how}");
        self.live.say(&reason);
        self.reasons.push(reason);
        self.stop(StopReason::HubDied).await;
    }

    async fn on_signal(&mut self) {
        if self.reason_is(StopReason::Interrupted) {
            self.live.clear();
            eprintln!("leaving at once");
            // The hub's process is killed as it is dropped; threads end with the process.
            drop(self.hub.take());
            let _ = io::stderr().flush();
            std::process::exit(ExitCode::Aborted.code().into());
        }
        if self.options.roles.driver {
            self.live.say("stopping: writing what there is; Ctrl-C again leaves at once");
        }
        self.stop(StopReason::Interrupted).await;
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
        self.reasons.push(why.to_owned());
        let mut progress = Progress { gauges: self.tally.gauges, ..Progress::default() };
        let mut known = self.tally.total.census.clone();
        known.merge(&self.tally.pending_census());
        let missing = u64::try_from(known.unaccounted()).unwrap_or(0);
        progress.measurements.census.add(Outcome::LostShard, "", missing);
        self.tally.add(&progress);
    }

    fn say_failures(&mut self, progress: &Progress) {
        for failure in &progress.failures {
            if self.said.insert(failure.clone()) {
                self.live.say(&format!("warning: {failure}"));
            }
        }
    }

    fn status(&self) -> Status {
        let plan = &self.options.plan;
        let elapsed = self.clock.now().since(crate::time::Nanos::ZERO);
        let (phase, left) = match self.phase {
            Phase::Connecting => {
                ("connecting", (plan.estimated_connect() + plan.estimated_load()).checked_sub(elapsed))
            }
            Phase::Running { since } => {
                let passed = Instant::now().saturating_duration_since(since);
                ("running", plan.estimated_load().checked_sub(passed))
            }
            Phase::Stopping { .. } => ("stopping", None),
        };
        let driver = self.options.roles.driver;
        let census = &self.tally.total.census;
        Status {
            phase,
            elapsed,
            left: left.filter(|_| driver),
            devices: if self.options.roles.fleet { plan.fleet.devices } else { 0 },
            gauges: self.tally.gauges,
            updates: driver.then(|| (census.planned, census.ended())),
            rate: self.tally.last_rate().filter(|_| driver && matches!(self.phase, Phase::Running { .. })),
            lag_us: self.tally.total.series.get(&Series::ScheduleLag).and_then(p99_or_max_us),
        }
    }

    fn finish(mut self) -> Result<RunSummary, RunError> {
        self.tally.tick(self.clock.now());
        self.live.clear();
        let now = self.clock.now();
        let hub = self.hub.as_mut().map(HubProcess::usage);
        if let Some(hub) = self.hub.take() {
            hub.stop();
        }
        let interrupted = self.reason_is(StopReason::Interrupted);
        let roles = self.options.roles;
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
        for (name, format) in report::FILES {
            self.output.write(name, &format.render(&result)?)?;
        }
        let terminal = report::Terminal { color: io::stdout().is_terminal() };
        let mut table = String::from_utf8_lossy(&terminal.render(&result)?).into_owned();
        table.push_str(&format!("\nresults   {}\n", self.output.folder().join("results.json").display()));
        Ok(RunSummary { table, exit })
    }
}

/// Follows a device: into a file with `--trace`, or in the tutorial's words.
fn tracer(options: &RunOptions, output: &Output, credentials: &Credentials) -> Result<Option<Arc<Tracer>>, RunError> {
    let plan = &options.plan;
    let ids = DeviceIds::new(&plan.fleet.id_prefix);
    let narrated = plan.report.narrate.then_some(0);
    let Some(device) = options.trace.or(narrated) else { return Ok(None) };
    let mut file = match options.trace {
        Some(device) => Some(output.create(&format!("trace-{}.txt", ids.id(device)))?),
        None => None,
    };
    let mut narrator = (narrated == Some(device)).then(|| {
        let service = credentials.service.as_ref();
        let (host, policy) = service.map(|service| (service.host.clone(), service.policy.clone())).unwrap_or_default();
        let narrator = Narrator::new(ids.id(device), host, policy);
        narrator.opening().iter().for_each(|line| println!("{line}"));
        narrator
    });
    Ok(Some(Arc::new(Tracer::new(device, move |now, event| {
        if let Some(file) = &mut file {
            // A full disk must not stop the run; the trace ends short.
            let _ = writeln!(file, "{now} {event}");
        }
        if let Some(narrator) = &mut narrator {
            narrator.tell(event).iter().for_each(|line| println!("{line}"));
        }
    }))))
}
