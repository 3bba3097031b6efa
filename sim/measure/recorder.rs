//! Recorders: one per worker, owned by it, drained when read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wave::joined;
use super::{
    Census, Events, FaultCounts, ImageCounts, Invariants, Judged, LineHealth, MessageCounts, MessageKind, Messages,
    OffDiagonal, PhaseData, RetryTally, SeriesData, Settled, WaveCount,
};
use crate::policy::{DrillPhase, FirmwareStatus, Outcome, Series};
use crate::time::Nanos;

/// What one worker has measured since it was last read. Never shared: the worker records, and hands everything over
/// with [`Recorder::take`].
#[derive(Debug, Default)]
pub struct Recorder {
    measurements: Measurements,
}

/// Measurements of some stretch of time and some part of a run; they add up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurements {
    /// Distributions; a series without a sample is not there.
    pub series: BTreeMap<Series, SeriesData>,
    /// Outcomes.
    pub census: Census,
    /// Counts.
    pub counters: Counters,
    /// What each fault of the plan did, by its index there.
    pub faults: BTreeMap<usize, FaultCounts>,
    /// How updates ended, by what hit them; empty where no fault is planned.
    pub judged: Judged,
    /// What must hold on every run.
    pub invariants: Invariants,
    /// How late each worker's event loop was, by worker.
    pub loop_lag: BTreeMap<String, LoopLag>,
    /// When the first and the last call were really sent, retries not counted.
    pub sent_span: Option<(Nanos, Nanos)>,
    /// What belongs to the updates of each phase of a drill; empty without one.
    pub phases: BTreeMap<DrillPhase, PhaseData>,
    /// What was tried, and tried again.
    pub retries: RetryTally,
    /// The waves of a roll-out, by number from 0; empty without one.
    pub waves: BTreeMap<u32, WaveCount>,
    /// What became of messages, where their arrival is counted.
    pub messages: Messages,
    /// The driver's connections to a broker, by name; empty where it has none.
    pub lines: BTreeMap<String, LineHealth>,
    /// The updates that came before those that are measured, and are in no figure above.
    pub settled: Settled,
    /// Everything that happened to updates, where somebody wants to know. They go where they are wanted before the rest is
    /// added up.
    pub events: Events,
}

/// Plain counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Calls whose due time came (in a closed load: that were started).
    pub calls_due: u64,
    /// Calls really sent, retries not counted: see [`Recorder::sent`].
    pub calls_sent: u64,
    /// Calls that the generator itself was too late for.
    pub dropped: u64,
    /// Stages that came and went between two looks.
    pub seen_late: u64,
    /// Transitions that came after their update had ended.
    pub late: u64,
    /// The observer's own requests that were throttled.
    pub observer_throttled: u64,
    /// The observer's own requests that failed otherwise.
    pub observer_errors: u64,
    /// The observer's own requests in all.
    pub observer_requests: u64,
    /// Looks that the observer left out because as many as allowed were under way.
    pub observer_left_out: u64,
    /// Calls of devices that were connected, which the broker did not tell the driver.
    #[serde(default)]
    pub unheard: u64,
    /// Connections lost while no fault afflicted the device.
    #[serde(default)]
    pub losses_unexplained: u64,
    /// Reports that devices dropped: refused by the hub, or throttled beyond their retries.
    #[serde(default)]
    pub reports_dropped: u64,
    /// Connections that intruders tried with ids of the fleet; they are in no other figure.
    #[serde(default)]
    pub intruder_attempts: u64,
    /// Images that devices really downloaded.
    #[serde(default)]
    pub images: ImageCounts,
}

/// What stands at a moment; parts of a run add up, moments do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauges {
    /// Devices registered, while that is going on.
    pub registered: u32,
    /// Devices connected.
    pub connected: u32,
    /// Devices that have reported `standBy` at least once, or have given up.
    pub ready: u32,
    /// Devices that gave up connecting.
    pub gave_up: u32,
    /// Devices by what they last reported, in the order of [`FirmwareStatus::ALL`].
    pub stages: [u32; FirmwareStatus::ALL.len()],
    /// Method calls in flight.
    pub calls_in_flight: u32,
    /// Devices that are connected and have a report that the hub has not answered yet.
    pub reporting: u32,
    /// Devices that a fault has taken for good.
    pub gone: u32,
}

