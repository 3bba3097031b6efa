//! How a roll-out goes on a hub with limits: its phases one after the other, as a run has them, each simulated.
//!
//! In a wave, the updates that are followed ([`Wave`]) are called when a run would call them, and make their reports
//! when their devices would. Each limit is a bucket that what is asked of it passes in order, waiting as long as it
//! takes; what a call has to wait, the reports of its update are later. The wave is over with its last report. In a closed
//! load each update is called as if those before it had not waited, so that a limit's rate tells how long the wave takes,
//! and what is in progress at once how long anything waits.

use std::borrow::Cow;

use serde::Serialize;

use super::bound::Bound;
use super::buckets::{Bucket, Buckets};
use super::demand::Demand;
use super::schedule::{Reported, Wave};
use crate::hub::Operation;

/// The phases of a roll-out, none of which fails or repeats anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Course {
    /// Every device connects, and reports that it is there.
    pub connecting: Phase,
    /// The observer reads the whole fleet.
    pub first_look: Phase,
    /// Idle time that the plan asks for: `load.hold`, and the pauses between waves.
    pub idle_s: f64,
    /// From the first call to the last report: all waves, without the pauses between them.
    pub updating: Phase,
    /// From the last report of each wave to the look that sees it, and to the next wave's knowing it, at most.
    pub last_looks: Phase,
    /// What is left of the time for which the load goes on in any case.
    pub lasting: Phase,
    /// All of it, in seconds.
    pub total_s: f64,
    /// How long the hub lets things wait.
    pub waits: Waits,
}

/// A part of a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Phase {
    /// How long it takes, in seconds.
    pub s: f64,
    /// What keeps it from being shorter.
    pub bound: Bound,
}

/// How long it takes at most until the next wave knows that one is over, in seconds: shards tell once a second.
const WAVE_TOLD_S: f64 = 1.0;

/// As a share of a phase's own time, what is too little to be what it is bound by.
const TRIFLE: f64 = 0.01;

/// How long things wait for the hub's limits at most, in seconds, where nothing is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Waits {
    /// A method call.
    pub call_s: f64,
    /// A report of an update.
    pub report_s: f64,
    /// An update, from one of its stages to the next, what its device takes included.
    pub stage_s: f64,
    /// A message of telemetry.
    pub message_s: f64,
    /// A connection that is made anew.
    pub reconnect_s: f64,
}

impl Phase {
    /// The longest of several.
    fn longest(phases: impl IntoIterator<Item = Self>, own: Self) -> Self {
        phases.into_iter().fold(own, |longest, phase| if phase.s > longest.s { phase } else { longest })
    }

    /// The plan's own, as what the hub allows lengthens it.
    fn lengthened(own: Self, limits: impl IntoIterator<Item = Self>) -> Self {
        let longest = Self::longest(limits, own);
        // What the hub hardly lengthens is not its fault.
        if longest.s > own.s * (1.0 + TRIFLE) { longest } else { Self { bound: own.bound, ..longest } }
    }
}

impl Course {
    /// That of `demand` on a hub that has these `buckets` left. What the observer sees, it sees at once.
    pub(super) fn of(demand: &Demand, mut buckets: Buckets) -> Self {
        let own = Phase { s: demand.connect_s, bound: Bound::ConnectRate };
        let limits = demand.connecting.iter().map(|(operation, amount)| {
            let wait_s = buckets.of(*operation).map_or(0.0, |bucket| bucket.ask_evenly(demand.connect_s, *amount));
            Phase { s: demand.connect_s + wait_s, bound: Bound::Limit(*operation) }
        });
        let connecting = Phase::lengthened(own, limits);
        buckets.end(connecting.s);
        let pages = demand.first_pages as f64;
        let first_look = Phase {
            s: buckets.of(Operation::Query).map_or(0.0, |bucket| bucket.ask(0.0, pages)),
            bound: Bound::Limit(Operation::Query),
        };
        buckets.end(first_look.s);
        buckets.end(demand.hold_s);
        let (mut beside, mut waits) = (buckets.clone(), Waits::default());
        let (mut updating, mut idle_s) = (Phase { s: 0.0, bound: Bound::Device }, demand.hold_s);
        let mut longest_s = 0.0;
        for (number, wave) in demand.waves.iter().enumerate() {
            if number > 0 {
                buckets.end(demand.pause_s);
                idle_s += demand.pause_s;
            }
            let phase = update(demand, wave, &mut buckets, &mut waits);
            if phase.s > longest_s {
                (longest_s, updating.bound) = (phase.s, phase.bound);
            }
            updating.s += phase.s;
            buckets.end(phase.s);
        }
        let mut course = Self {
            connecting,
            first_look,
            idle_s,
            updating,
            last_looks: Phase { s: 0.0, bound: Bound::Looks },
            lasting: Phase { s: 0.0, bound: Bound::Lasts },
            total_s: 0.0,
            waits,
        };
        course.add_up(demand);
        let load_s = course.load_s(demand);
        let mut wait_s = |operation| {
            let (lasts_s, amount) = (demand.beside.lasts_s(load_s), demand.beside.in_all(operation, load_s));
            beside.of(operation).map_or(0.0, |bucket| bucket.ask_evenly(lasts_s, amount))
        };
        course.waits.message_s = wait_s(Operation::Telemetry);
        course.waits.reconnect_s = wait_s(Operation::Connect);
        course
    }

