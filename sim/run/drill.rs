//! The conduct of a drill: its limit, and the healing that comes after its last update, whatever became of it.

use std::collections::BTreeSet;

use tokio::time::{Instant, sleep_until};

use super::coordinator::{Coordinator, Phase};
use super::hub_faults::HubFaults;
use super::tally::Tally;
use crate::measure::{DrillResult, FaultSpan, Gauges, HealResult, LoadSpan, PhaseResult};
use crate::policy::{Drill, DrillPhase, Fault};
use crate::profile::Plan;
use crate::shard::StopReason;
use crate::time::Nanos;

/// What a coordinator knows of the drill that it runs.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// Devices that had come online, and those that were gone or had given up already, when the load started.
    before: u32,
    gone_before: u32,
    gave_up_before: u32,
    /// When the faults were lifted.
    began: Option<Nanos>,
    /// Shards that have told since how their devices fare.
    heard: BTreeSet<usize>,
    /// How it went, once it is over.
    healed: Option<HealResult>,
    overran: bool,
}

impl Conduct {
    /// Notes how things stand as the load starts. Who has reported once was online, also if a fault took it away since.
    pub(super) const fn begin(&mut self, gauges: &Gauges) {
        self.before = gauges.ready.saturating_sub(gauges.gave_up);
        self.gone_before = gauges.gone;
        self.gave_up_before = gauges.gave_up;
    }

    /// Shard number `shard` has told how things stand.
    pub(super) fn hear(&mut self, shard: usize) {
        if self.began.is_some() {
            self.heard.insert(shard);
        }
    }

    /// How far a healing that began at `began` has come at `now`.
    fn healing(&self, began: Nanos, now: Nanos, gauges: &Gauges) -> HealResult {
        let gone = gauges.gone.saturating_sub(self.gone_before);
        let missing = self.before.saturating_sub(gauges.connected + gone);
        let gave_up = gauges.gave_up.saturating_sub(self.gave_up_before).min(missing);
        let whole = missing == 0;
        let took_s = whole.then(|| now.since(began).as_secs_f64());
        HealResult { began_s: began.as_secs_f64(), took_s, whole, missing, gave_up, gone }
    }

    /// Whether nobody is left who may still come back.
    fn is_settled(&self, gauges: &Gauges) -> bool {
        let healing = self.healing(Nanos::ZERO, Nanos::ZERO, gauges);
        healing.missing == healing.gave_up
    }

    /// Ends the healing at `now`.
    fn end(&mut self, now: Nanos, gauges: &Gauges) {
        if let Some(began) = self.began.filter(|_| self.healed.is_none()) {
            self.healed = Some(self.healing(began, now, gauges));
        }
    }
}

impl Coordinator {
    /// The load is over for this `reason`: what is unfinished is to `abort`, or there is nothing unfinished. A drill then
    /// heals its fleet before it stops.
    pub(super) fn end_load(&mut self, reason: StopReason, abort: bool) {
        let now = self.clock.now();
        self.load_end.get_or_insert(now);
        let heal = self.options.plan.drill.as_ref().map(|drill| drill.heal);
        match heal.filter(|_| matches!(self.phase, Phase::Running { .. }) && self.members.any_at_work(|_| true)) {
            Some(heal) => {
                self.hubs.heal();
                self.members.heal(abort);
                // A hub that is not ours is brought back by a command, which may take its time: the fleet has all of its own.
                let began = self.clock.now();
                self.conduct.began = Some(began);
                self.phase = Phase::Healing { until: self.clock.instant(began + heal), reason };
            }
            None => {
                // A healing that is cut short has come as far as it has.
                self.conduct.end(now, &self.tally.gauges());
                self.stop(reason);
            }
        }
    }

    /// When a drill goes on whether or not anything is heard: at its limit, or when it has waited for its fleet for long
    /// enough.
    pub(super) fn turn_at(&self) -> Option<Instant> {
        match (self.phase, &self.options.plan.drill) {
            (Phase::Running { since }, Some(drill)) => Some(since + drill.limit),
            (Phase::Healing { until, .. }, _) => Some(until),
            _ => None,
        }
    }

    /// What [`Coordinator::turn_at`] waits for has come.
    pub(super) fn on_turn(&mut self) {
        if let (Phase::Running { .. }, Some(drill)) = (self.phase, &self.options.plan.drill) {
            self.live.say(&format!(
                "the drill has not ended within its limit, {} s: stopping it",
                drill.limit.as_secs_f64()
            ));
            self.conduct.overran = true;
            self.end_load(StopReason::Finished, true);
        } else {
            self.end_healing();
        }
    }

    /// Ends the healing if the fleet is as whole again as it will ever be, by what all of its shards have told since.
    pub(super) fn look_whether_settled(&mut self) {
        let untold = self.members.any_at_work(|shard| !self.conduct.heard.contains(&shard));
        if !untold && self.conduct.is_settled(&self.tally.gauges()) {
            self.end_healing();
        }
    }

