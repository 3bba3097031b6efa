//! One run from beginning to end: hubs and shards are started, brought to the line, loaded, stopped, and judged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::assemble::{self, Facts};
use super::carrier::Threads;
use super::drill::{Conduct, moment};
use super::embedded_hub::HubNews;
use super::events_file::EventsFile;
use super::hub_faults::HubFaults;
use super::hubs::Hubs;
use super::keep::keep;
use super::launch::launch;
use super::live::{Live, Meter};
use super::members::{Members, State};
use super::options::{FinishedRun, RunError, RunOptions};
use super::output::Output;
use super::placement::Placement;
use super::rollout::Rollout;
use super::stop::StopRequest;
use super::tally::Tally;
use super::thresholds::Watch;
use crate::measure::{Tracer, Usage};
use crate::policy::{Outcome, Threshold};
use crate::report;
use crate::shard::{FromShard, Progress, StopReason};
use crate::time::{Clock, Nanos};
use crate::verdict::{self, Ending};

/// From `Ready` to the start of the load, and from the word to the release of a further wave: long enough for every shard
/// to get it.
pub(super) const START_LEAD: Duration = Duration::from_millis(300);

/// Runs a plan, and waits for its end. It may be called on any thread, and several times at once: a run keeps nothing
/// outside itself, but what it measures of the machine is measured of the process.
///
/// # Errors
/// Why there is no result; everything that was started has been stopped.
pub fn execute(options: RunOptions) -> Result<FinishedRun, RunError> {
    // On a thread of its own, as the caller's may be one of a runtime, which must not start another.
    thread::scope(|scope| {
        let run = thread::Builder::new().name("run".to_owned()).spawn_scoped(scope, || conduct(options))?;
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Does so on this thread.
fn conduct(options: RunOptions) -> Result<FinishedRun, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut threads = Threads::default();
    let done = runtime.block_on(async {
        let coordinator = launch(options, Clock::start(), &mut threads).await?;
        coordinator.run().await
    });
    // With it goes what the shard on a thread talks to.
    drop(runtime);
    threads.end();
    done
}

/// Everything that a run holds.
pub(super) struct Coordinator {
    pub(super) options: RunOptions,
    /// What this process had used before.
    pub(super) before: Usage,
    pub(super) clock: Clock,
    pub(super) output: Option<Output>,
    pub(super) live: Live,
    pub(super) meter: Meter,
    pub(super) stop: StopRequest,
    pub(super) placement: Placement,
    pub(super) hubs: Hubs,
    pub(super) hub_on_same_machine: bool,
    pub(super) members: Members,
    pub(super) tracer: Option<Arc<Tracer>>,
    /// When the last call is due, from the start of the load, where there is a schedule.
    pub(super) last_due: Option<Duration>,
    pub(super) rollout: Option<Rollout>,
    pub(super) watch: Watch,
    pub(super) tally: Tally,
    pub(super) phase: Phase,
    /// What was really done to the hubs.
    pub(super) hub_faults: HubFaults,
    /// Why the result does not count.
    pub(super) reasons: Vec<String>,
    /// Warnings that were given.
    pub(super) said: BTreeSet<String>,
    /// When the load started, and when it was over.
    pub(super) load_start: Option<Nanos>,
    pub(super) load_end: Option<Nanos>,
    /// Where the run is a drill.
    pub(super) conduct: Conduct,
    /// Where everything that happens to updates goes, if somebody wants it.
    pub(super) events: Option<EventsFile>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    Connecting,
    /// The load starts, or has started, at this moment.
    Running {
        since: Instant,
    },
    /// Every fault of a drill is lifted, and the fleet has until then to be whole again.
    Healing {
        until: Instant,
        reason: StopReason,
    },
    Stopping {
        reason: StopReason,
    },
}

impl Coordinator {
    async fn run(mut self) -> Result<FinishedRun, RunError> {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.tick().await;
        while !self.members.are_over() {
            let (turn_at, wake) = (self.turn_at(), self.rollout_wake());
            tokio::select! {
                // What was said is heard before anybody is held to be silent.
                biased;
                () = self.stop.come() => self.on_stop(),
                Some((shard, word)) = self.members.hear() => self.on_word(shard, word).await?,
                _ = second.tick() => self.on_second(),
                (hub, news) = self.hubs.hear() => match news {
                    HubNews::Fault(news) => self.on_hub_fault(hub, news),
                    HubNews::Trouble(why) => self.on_hub_trouble(why),
                    HubNews::Gone => self.on_hub_gone(hub).await,
                },
                () = moment(turn_at) => self.on_turn(),
                () = sleep_until(wake) => {}
            }
            self.go_on()?;
        }
        self.finish()
    }

    async fn on_word(&mut self, shard: usize, word: Option<FromShard>) -> Result<(), RunError> {
        if self.members.get(shard).state == State::Over {
            // What it left undone is counted as lost already.
            return Ok(());
        }
        match word {
            Some(FromShard::Hello { descriptors }) => {
                let needed = self.placement.shard_needs(&self.options.plan, self.options.roles, shard);
                if descriptors < needed {
                    let why = format!("shard {shard} needs {needed} open files and may have {descriptors}");
                    return Err(RunError::Shard(why));
                }
                self.members.assign(shard);
            }
            Some(FromShard::Ready) if self.members.get(shard).state == State::Preparing => {
                self.members.set(shard, State::Ready);
            }
            Some(FromShard::Ready) => {}
            Some(FromShard::Trace(now, event)) => {
                if let Some(tracer) = &self.tracer {
                    tracer.note_followed(now, &event);
                }
            }
            Some(FromShard::Progress(progress)) => {
                let finished = progress.finished;
                self.take_in(shard, *progress);
                if finished && self.members.get(shard).state == State::Running {
                    self.members.set(shard, State::Finished);
                }
            }
            Some(FromShard::Result(progress)) => {
                self.take_in(shard, *progress);
                self.members.end(shard);
                self.tally.end(shard);
            }
            Some(FromShard::Failed(why)) => self.on_failed(shard, why).await?,
            None => {
                let how = self.members.end_in_words(shard);
                self.lose_shard(shard, &format!("ended without a result{how}"));
            }
        }
        Ok(())
    }

    /// Starts the load when all are ready, and stops when all have finished.
    fn go_on(&mut self) -> Result<(), RunError> {
        match self.phase {
            Phase::Connecting if self.members.all_at(State::Ready) => {
                // Who drives devices of another run that do not say whether they are online finds out by calling them.
                let is_known = self.options.roles.fleet || self.options.plan.hub.tells_presence();
                if is_known && self.tally.gauges().connected == 0 {
                    self.live.finish();
                    let devices = self.options.plan.fleet.devices;
                    return Err(RunError::Shard(format!(
                        "none of {devices} devices is online: see the warnings above"
                    )));
                }
                let start = self.clock.now() + START_LEAD + self.options.plan.hold;
                self.phase = Phase::Running { since: self.clock.instant(start) };
                self.load_start = Some(start);
                self.tally.load_starts(start);
                self.conduct.begin(&self.tally.gauges());
                self.hubs.start_at(self.clock.wall().at(start));
                self.members.start_at(self.clock.wall().at(start));
                if let Some(rollout) = &mut self.rollout {
                    rollout.start(start);
                }
            }
            Phase::Running { .. } if self.members.all_at(State::Finished) => {
                self.end_load(StopReason::Finished, false);
            }
            Phase::Healing { .. } => self.look_whether_settled(),
            _ => self.go_on_with_rollout(),
        }
        Ok(())
    }

    /// A shard has ended without a result. Before the load that is an error of what was asked for; afterwards, or
    /// where the hub died under it, there is a result, if an invalid one.
    async fn on_failed(&mut self, shard: usize, why: String) -> Result<(), RunError> {
        if let Some(hub) = self.members.get(shard).hub
            && self.hubs.status(hub).await.is_some()
        {
            self.on_hub_gone(hub).await;
        } else if self.phase == Phase::Connecting {
            self.live.finish();
            let why = if self.members.len() > 1 { format!("shard {shard}: {why}") } else { why };
            return Err(RunError::Shard(why));
        }
        self.lose_shard(shard, &format!("gave up: {why}"));
        Ok(())
    }

    fn take_in(&mut self, shard: usize, mut progress: Progress) {
        for warning in std::mem::take(&mut progress.warnings) {
            if !self.said.contains(&warning) {
                self.live.say(&format!("warning: {warning}"));
                self.said.insert(warning);
            }
        }
        for mishap in std::mem::take(&mut progress.mishaps) {
            let mishap = if self.members.len() > 1 { format!("shard {shard}: {mishap}") } else { mishap };
            if !self.reasons.contains(&mishap) {
                self.live.say(&format!("warning: {mishap}"));
                self.reasons.push(mishap);
            }
        }
        self.take_in_events(shard, std::mem::take(&mut progress.measurements.events));
        self.tally.add(shard, progress);
        self.conduct.hear(shard);
    }

    fn on_second(&mut self) {
        for stopped in self.hubs.look() {
            self.live.say(&stopped);
        }
        for (shard, why) in self.members.stuck() {
            self.lose_shard(shard, why);
        }
        self.watch_thresholds();
        let status = self.status();
        self.live.show(&status);
        self.publish(&status);
        self.look_after_events();
        if let Some(observer) = &mut self.options.observer {
            observer.tell(&status);
        }
    }

    /// What a hub that has died served ends with it; the rest goes on. Those of its shards that are stopping already
    /// know their reason.
    async fn on_hub_gone(&mut self, hub: usize) {
        let Some(reason) = self.hubs.note_death(hub).await else { return };
        self.hub_faults.note_death(hub);
        self.live.say(&reason);
        self.reasons.push(reason);
        self.members.stop(StopReason::HubDied, |member| member.hub == Some(hub));
    }

    fn on_stop(&mut self) {
        self.end_load(StopReason::Interrupted, true);
        if self.options.roles.driver {
            let first = if matches!(self.phase, Phase::Healing { .. }) { "healing the fleet, then " } else { "" };
            self.live.say(&format!("stopping: {first}writing what there is; Ctrl-C again leaves at once"));
        }
        if self.live.wants_details() {
            // At once, rather than at the next second.
            let status = self.status();
            self.live.show(&status);
        }
    }

    pub(super) fn stop(&mut self, reason: StopReason) {
        self.phase = Phase::Stopping { reason };
        self.members.stop(reason, |_| true);
    }

    /// Nothing more comes from a shard: what it left unfinished is counted as lost, or as its hub's error where that
    /// died under it.
    fn lose_shard(&mut self, shard: usize, why: &str) {
        let who = if self.members.len() > 1 { format!("shard {shard}") } else { "the shard".to_owned() };
        let reason = format!("{who} {why}");
        self.live.say(&reason);
        self.reasons.push(reason);
        self.members.end(shard);
        self.tally.end(shard);
        let part = &mut self.tally.parts[shard];
        part.lost = true;
        part.gauges = Default::default();
        if !self.options.roles.driver {
            return;
        }
        // What was planned is known from the plan, also where the shard never said so.
        let planned = assemble::planned(&self.options.plan, self.placement.shards[shard]);
        let census = &mut self.tally.total.census;
        census.planned += planned.saturating_sub(part.planned);
        let missing = planned.saturating_sub(part.ended);
        (part.planned, part.ended) = (planned, planned);
        let hub_died = self.members.get(shard).hub.is_some_and(|hub| self.hubs.has_died(hub));
        let (outcome, detail) = if hub_died { (Outcome::HubError, "hub_died") } else { (Outcome::LostShard, "") };
        census.add(outcome, detail, missing);
        self.note_lost(shard, outcome, detail, missing);
    }

    fn finish(mut self) -> Result<FinishedRun, RunError> {
        let now = self.clock.now();
        // Before the news are heard for the last time: a hub that could not be brought back is to be told of.
        self.hubs.end_outages();
        while let Some((hub, news)) = self.hubs.heard() {
            match news {
                HubNews::Fault(news) => self.hub_faults.note(hub, news),
                HubNews::Trouble(why) => self.on_hub_trouble(why),
                HubNews::Gone => self.hub_faults.note_death(hub),
            }
        }
        self.live.finish();
        self.reasons.extend(self.hubs.stops());
        let roles = self.options.roles;
        if !roles.driver && self.tally.gauges().connected == 0 {
            self.reasons.push("no device was connected in the end".to_owned());
        }
        let load = self.load_span(now);
        let drill = self.options.plan.drill.clone();
        let formats = self.options.plan.report.formats.clone();
        let aborted = self.is_aborted();
        let metrics = self.options.metrics.take();
        let (events, events_part) = self.events.take().map(EventsFile::finish).unzip();
        let facts = Facts {
            drill: self.drill_result(load),
            load,
            plan: self.options.plan,
            roles,
            command: self.options.command,
            started_at: self.clock.wall().at(Nanos::ZERO),
            duration_s: now.as_secs_f64(),
            own: Usage::of_self().since(self.before),
            hub: self.hubs.usage(),
            hub_counts: self.hubs.counts(),
            hub_faults: self.hub_faults,
            hub_on_same_machine: self.hub_on_same_machine,
            placement: self.placement,
            events,
            waves: self.rollout.map(|rollout| rollout.waves).unwrap_or_default(),
            abort: self.watch.abort,
        };
        let rules = facts.plan.thresholds.iter();
        let thresholds: Vec<Threshold> = rules.map(|rule| rule.threshold.clone()).collect();
        let mut result = assemble::result(facts, self.tally);
        // A fleet alone runs until it is stopped, which is no abort, and has no updates to judge.
        let thresholds = if roles.driver { thresholds } else { Vec::new() };
        let interrupted = self.phase == Phase::Stopping { reason: StopReason::Interrupted };
        let ending = Ending { aborted: (interrupted || aborted) && roles.driver, mishaps: self.reasons };
        verdict::conclude(&mut result, &thresholds, drill.as_ref(), &ending);
        if let Some(metrics) = &metrics {
            metrics.publish_end(&mut result);
        }
        let kept = self.output.as_ref().map_or(Ok(()), |output| keep(output, &report::files(&formats), &result));
        let events_kept = || events_part.map_or(Ok(()), |part| part.and_then(|part| part.keep()));
        if let Err(source) = kept.and_then(|()| Ok(events_kept()?)) {
            return Err(RunError::Write { source, result: Box::new(result) });
        }
        // Last, so that a hub that does not stop holds up nothing but the end.
        self.hubs.stop();
        Ok(FinishedRun { result, folder: self.output.map(|output| output.folder().to_owned()) })
    }
}