    /// The same where the observer looks at these intervals only.
    pub(super) fn seen_every(mut self, look_s: f64, demand: &Demand) -> Self {
        // An update ends anywhere between two looks, and the last of a wave shortly after one.
        let looks = |wave: &Wave| (wave.rounds + 1) as f64 / 2.0;
        let told_s = demand.waves.len().saturating_sub(1) as f64 * WAVE_TOLD_S;
        self.last_looks.s = demand.waves.iter().map(looks).sum::<f64>() * look_s + told_s;
        self.add_up(demand);
        self
    }

    /// From the first call to the last report, the pauses between waves included, in seconds.
    pub(super) fn busy_s(&self, demand: &Demand) -> f64 {
        self.idle_s - demand.hold_s + self.updating.s
    }

    /// From the first call to the end, in seconds.
    pub(super) fn load_s(&self, demand: &Demand) -> f64 {
        self.busy_s(demand) + self.last_looks.s + self.lasting.s
    }

    /// What the longest of the phases is bound by.
    #[must_use]
    pub fn bound(&self) -> Bound {
        // A load that lasts in any case would not be over any sooner with quicker updates.
        let lasting =
            Phase { s: if self.lasting.s > 0.0 { self.updating.s + self.lasting.s } else { 0.0 }, ..self.lasting };
        Phase::longest([self.connecting, self.first_look, self.last_looks, lasting], self.updating).bound
    }

    fn add_up(&mut self, demand: &Demand) {
        self.lasting.s = 0.0;
        self.lasting.s = (demand.lasts_s - self.load_s(demand)).max(0.0);
        self.total_s = self.connecting.s + self.first_look.s + demand.hold_s + self.load_s(demand);
    }
}

/// How long `wave` takes.
fn update(demand: &Demand, wave: &Wave, buckets: &mut Buckets, waits: &mut Waits) -> Phase {
    let mut phases = Vec::new();
    let mut held_s = vec![0.0_f64; wave.followed.len()];
    for (operation, amount) in demand.per_update.iter().filter(|(operation, _)| **operation != Operation::TwinUpdate) {
        let Some(bucket) = buckets.of(*operation) else { continue };
        let most_s = most_s(demand, *amount, bucket);
        let begins = matches!(operation, Operation::Method | Operation::JobDevice | Operation::Job);
        let mut last_s = 0.0_f64;
        for (update, held_s) in wave.followed.iter().zip(&mut held_s) {
            let wait_s = bucket.ask(update.called_s, update.updates * amount);
            last_s = last_s.max(update.called_s + wait_s + if begins { update.longest_s } else { 0.0 });
            if begins {
                *held_s = held_s.max(wait_s.min(most_s));
            }
            if *operation == Operation::Method {
                waits.call_s = waits.call_s.max(wait_s.min(most_s));
            }
        }
        phases.push(Phase { s: last_s, bound: Bound::Limit(*operation) });
    }
    if let Some((bucket, amount)) = buckets.of(Operation::TwinUpdate).zip(demand.per_update.get(&Operation::TwinUpdate))
    {
        let most_s = most_s(demand, *amount, bucket);
        let mut seen_s: Vec<f64> =
            wave.followed.iter().zip(&held_s).map(|(update, held_s)| update.called_s + held_s).collect();
        let mut last_s = 0.0_f64;
        for report in reports(wave, &held_s).iter() {
            let wait_s = bucket.ask(report.at_s, report.reports);
            last_s = last_s.max(report.at_s + wait_s);
            let (wait_s, seen_s) = (wait_s.min(most_s), &mut seen_s[report.of]);
            let at_s = report.at_s + wait_s;
            waits.report_s = waits.report_s.max(wait_s);
            waits.stage_s = waits.stage_s.max(at_s - *seen_s);
            *seen_s = at_s;
        }
        phases.push(Phase { s: last_s, bound: Bound::Limit(Operation::TwinUpdate) });
    }
    Phase::lengthened(Phase { s: wave.own_s, bound: wave.bound }, phases)
}

/// Nobody waits behind more than those in progress ask for, each so much.
fn most_s(demand: &Demand, amount: f64, bucket: &Bucket) -> f64 {
    demand.in_progress.map_or(f64::INFINITY, |updates| updates * amount / bucket.rate)
}

/// The reports of `wave` in the order in which they are made, where each of its updates is held back for so long.
fn reports<'a>(wave: &'a Wave, held_s: &[f64]) -> Cow<'a, [Reported]> {
    if held_s.iter().all(|held_s| *held_s == 0.0) {
        return Cow::Borrowed(&wave.reports);
    }
    let later = |report: &Reported| Reported { at_s: report.at_s + held_s[report.of], ..*report };
    let mut reports: Vec<Reported> = wave.reports.iter().map(later).collect();
    reports.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    Cow::Owned(reports)
}
