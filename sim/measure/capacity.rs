//! What a search for a hub's capacity found.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine_description::MachineDescription;
use crate::policy::CapacityOf;

/// The highest load that keeps the thresholds, as an interval with its reason. The result that this is part of is that of
/// one of the steps, which is named here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityResult {
    /// What of.
    pub of: CapacityOf,
    /// The highest load at which, and below which, the thresholds were kept, by three quarters of the time at least for which each
    /// load was tried; `None` if there is none.
    pub low: Option<f64>,
    /// The lowest load at which, and above which, they were broken, likewise; `None` if there is none.
    pub high: Option<f64>,
    /// What loads are counted in: `calls/s`, `devices` or `connects/s`.
    pub unit: String,
    /// Why the upper end broke; `None` if nothing did.
    pub cause: Option<CapacityCause>,
    /// The same in words, with figures.
    pub cause_detail: String,
    /// Whether the interval is as narrow as it was to be and both of its ends are confirmed, or cannot get any narrower.
    pub finished: bool,
    /// Why not, or what else is to be known of the interval, in sentences: that it is wider because steps contradicted each
    /// other, that time ran out, that it is close to what the generator can do.
    pub notes: Vec<String>,
    /// The relative width that was asked for.
    pub precision: f64,
    /// The relative width of the interval, `high / low - 1`; `None` without both ends.
    pub width: Option<f64>,
    /// The highest load that this machine's generator made against a hub that only acknowledges, from a calibration; `None`
    /// where there was none.
    pub ceiling: Option<CapacityCeiling>,
    /// What its last steps were made on, and by which program.
    #[serde(default)]
    pub machine: MachineDescription,
    /// The step whose run all else of the result is: the last one that kept the lower end, else the one with the least load that
    /// came to a result.
    pub of_step: Option<u32>,
    /// When the search began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// How long the search took, in seconds; pauses between a stop and its resumption left out.
    pub took_s: f64,
    /// The steps, in the order in which they were made.
    pub steps: Vec<CapacityStep>,
}

/// Why a load was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapacityCause {
    /// A threshold was broken, and nothing says more.
    Slo,
    /// The hub refused or held back what exceeds its limits.
    Throttled,
    /// The hub answered with errors, or lost connections.
    Errors,
    /// The generator, or the machine that it shares with an embedded hub, could do no more: nothing is known of the hub.
    Generator,
}

impl CapacityCause {
    /// The name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slo => "slo",
            Self::Throttled => "throttled",
            Self::Errors => "errors",
            Self::Generator => "generator",
        }
    }
}

/// What this machine's generator can do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityCeiling {
    /// The highest load that it made, in the unit of the capacity.
    pub load: f64,
    /// When that was measured.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub measured_at: Timestamp,
    /// Whether the interval reaches into the upper fifth of it: what was found may then be the generator's limit.
    pub near: bool,
}

/// One step of a search: a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityStep {
    /// Its number, from 1: its result is whole in `steps/NN/`.
    pub number: u32,
    /// The load that was offered, in the unit of the capacity.
    pub load: f64,
    /// What it was for.
    pub purpose: StepPurpose,
    /// How long it was measured, in seconds.
    pub measured_s: f64,
    /// Whether it kept the thresholds.
    pub kept: bool,
    /// Why it did not; `None` if it did.
    pub cause: Option<CapacityCause>,
    /// The same in words, with figures; empty if it did.
    pub cause_detail: String,
    /// What came of the load, in its unit: of the calls that were made each second those whose updates completed, devices that were
    /// connected all the time, connections that were accepted each second; `None` if nothing was made.
    pub achieved: Option<f64>,
    /// Percent of what the hub was asked for (connections, calls, reports; retries included) that it refused as too much, of
    /// the kind that it refused most of; `None` if it was asked for nothing.
    pub throttled_pct: Option<f64>,
    /// Medians by series, in microseconds, where 10 samples lie beyond it.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Series" }))]
    pub p50_us: BTreeMap<String, u64>,
    /// 99th percentiles by series, in microseconds, where 10 samples lie beyond it.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Series" }))]
    pub p99_us: BTreeMap<String, u64>,
    /// The longest by series, in microseconds: what a percentile is at most that too few samples tell.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Series" }))]
    pub max_us: BTreeMap<String, u64>,
    /// CPU of the generator's processes and of embedded hubs, in percent of all cores, in the median second of what was
    /// measured; `None` if that was too short to tell.
    pub cpu_percent: Option<f64>,
    /// How long the step took in all, in seconds.
    pub took_s: f64,
    /// Whether it says nothing of its load, and counts for nothing: the hub had gone, or something else used the generator's machine.
    #[serde(default)]
    pub left_out: bool,
}

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepPurpose {
    /// Twice the load of the one before.
    Double,
    /// Half the load of the one before: the first was too much already.
    Halve,
    /// Between the highest that was kept and the lowest that was not.
    Bisect,
    /// An end of the interval once more, at full length.
    Confirm,
    /// Once more, at full length: it was kept once and broke once.
    Repeat,
    /// With a load that was kept, after a step of which nothing came: whether the hub is still there.
    Check,
    /// Further out: what was tried again and again remains undecided, or contradicts its neighbours.
    Widen,
}

impl StepPurpose {
    /// Whether such a step is measured at full length: those on the way are for half the time.
    #[must_use]
    pub const fn is_full(self) -> bool {
        matches!(self, Self::Confirm | Self::Repeat | Self::Widen)
    }

    /// The name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Halve => "halve",
            Self::Bisect => "bisect",
            Self::Confirm => "confirm",
            Self::Repeat => "repeat",
            Self::Check => "check",
            Self::Widen => "widen",
        }
    }
}