/// How late a worker's event loop ran its timers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoopLag(pub SeriesData);

impl Recorder {
    /// Adds a sample to a series.
    pub fn record(&mut self, series: Series, duration: Duration) {
        self.measurements.series.entry(series).or_default().record(duration);
    }

    /// Counts an update's outcome. `faults` are the faults injected into that update, by index in the fault plan.
    pub fn outcome(&mut self, outcome: Outcome, detail: &str, faults: impl IntoIterator<Item = usize>) {
        self.measurements.census.record(outcome, detail);
        for fault in faults {
            *self.fault(fault).observed.entry(outcome).or_default() += 1;
        }
    }

    /// Counts the outcome of `count` updates into which no fault was injected.
    pub fn outcomes(&mut self, outcome: Outcome, detail: &str, count: u64) {
        self.measurements.census.add(outcome, detail, count);
    }

    /// What became of messages of a kind, to add to.
    pub fn messages(&mut self, kind: MessageKind) -> &mut MessageCounts {
        self.measurements.messages.of(kind)
    }

    /// A connection of the driver to a broker, by its name, to add to.
    pub fn line(&mut self, name: &str) -> &mut LineHealth {
        self.measurements.lines.entry(name.to_owned()).or_default()
    }

    /// What belongs to the updates of a phase of a drill, to add to.
    pub fn phase(&mut self, phase: DrillPhase) -> &mut PhaseData {
        self.measurements.phases.entry(phase).or_default()
    }

    /// The counts, to add to.
    pub fn counters(&mut self) -> &mut Counters {
        &mut self.measurements.counters
    }

    /// What happened to updates, to add to.
    pub const fn events(&mut self) -> &mut Events {
        &mut self.measurements.events
    }

    /// What was tried, to add to.
    pub fn retries(&mut self) -> &mut RetryTally {
        &mut self.measurements.retries
    }

    /// Adds to the number of planned updates.
    pub fn plan(&mut self, updates: u64) {
        self.measurements.census.planned += updates;
    }

    /// Records how late the event loop of `worker` was.
    pub fn loop_lag(&mut self, worker: &str, lag: Duration) {
        match self.measurements.loop_lag.get_mut(worker) {
            Some(data) => data.0.record(lag),
            None => self.measurements.loop_lag.entry(worker.to_owned()).or_default().0.record(lag),
        }
    }

    /// A call was really sent for the first time at `now`.
    pub fn sent(&mut self, now: Nanos) {
        self.measurements.counters.calls_sent += 1;
        self.measurements.merge_span(Some((now, now)));
    }

    /// A wave of the roll-out, to count in.
    pub fn wave(&mut self, wave: u32) -> &mut WaveCount {
        self.measurements.waves.entry(wave).or_default()
    }

    /// A fault of the plan, by its index there, was done to a device or to an update of one.
    pub fn strike(&mut self, fault: usize) {
        self.fault(fault).strikes += 1;
    }

    /// The strike just counted came after its update had ended, as the driver sees it.
    pub fn too_late(&mut self, fault: usize) {
        self.fault(fault).late += 1;
    }

    /// A device is well again so long after a fault began at it.
    pub fn recovery(&mut self, fault: usize, after: Duration) {
        self.fault(fault).recovery.get_or_insert_default().record(after);
    }

    /// A device has noticed so long after a fault began at it.
    pub fn found(&mut self, fault: usize, after: Duration) {
        self.fault(fault).found.get_or_insert_default().record(after);
    }

    /// What hit updates, and how they ended.
    pub const fn judged(&mut self) -> &mut Judged {
        &mut self.measurements.judged
    }