    fn end_healing(&mut self) {
        if let Phase::Healing { reason, .. } = self.phase {
            self.conduct.end(self.clock.now(), &self.tally.gauges());
            self.stop(reason);
        }
    }

    /// Whether a threshold ended the run, or the roll-out was aborted, unless the latter is what the drill wants to see.
    pub(super) fn is_aborted(&self) -> bool {
        let wanted = self.options.plan.drill.as_ref().is_some_and(Drill::asserts_abort);
        self.watch.abort.is_some()
            || !wanted && self.rollout.as_ref().is_some_and(|rollout| rollout.waves.are_aborted())
    }

    /// When there was load, as it stands at `now`.
    pub(super) fn load_span(&self, now: Nanos) -> Option<LoadSpan> {
        let start = self.load_start?;
        let end = self.load_end.unwrap_or(now).max(start);
        Some(LoadSpan { from_s: start.as_secs_f64(), to_s: end.as_secs_f64() })
    }

    /// What the drill showed, if it is one; its expressions are still to be judged.
    pub(super) fn drill_result(&self, load: Option<LoadSpan>) -> Option<DrillResult> {
        let plan = &self.options.plan;
        let drill = plan.drill.as_ref()?;
        let phases = load.map(|load| phases(plan, drill, load, &self.tally)).unwrap_or_default();
        let came: u64 = phases.iter().map(|phase| phase.data.census.planned).sum();
        Some(DrillResult {
            claim: drill.claim.clone(),
            phases,
            never_came: self.tally.total.census.planned.saturating_sub(came),
            timeline: load.map(|load| timeline(plan, load, &self.hub_faults)).unwrap_or_default(),
            steady: Vec::new(),
            assertions: Vec::new(),
            heal: self.conduct.healed.clone(),
            overran: self.conduct.overran,
            replay: self.options.command.clone(),
        })
    }

    /// What stands in the live view for a load that started at `since`.
    pub(super) fn phase_in_words(&self, since: Instant) -> &'static str {
        let Some(drill) = &self.options.plan.drill else { return "running" };
        let passed = Instant::now().saturating_duration_since(since);
        match drill.phases(&self.options.plan.faults).at(passed) {
            DrillPhase::Before => "before faults",
            DrillPhase::During => "during faults",
            DrillPhase::After => "after faults",
        }
    }
}

/// The phases that began.
fn phases(plan: &Plan, drill: &Drill, load: LoadSpan, tally: &Tally) -> Vec<PhaseResult> {
    let spans = drill.phases(&plan.faults);
    let phase = |name: DrillPhase| {
        let (from, to) = spans.span(name)?;
        let from_s = load.from_s + from.as_secs_f64();
        let to_s = to.map_or(load.to_s, |to| load.to_s.min(load.from_s + to.as_secs_f64()));
        let data = tally.total.phases.get(&name).cloned().unwrap_or_default();
        (from_s < load.to_s).then_some(PhaseResult { name, from_s, to_s, data })
    };
    DrillPhase::ALL.into_iter().filter_map(phase).collect()
}

/// The faults that began. Hubs tell when theirs really did; of the others the plan is known. One that the load outlived
/// has ended; the others were ended by the healing.
fn timeline(plan: &Plan, load: LoadSpan, hub_faults: &HubFaults) -> Vec<FaultSpan> {
    let told = hub_faults.rows(&plan.faults);
    let span = |fault: &Fault| {
        let (from, to) = match told.iter().find(|row| row.name == fault.name) {
            Some(row) => (row.began_s?, row.ended_s),
            None => (fault.at.as_secs_f64(), fault.ends().map(|end| end.as_secs_f64())),
        };
        let (from_s, to_s) = (load.from_s + from, to.map(|to| load.from_s + to).filter(|to| *to < load.to_s));
        (from_s < load.to_s).then(|| FaultSpan { name: fault.name.clone(), from_s, to_s })
    };
    plan.faults.iter().filter_map(span).collect()
}

/// Waits for a moment; for ever if there is none.
pub(super) async fn moment(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_has_given_up_is_missing_but_not_waited_for() {
        let gauges = |ready, connected, gave_up, gone| Gauges { ready, connected, gave_up, gone, ..Gauges::default() };
        let second = |seconds| Nanos::ZERO + Duration::from_secs(seconds);
        let mut conduct = Conduct { began: Some(second(5)), ..Conduct::default() };
        // One never came online.
        conduct.begin(&gauges(10, 9, 1, 0));
        for (connected, gave_up, settled) in [(8, 1, true), (7, 1, false), (5, 3, false), (5, 4, true), (6, 3, true)] {
            assert_eq!(conduct.is_settled(&gauges(10, connected, gave_up, 1)), settled, "{connected} and {gave_up}");
        }
        conduct.end(second(7), &gauges(10, 5, 4, 1));
        let healed = HealResult { began_s: 5.0, took_s: None, whole: false, missing: 3, gave_up: 3, gone: 1 };
        assert_eq!(conduct.healed, Some(healed));
    }
}
