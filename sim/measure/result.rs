//! The result of a run: the single source for every report, threshold and comparison.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    CapacityResult, Census, DrillResult, EventCounts, FaultRow, ImageCounts, InvariantRow, LineRow, MatrixRow,
    Messages, OffDiagonal, RolloutResult, SeriesData, ServiceCount, SettledResult, ThrottleCount,
};
use crate::policy::Series;

/// Everything that is known of a finished run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunResult {
    /// The profile's name.
    pub name: String,
    /// When the run started; where it is a step of a search for a capacity that is shown, that step.
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// The program's version.
    pub version: String,
    /// The seed.
    pub seed: u64,
    /// The resolved plan, without secrets.
    pub plan: Value,
    /// The command that repeats it.
    pub command: String,
    /// Whether the figures count.
    pub valid: bool,
    /// Why they do not.
    pub invalid_reasons: Vec<String>,
    /// What the run proved.
    pub verdict: Verdict,
    /// The exit code of the command.
    pub exit_code: u8,
    /// Outcomes of all planned updates.
    pub census: Census,
    /// Series that could not be measured in this run.
    pub absent: Vec<Series>,
    /// Distributions.
    pub series: BTreeMap<Series, SeriesData>,
    /// One entry a second.
    pub intervals: Vec<Interval>,
    /// Offered and achieved rate.
    pub rate: RateResult,
    /// Health of the generator.
    pub generator: GeneratorHealth,
    /// The embedded hub; `None` where it was none of ours.
    pub hub: Option<HubHealth>,
    /// The shards.
    pub shards: Vec<ShardResult>,
    /// How transitions were observed.
    pub observer: ObserverHealth,
    /// Injected faults: truth against observation.
    pub faults: Vec<FaultRow>,
    /// The thresholds, judged.
    pub thresholds: Vec<ThresholdResult>,
    /// The threshold that ended the run before its time; `None` if none did.
    pub abort: Option<ThresholdAbort>,
    /// What was tried, and tried again.
    pub retries: Retries,
    /// Updates by what hit them and how they ended; empty where no fault was planned or the truth is not known.
    pub matrix: Vec<MatrixRow>,
    /// The first updates that ended as their faults do not let them.
    pub off_diagonal: Vec<OffDiagonal>,
    /// How many there were.
    pub off_diagonal_total: u64,
    /// What must hold on every run; empty where nothing was driven.
    pub invariants: Vec<InvariantRow>,
    /// The roll-out; `None` where the fleet was not called in waves.
    pub rollout: Option<RolloutResult>,
    /// What devices downloaded; `None` where they really downloaded nothing, or were none of ours.
    pub images: Option<ImageCounts>,
    /// What became of messages, by what they say; empty where that was not counted.
    pub messages: Messages,
    /// Connections that were lost while no fault explains it.
    pub losses_unexplained: u64,
    /// From the start of the load to the end of its last update; `None` if it never started.
    pub load: Option<LoadSpan>,
    /// What the drill showed, if it was one.
    pub drill: Option<DrillResult>,
    /// What became of the events; `None` where they were not asked for.
    pub events: Option<EventCounts>,
    /// What came before the updates that were measured; `None` if nothing did.
    pub settled: Option<SettledResult>,
    /// The hub's capacity, if it was looked for: all else is then of the step that this names.
    pub capacity: Option<CapacityResult>,
}

impl RunResult {
    /// When what was asked for began: the run, or the search that it is a step of.
    #[must_use]
    pub fn began_at(&self) -> Timestamp {
        self.capacity.as_ref().map_or(self.started_at, |capacity| capacity.started_at)
    }

    /// How long what was asked for took, in seconds.
    #[must_use]
    pub fn took_s(&self) -> f64 {
        self.capacity.as_ref().map_or(self.duration_s, |capacity| capacity.took_s)
    }

    /// Whether the figures cover only a part, as the run was stopped. Where a search was, a step is shown that ran
    /// whole.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        matches!(self.verdict, Verdict::Aborted) && self.capacity.is_none()
    }

    /// Whether it was run against a hub that only acknowledges: its figures are then the generator's, and no hub's.
    #[must_use]
    pub fn is_against_null_hub(&self) -> bool {
        self.plan["hub"]["kind"] == "null"
    }

    /// The address of the plain broker that it was run against, if it was one.
    #[must_use]
    pub fn broker(&self) -> Option<&str> {
        let hub = &self.plan["hub"];
        hub["url"].as_str().filter(|_| hub["kind"] == "mqtt")
    }

    /// Whether the embedded hub ran in the generator's own process: what the generator used of the machine is then what
    /// both used, and nobody can tell the parts.
    #[must_use]
    pub fn hub_is_within_generator(&self) -> bool {
        self.hub.as_ref().is_some_and(|hub| hub.cpu_seconds.is_none())
    }
}