    /// An update that these faults hit ended as they do not let it.
    pub fn off_diagonal(&mut self, faults: impl IntoIterator<Item = usize>, example: OffDiagonal) {
        faults.into_iter().for_each(|fault| self.fault(fault).off_diagonal += 1);
        self.measurements.judged.off_diagonal(example);
    }

    /// What must hold on every run.
    pub const fn invariants(&mut self) -> &mut Invariants {
        &mut self.measurements.invariants
    }

    fn fault(&mut self, fault: usize) -> &mut FaultCounts {
        self.measurements.faults.entry(fault).or_default()
    }

    /// Takes back what could not be handed over.
    pub fn take_back(&mut self, measurements: &Measurements) {
        self.measurements.merge(measurements);
    }

    /// Hands over everything since the last time.
    #[must_use]
    pub fn take(&mut self) -> Measurements {
        std::mem::take(&mut self.measurements)
    }
}

impl Measurements {
    /// Adds another part's measurements.
    pub fn merge(&mut self, other: &Self) {
        for (series, data) in &other.series {
            self.series.entry(*series).or_default().merge(data);
        }
        self.census.merge(&other.census);
        self.counters.merge(other.counters);
        for (fault, counts) in &other.faults {
            self.faults.entry(*fault).or_default().merge(counts);
        }
        self.judged.merge(&other.judged);
        self.invariants.merge(&other.invariants);
        for (worker, lag) in &other.loop_lag {
            self.loop_lag.entry(worker.clone()).or_default().0.merge(&lag.0);
        }
        self.merge_span(other.sent_span);
        for (phase, data) in &other.phases {
            self.phases.entry(*phase).or_default().merge(data);
        }
        self.retries.merge(&other.retries);
        for (wave, count) in &other.waves {
            self.waves.entry(*wave).or_default().merge(count);
        }
        self.messages.merge(&other.messages);
        for (name, line) in &other.lines {
            self.lines.entry(name.clone()).or_default().merge(line);
        }
        self.settled.merge(&other.settled);
        if !other.events.is_empty() {
            self.events.absorb(other.events.clone());
        }
    }

    /// Adds another part's measurements for good. What is not there yet is moved: a histogram has 200 KB.
    pub fn absorb(&mut self, mut other: Self) {
        self.events.absorb(std::mem::take(&mut other.events));
        for (series, data) in std::mem::take(&mut other.series) {
            match self.series.entry(series) {
                Entry::Vacant(place) => {
                    place.insert(data);
                }
                Entry::Occupied(mut present) => present.get_mut().merge(&data),
            }
        }
        for (worker, lag) in std::mem::take(&mut other.loop_lag) {
            match self.loop_lag.entry(worker) {
                Entry::Vacant(place) => {
                    place.insert(lag);
                }
                Entry::Occupied(mut present) => present.get_mut().0.merge(&lag.0),
            }
        }
        self.merge(&other);
    }

    fn merge_span(&mut self, other: Option<(Nanos, Nanos)>) {
        self.sent_span = joined(self.sent_span, other);
    }
}

impl Counters {
    /// Adds another part's counts.
    pub const fn merge(&mut self, other: Self) {
        self.calls_due += other.calls_due;
        self.calls_sent += other.calls_sent;
        self.dropped += other.dropped;
        self.seen_late += other.seen_late;
        self.late += other.late;
        self.observer_throttled += other.observer_throttled;
        self.observer_errors += other.observer_errors;
        self.observer_requests += other.observer_requests;
        self.observer_left_out += other.observer_left_out;
        self.unheard += other.unheard;
        self.losses_unexplained += other.losses_unexplained;
        self.reports_dropped += other.reports_dropped;
        self.intruder_attempts += other.intruder_attempts;
        self.images.merge(other.images);
    }
}

