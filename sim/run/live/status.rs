//! How far a run is: plain data, made once a second, from which every view is drawn.

use std::time::Duration;

use super::super::options::Part;
use crate::measure::Gauges;
use crate::verdict::ThresholdLight;

/// How far a run is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Status {
    /// Which run of a series this is.
    pub part: Option<Part>,
    /// The profile's name.
    pub name: String,
    /// What is being done.
    pub phase: &'static str,
    /// Whether the run is a drill, whose phases are told one by one.
    pub drill: bool,
    /// How far the roll-out is, where there is one.
    pub rollout: Option<String>,
    /// Whether the user has asked for the end.
    pub stopping: bool,
    /// Time since the run started.
    pub elapsed: Duration,
    /// Estimate of the time left.
    pub left: Option<Duration>,
    /// Devices in all; 0 if the fleet is not ours.
    pub devices: u32,
    /// What stands now.
    pub gauges: Gauges,
    /// Updates planned and ended.
    pub updates: Option<(u64, u64)>,
    /// Calls due and calls sent per second, over the last second.
    pub rate: Option<(f64, f64)>,
    /// Messages of telemetry sent and delivered per second, over the last second; `None` where devices publish none.
    pub telemetry: Option<(f64, f64)>,
    /// 99th percentile (or largest value) of the schedule lag over the last second, in microseconds.
    pub lag_us: Option<u64>,
    /// Whether updates are called, so that there are rates and outcomes to tell of.
    pub drives: bool,
    /// The last seconds, oldest first.
    pub pulse: Vec<Pulse>,
    /// The series with samples, the most telling first.
    pub series: Vec<SeriesRow>,
    /// The thresholds, in the plan's order.
    pub thresholds: Vec<ThresholdLight>,
    /// How updates ended that did not complete, the most frequent first.
    pub mishaps: Vec<Mishap>,
    /// Generator and hub.
    pub health: Health,
}

/// A second that has passed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pulse {
    /// Which, from the start of the run.
    pub second: u64,
    /// Calls due, per second.
    pub offered: f64,
    /// Calls sent, per second.
    pub achieved: f64,
    /// Attempts to connect, per second.
    pub connects: f64,
}

/// A series so far; times in seconds, `None` where there are too few samples.
#[derive(Debug, Clone, Default)]
pub struct SeriesRow {
    /// The series' name.
    pub name: &'static str,
    /// Samples.
    pub count: u64,
    /// The median.
    pub p50: Option<f64>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

/// How so many updates ended.
#[derive(Debug, Clone, Default)]
pub struct Mishap {
    /// The outcome, and its detail where there is one: `hub_error/503`.
    pub what: String,
    /// How many.
    pub count: u64,
}

/// What generator and hub use of the machine.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// The machine's cores.
    pub cores: usize,
    /// What the generator used of all cores over the last second, in percent; `None` before the first.
    pub generator_cpu: Option<f64>,
    /// Its memory at the peak, in bytes.
    pub generator_memory: u64,
    /// The same of the embedded hubs; `None` where there are none, or within the generator's own process.
    pub hub_cpu: Option<f64>,
    /// Their memory at the peak, in bytes; `None` as with the CPU.
    pub hub_memory: Option<u64>,
    /// The most descriptors that a process has had open, and how many it may have.
    pub descriptors: Option<(u64, u64)>,
}