/// What a run proved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every threshold held.
    Pass,
    /// A threshold was broken, or an assertion of a drill.
    Fail,
    /// After a drill's faults things were not as they had been before.
    NotRecovered,
    /// The figures do not count; until they have been judged, they do not either.
    #[default]
    Invalid,
    /// The run was stopped.
    Aborted,
}

/// When there was load, in seconds since the run started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadSpan {
    /// When the first call could be due.
    pub from_s: f64,
    /// When the last update had ended.
    pub to_s: f64,
}

/// One second of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// End of the interval, in seconds since the run started.
    pub t_s: f64,
    /// Length of the interval, in seconds.
    pub length_s: f64,
    /// Devices connected.
    pub connected: u32,
    /// Devices by what they last reported.
    pub stages: BTreeMap<String, u32>,
    /// Calls that were due.
    pub offered: u64,
    /// Calls really sent.
    pub achieved: u64,
    /// Connections and calls tried, retries included.
    pub attempts: u64,
    /// Median by series, in microseconds, where 10 samples lie beyond it.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Series" }))]
    pub p50_us: BTreeMap<String, u64>,
    /// 99th percentile by series, in microseconds, where 10 samples lie beyond it.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Series" }))]
    pub p99_us: BTreeMap<String, u64>,
    /// The interval's histograms by series: V2-deflate in base64, in nanoseconds. With them every report, also
    /// `histograms.hlog`, can be made again from the result alone.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Series" }))]
    pub hdr: BTreeMap<String, String>,
    /// Connections tried, retries included.
    #[serde(default)]
    pub connect_attempts: u64,
    /// Calls tried, retries included.
    #[serde(default)]
    pub call_attempts: u64,
    /// Reports sent, those sent again included.
    #[serde(default)]
    pub report_attempts: u64,
    /// Connections tried by the policies of [`Retries::connect`], in their order; empty where there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cohort_attempts: Vec<u64>,
    /// Messages of telemetry that devices published.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub telemetry_sent: u64,
    /// Messages of telemetry that the driver received.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub telemetry_delivered: u64,
}

/// The load that was asked for, and the load that was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RateResult {
    /// Planned updates over the span of the schedule, per second; `None` in a closed load.
    pub offered_per_s: Option<f64>,
    /// Calls really sent, retries not counted, over the time from the first to the last of them, per second.
    pub achieved_per_s: Option<f64>,
    /// Telemetry; missing where devices publish none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<TelemetryRate>,
}

/// Messages of telemetry per second of the load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TelemetryRate {
    /// What all devices together publish while they are connected.
    pub offered_per_s: f64,
    /// Messages really published, over the whole seconds of the load; `None` if there were none.
    pub sent_per_s: Option<f64>,
    /// Messages that the driver received in the same seconds; `None` also where it receives none.
    pub delivered_per_s: Option<f64>,
}

/// The generator's own health: that of the processes that hold fleet and driver. Whatever else such a process did
/// meanwhile is in it: an embedded hub ([`RunResult::hub_is_within_generator`]), another run, the program that started the
/// run as a library.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorHealth {
    /// CPU of these processes during the run.
    pub cpu_seconds: f64,
    /// CPU in percent of all cores over the whole run.
    pub cpu_percent: f64,
    /// Cores that they may use.
    pub cores: usize,
    /// Resident memory of each process at its peak, added up.
    pub rss_peak_bytes: u64,
    /// Descriptors of the process that had most, at their peak.
    pub descriptors_peak: u64,
    /// 99th percentile of `schedule.lag`, however few the samples.
    pub schedule_lag_p99_us: Option<u64>,
    /// Calls that the generator was too late for.
    pub dropped: u64,
    /// Whether the hub ran on the same machine.
    pub hub_on_same_machine: bool,
    /// 99th percentile, however few the samples, of how late each worker's event loop was.
    pub loop_lag_p99_us: BTreeMap<String, u64>,
    /// The driver's own connections to a plain broker; missing where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineRow>,
}

/// The embedded hubs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HubHealth {
    /// How many there were.
    pub instances: usize,
    /// CPU of their processes; `None` where the hub was a thread of the generator's own process, whose figures then hold
    /// the hub's as well.
    pub cpu_seconds: Option<f64>,
    /// Resident memory of each process at its peak, added up; `None` as with the CPU.
    pub rss_peak_bytes: Option<u64>,
    /// What limits did, by operation: of its tier, given one by one, and put on by faults; empty without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub throttled: Vec<ThrottleCount>,
    /// What its servers did; `None` without a service-time model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceCount>,
    /// What was really done to them by the faults of the plan that strike hubs; empty without such faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<HubFaultRow>,
}