impl Gauges {
    /// Adds another part's gauges.
    pub fn merge(&mut self, other: &Self) {
        self.registered += other.registered;
        self.connected += other.connected;
        self.ready += other.ready;
        self.gave_up += other.gave_up;
        self.calls_in_flight += other.calls_in_flight;
        self.reporting += other.reporting;
        self.gone += other.gone;
        for (sum, part) in self.stages.iter_mut().zip(other.stages) {
            *sum += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Invariant;
    use crate::policy::Hit;

    #[test]
    fn taking_drains_and_parts_add_up_to_the_whole() {
        let mut recorder = Recorder::default();
        recorder.plan(2);
        recorder.record(Series::Connect, Duration::from_millis(3));
        recorder.outcome(Outcome::Failed, "applying/boot_failed", [1]);
        recorder.sent(Nanos::new(5));
        recorder.strike(1);
        recorder.too_late(1);
        recorder.recovery(1, Duration::from_secs(2));
        recorder.found(1, Duration::from_secs(1));
        recorder.phase(DrillPhase::During).census.planned = 1;
        recorder.off_diagonal([1], OffDiagonal::default());
        recorder.judged().add(Hit::One(1), Outcome::Failed, 1);
        recorder.invariants().checked(Invariant::OneOutcome);
        recorder.wave(2).call(Nanos::new(5));
        recorder.messages(MessageKind::Telemetry).sent += 3;
        recorder.line("driver-0").sent += 1;
        recorder.line("driver-0").lag.record(Duration::from_millis(1));
        let first = recorder.take();
        recorder.take_back(&first);
        assert_eq!(recorder.take(), first, "what was taken back is handed over again");
        assert_eq!(recorder.take(), Measurements::default());
        recorder.record(Series::Connect, Duration::from_millis(5));
        recorder.outcome(Outcome::Completed, "", []);
        recorder.sent(Nanos::new(9));
        let mut whole = first.clone();
        whole.merge(&recorder.take());
        assert_eq!(whole.series[&Series::Connect].count(), 2);
        assert_eq!(whole.census.unaccounted(), 0);
        let fault = &whole.faults[&1];
        assert_eq!((fault.strikes, fault.late, fault.injected()), (1, 1, 1));
        assert_eq!((whole.counters.calls_sent, whole.waves[&2].called), (2, 1));
        whole.merge(&first);
        let fault = &whole.faults[&1];
        assert_eq!((fault.strikes, fault.late, fault.injected(), fault.observed[&Outcome::Failed]), (2, 2, 2, 2));
        let counts = [&fault.recovery, &fault.found].map(|data| data.as_ref().map(|data| data.count()));
        assert_eq!(counts, [Some(2), Some(2)]);
        assert_eq!((fault.off_diagonal, whole.judged.off_diagonal, whole.judged.matrix.len()), (2, 2, 1));
        assert_eq!(whole.invariants.rows()[0].checked, 2);
        assert_eq!(whole.sent_span, Some((Nanos::new(5), Nanos::new(9))));
        assert_eq!(whole.phases[&DrillPhase::During].census.planned, 2);
        assert_eq!((whole.messages.counts(None).sent, whole.messages.0.len()), (6, 1));
        let line = &whole.lines["driver-0"];
        assert_eq!((line.sent, line.received, line.lag.count()), (2, 0, 2));
    }

    #[test]
    fn absorbing_is_merging() {
        let mut recorder = Recorder::default();
        let mut part = |series, count: u64| {
            recorder.plan(count);
            (0..count).for_each(|n| recorder.record(series, Duration::from_millis(n)));
            recorder.loop_lag("driver", Duration::from_millis(count));
            recorder.sent(Nanos::new(count));
            recorder.take()
        };
        let parts = [part(Series::Connect, 3), part(Series::Connect, 4), part(Series::UpdateTotal, 5)];
        let (mut merged, mut absorbed) = (Measurements::default(), Measurements::default());
        for part in parts {
            merged.merge(&part);
            absorbed.absorb(part);
        }
        assert_eq!(absorbed, merged);
        assert_eq!((absorbed.series[&Series::Connect].count(), absorbed.loop_lag["driver"].0.count()), (7, 3));
    }
}
