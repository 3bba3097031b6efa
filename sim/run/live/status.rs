//! How far a run is: plain data, made once a second, from which every view is drawn.

use std::time::Duration;

use crate::measure::Gauges;

/// What there is to show.
#[derive(Debug, Clone, Default)]
pub(in crate::run) struct Status {
    /// The profile's name.
    pub(in crate::run) name: String,
    /// What is being done.
    pub(in crate::run) phase: &'static str,
    /// Whether the run is a drill, whose phases are told one by one.
    pub(in crate::run) drill: bool,
    /// How far the roll-out is, where there is one.
    pub(in crate::run) rollout: Option<String>,
    /// Whether the user has asked for the end.
    pub(in crate::run) stopping: bool,
    /// Time since the run started.
    pub(in crate::run) elapsed: Duration,
    /// Estimate of the time left.
    pub(in crate::run) left: Option<Duration>,
    /// Devices in all; 0 if the fleet is not ours.
    pub(in crate::run) devices: u32,
    /// What stands now.
    pub(in crate::run) gauges: Gauges,
    /// Updates planned and ended.
    pub(in crate::run) updates: Option<(u64, u64)>,
    /// Calls due and calls sent per second, over the last second.
    pub(in crate::run) rate: Option<(f64, f64)>,
    /// 99th percentile (or largest value) of the schedule lag over the last second, in microseconds.
    pub(in crate::run) lag_us: Option<u64>,
    /// Whether updates are called, so that there are rates and outcomes to tell of.
    pub(in crate::run) drives: bool,
    /// The last seconds, oldest first.
    pub(in crate::run) pulse: Vec<Pulse>,
    /// The series with samples, the most telling first.
    pub(in crate::run) series: Vec<SeriesRow>,
    /// The thresholds, in the plan's order.
    pub(in crate::run) thresholds: Vec<ThresholdLight>,
    /// How updates ended that did not complete, the most frequent first.
    pub(in crate::run) mishaps: Vec<Mishap>,
    /// Generator and hub.
    pub(in crate::run) health: Health,
}

/// A second that has passed.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::run) struct Pulse {
    /// Which, from the start of the run.
    pub(in crate::run) second: u64,
    /// Calls due, per second.
    pub(in crate::run) offered: f64,
    /// Calls sent, per second.
    pub(in crate::run) achieved: f64,
    /// Attempts to connect, per second.
    pub(in crate::run) connects: f64,
}

/// A series so far; times in seconds, `None` where there are too few samples.
#[derive(Debug, Clone, Default)]
pub(in crate::run) struct SeriesRow {
    /// The series' name.
    pub(in crate::run) name: &'static str,
    /// Samples.
    pub(in crate::run) count: u64,
    /// The median.
    pub(in crate::run) p50: Option<f64>,
    /// The 90th percentile.
    pub(in crate::run) p90: Option<f64>,
    /// The 99th percentile.
    pub(in crate::run) p99: Option<f64>,
    /// The longest.
    pub(in crate::run) max: Option<f64>,
}

/// A threshold as it stands now.
#[derive(Debug, Clone, Default)]
pub(in crate::run) struct ThresholdLight {
    /// The condition, as the plan has it.
    pub(in crate::run) expr: String,
    /// What is observed now, in words; `None` where there is no value yet.
    pub(in crate::run) observed: Option<String>,
    /// What follows.
    pub(in crate::run) state: LightState,
}

/// Whether a threshold holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "until thresholds are judged while running"))]
pub(in crate::run) enum LightState {
    /// It holds.
    Ok,
    /// It does not.
    Broken,
    /// There is nothing to judge by yet.
    #[default]
    Unknown,
}

/// How so many updates ended.
#[derive(Debug, Clone, Default)]
pub(in crate::run) struct Mishap {
    /// The outcome, and its detail where there is one: `hub_error/503`.
    pub(in crate::run) what: String,
    /// How many.
    pub(in crate::run) count: u64,
}

/// What generator and hub use of the machine.
#[derive(Debug, Clone, Default)]
pub(in crate::run) struct Health {
    /// The machine's cores.
    pub(in crate::run) cores: usize,
    /// What the generator used of all cores over the last second, in percent; `None` before the first.
    pub(in crate::run) generator_cpu: Option<f64>,
    /// Its memory at the peak, in bytes.
    pub(in crate::run) generator_memory: u64,
    /// The same of the embedded hubs; `None` where there are none.
    pub(in crate::run) hub_cpu: Option<f64>,
    /// Their memory at the peak, in bytes.
    pub(in crate::run) hub_memory: Option<u64>,
    /// The most descriptors that a process has had open, and how many it may have.
    pub(in crate::run) descriptors: Option<(u64, u64)>,
}