/// What one fault of the plan really did to the embedded hubs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HubFaultRow {
    /// The fault's name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Hubs that it was done to.
    pub strikes: u64,
    /// When it began with the first of them, in seconds from the start of the load; `None` if it never did.
    pub began_s: Option<f64>,
    /// When the last of them was well again, those left out that died before; `None` if the run ended before, or if
    /// none was left.
    pub ended_s: Option<f64>,
}

/// One shard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardResult {
    /// Number of the shard.
    pub shard: u32,
    /// Number of the embedded hub that served it.
    pub hub: Option<u32>,
    /// Its first device.
    pub first_device: u32,
    /// How many devices it had.
    pub devices: u32,
    /// Updates that ended there; those that were lost with it among them.
    pub ended: u64,
    /// Whether it was lost before it could tell all.
    pub lost: bool,
    /// CPU of its process, for a single shard of the coordinator's.
    pub cpu_seconds: f64,
    /// Resident memory of its process at its peak.
    pub rss_peak_bytes: u64,
}

/// How transitions were observed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObserverHealth {
    /// `query`, `poll` or `subscribe`.
    pub kind: String,
    /// Time between two looks, in milliseconds; 0 for `subscribe`, which does not look but is told.
    pub interval_ms: u64,
    /// What a transition's time is uncertain by, in microseconds; 0 for `subscribe`, where it is that of the report's own
    /// arrival at the driver, the broker's delivery included.
    pub resolution_us: u64,
    /// Stages that came and went between two looks.
    pub seen_late: u64,
    /// Transitions after their update had ended.
    pub late: u64,
    /// The observer's requests that were throttled.
    pub throttled: u64,
    /// The observer's requests that failed otherwise.
    pub errors: u64,
    /// The observer's requests.
    pub requests: u64,
    /// Looks left out because as many as allowed were under way.
    pub left_out: u64,
    /// With a plain broker: whether devices tell that they are connected. Where they do not, one that is not connected cannot
    /// be told from one that does not answer: the first ends as `no_response` or `stuck` too, never as `not_online` or
    /// `lost_device`. Missing where the hub itself tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
    /// With a plain broker: calls given up because their devices were not known to be connected, though the fleet of the
    /// same run had them connected for seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unheard: u64,
}

/// For serde, which asks so.
#[expect(clippy::trivially_copy_pass_by_ref)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ObserverHealth {
    /// Whether it is told by subscription, and does not look at intervals.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.kind == "subscribe"
    }
}

/// What was tried, and tried again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retries {
    /// Connections, a row for each policy. Renewals of a token are attempts too.
    pub connect: Vec<RetryRow>,
    /// Connections tried in the second of the load that had most, by all policies together.
    pub connect_peak_per_s: u64,
    /// Method calls.
    pub method: RetryRow,
    /// Reports. One that is sent again because its connection went, or because no answer came, is an attempt and no retry:
    /// no policy has a say in that.
    pub twin: RetryRow,
}

/// One policy and what it led to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RetryRow {
    /// The policy's name; a second one of that name has a number behind it.
    pub policy: String,
    /// Devices that take it.
    pub devices: u32,
    /// Attempts, the first ones included.
    pub attempts: u64,
    /// How often it said to try again.
    pub retries: u64,
    /// How often nothing more was tried after a failure: the policy's limit was reached, or the same would have been
    /// answered again.
    pub give_ups: u64,
    /// The waits before retries, added up over everybody who takes this policy, in seconds.
    pub waited_s: f64,
    /// Attempts in the second of the load that had most: the first connecting of the fleet, before it, does not count.
    pub peak_per_s: u64,
    /// Connections that were lost: neither renewed nor taken away on purpose.
    #[serde(default)]
    pub lost: u64,
    /// Attempts that the hub refused as too much: by 429, or by CONNACK 3.
    #[serde(default)]
    pub throttled: u64,
    /// Within so many seconds 99 % of the lost connections were there again; `None` if they never were, or if none was
    /// lost. It is the time of a certain one of them, and no estimate that wants more samples.
    #[serde(default)]
    pub back_99_s: Option<f64>,
    /// From the loss of a connection to the next one; only of connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<SeriesData>,
}

/// A judged threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdResult {
    /// The expression.
    pub expr: String,
    /// The value, in the unit of the metric (seconds for durations); `None` if it could not be measured.
    pub observed: Option<f64>,
    /// The statistic that judged in place of a percentile with too few samples: `max` or `min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
    /// Whether it held; `None` if there was no value.
    pub ok: Option<bool>,
}

/// The end of a run by a threshold, before its time. What came of the calls that were under way then is in the figures too, so
/// the same threshold may be judged otherwise in the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdAbort {
    /// Its expression.
    pub expr: String,
    /// When it was decided, in seconds since the run started.
    pub at_s: f64,
    /// The value then, in the unit of the metric.
    pub observed: f64,
}
