//! `results.json`: the one form of a result that everything else can be made from again.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::drill_json::DrillJson;
use super::{ReportError, Reporter};
use crate::measure::{
    CapacityResult, Census, EventCounts, FaultRow, GeneratorHealth, HubHealth, ImageCounts, Interval, InvariantRow,
    LoadSpan, MatrixRow, Messages, ObserverHealth, OffDiagonal, RateResult, Retries, RolloutResult, RunResult,
    SeriesData, SettledResult, ShardResult, ThresholdAbort, ThresholdResult, Verdict,
};
use crate::policy::{Outcome, Series};

/// The version of the form.
const SCHEMA: &str = "twinstorm.results/1";

/// `results.json`.
#[derive(Debug, Clone, Copy)]
pub struct ResultsJson;

impl Reporter for ResultsJson {
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError> {
        let mut bytes = serde_json::to_vec_pretty(&Document::from_result(result))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Reads what [`ResultsJson`] wrote.
///
/// # Errors
/// It is no result, one of another version, or damaged.
pub fn from_json(bytes: &[u8]) -> Result<RunResult, ReportError> {
    let Head { schema: found } = serde_json::from_slice(bytes)?;
    if found != SCHEMA {
        return Err(ReportError::Schema { found, expected: SCHEMA });
    }
    Ok(serde_json::from_slice::<Document>(bytes)?.into_result())
}

/// Whether this is a result, of whichever version.
#[must_use]
pub fn is_result(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Head>(bytes).is_ok_and(|head| head.schema.starts_with("twinstorm.results/"))
}

/// The schema decides whether the rest can be read at all.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// The result of a run: the single source of every report, threshold and comparison. Durations are in seconds where a key ends
/// in `_s`, in milliseconds where it ends in `_ms`, and in microseconds where it ends in `_us`.
// The keys in their order.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Result of a run of twinstorm")]
pub(super) struct Document {
    /// The form of this document and its version. Programs that read it must leave out keys that they do not know: a later
    /// program may add some under the same version.
    #[schemars(extend("const" = SCHEMA))]
    schema: String,
    /// The name of the profile.
    name: String,
    /// When the run started; where a capacity was looked for, the step that is shown: the search has its own.
    #[schemars(with = "String", extend("format" = "date-time"))]
    started_at: Timestamp,
    /// How long that took, in seconds.
    #[schemars(range(min = 0.0))]
    duration_s: f64,
    /// The version of the program that ran it.
    version: String,
    /// The seed of every random choice.
    seed: u64,
    /// The plan with every override, without secrets. Its form is that of the program's own structures and no part of this
    /// schema.
    #[schemars(extend("type" = ["object", "null"]))]
    plan: Value,
    /// The command that repeats the run.
    command: String,
    /// Whether the figures count.
    valid: bool,
    /// Why they do not, in words; empty if they do.
    invalid_reasons: Vec<String>,
    /// What the run proved.
    verdict: Verdict,
    /// The exit code of the command that ran it.
    exit_code: u8,
    /// How many updates were planned, and how they ended.
    census: CensusJson,
    /// Updates by outcome and by what is known of them beyond its name, such as `applying/checksum_mismatch` or `503`.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Outcome" }))]
    census_by: BTreeMap<Outcome, BTreeMap<String, u64>>,
    /// Series that could not be measured in this run.
    absent: Vec<SeriesName>,
    /// Distributions of durations, by series.
    series: BTreeMap<SeriesName, SeriesData>,
    /// What happened in each second.
    intervals: Vec<Interval>,
    /// The load that was asked for, and the load that was made.
    rate: RateResult,
    /// How the generator itself fared: fleet and driver.
    generator: GeneratorHealth,
    /// How the embedded hub fared; `None` where the hub was none of ours.
    hub: Option<HubHealth>,
    /// The parts that the fleet was run in.
    shards: Vec<ShardResult>,
    /// How transitions were observed.
    observer: ObserverHealth,
    /// Each fault of the plan: what was injected, and how what it hit ended.
    faults: Vec<FaultRow>,
    /// The thresholds, judged, in the order of the profile.
    thresholds: Vec<ThresholdResult>,
    /// The end of the run by a threshold, before its time; missing where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abort: Option<ThresholdAbort>,
    /// What was tried, and tried again.
    #[serde(default)]
    retries: Retries,
    /// Updates by what hit them and how they ended; empty where no fault was planned or what hit them is not known.
    #[serde(default)]
    matrix: Vec<MatrixRow>,
    /// The first updates that ended as their faults do not let them.
    #[serde(default)]
    off_diagonal: Vec<OffDiagonal>,
    /// How many there were.
    #[serde(default)]
    off_diagonal_total: u64,
    /// What must hold on every run; empty where nothing was driven.
    #[serde(default)]
    invariants: Vec<InvariantRow>,
    /// The roll-out; missing where the fleet was not called in waves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollout: Option<RolloutResult>,
    /// What devices downloaded; missing where they downloaded nothing, or were none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    images: Option<ImageCounts>,
    /// What became of messages, by what they say: of each kind `sent` is the sum of `acknowledged`, `lost` and `unconfirmed` in a
    /// valid result. Missing where that was not counted.
    #[serde(default, skip_serializing_if = "Messages::is_empty")]
    messages: Messages,
    /// Connections that were lost while no fault explains it.
    #[serde(default)]
    losses_unexplained: u64,
    /// From the start of the load to the end of its last update; `None` if it never started.
    #[serde(default)]
    load: Option<LoadSpan>,
    /// What the drill showed; missing where the run was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drill: Option<DrillJson>,
    /// What became of the events of the run; missing where nobody wanted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<EventCounts>,
    /// The updates before those that were measured; missing where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settled: Option<SettledResult>,
    /// The capacity that was found, if it was looked for: all but verdict, exit code and command is then of the step that it
    /// names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capacity: Option<CapacityResult>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CensusJson {
    planned: u64,
    /// Every outcome, the ones that did not happen too.
    #[serde(flatten)]
    outcomes: BTreeMap<Outcome, u64>,
    unaccounted: i64,
}

/// A series under its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesName(Series);

impl Document {
    fn from_result(result: &RunResult) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            name: result.name.clone(),
            started_at: result.started_at,
            duration_s: result.duration_s,
            version: result.version.clone(),
            seed: result.seed,
            plan: result.plan.clone(),
            command: result.command.clone(),
            valid: result.valid,
            invalid_reasons: result.invalid_reasons.clone(),
            verdict: result.verdict,
            exit_code: result.exit_code,
            census: CensusJson::from_census(&result.census),
            census_by: result.census.details.clone(),
            absent: result.absent.iter().copied().map(SeriesName).collect(),
            series: from_series(&result.series),
            intervals: result.intervals.clone(),
            rate: result.rate,
            generator: result.generator.clone(),
            hub: result.hub.clone(),
            shards: result.shards.clone(),
            observer: result.observer.clone(),
            faults: result.faults.clone(),
            thresholds: result.thresholds.clone(),
            abort: result.abort.clone(),
            retries: result.retries.clone(),
            matrix: result.matrix.clone(),
            off_diagonal: result.off_diagonal.clone(),
            off_diagonal_total: result.off_diagonal_total,
            invariants: result.invariants.clone(),
            rollout: result.rollout.clone(),
            images: result.images,
            messages: result.messages.clone(),
            losses_unexplained: result.losses_unexplained,
            load: result.load,
            drill: result.drill.as_ref().map(DrillJson::from_drill),
            events: result.events.clone(),
            settled: result.settled.clone(),
            capacity: result.capacity.clone(),
        }
    }

    fn into_result(self) -> RunResult {
        RunResult {
            name: self.name,
            started_at: self.started_at,
            duration_s: self.duration_s,
            version: self.version,
            seed: self.seed,
            plan: self.plan,
            command: self.command,
            valid: self.valid,
            invalid_reasons: self.invalid_reasons,
            verdict: self.verdict,
            exit_code: self.exit_code,
            census: self.census.into_census(self.census_by),
            absent: self.absent.into_iter().map(|name| name.0).collect(),
            series: into_series(self.series),
            intervals: self.intervals,
            rate: self.rate,
            generator: self.generator,
            hub: self.hub,
            shards: self.shards,
            observer: self.observer,
            faults: self.faults,
            thresholds: self.thresholds,
            abort: self.abort,
            retries: self.retries,
            matrix: self.matrix,
            off_diagonal: self.off_diagonal,
            off_diagonal_total: self.off_diagonal_total,
            invariants: self.invariants,
            rollout: self.rollout,
            images: self.images,
            messages: self.messages,
            losses_unexplained: self.losses_unexplained,
            load: self.load,
            drill: self.drill.map(DrillJson::into_drill),
            events: self.events,
            settled: self.settled,
            capacity: self.capacity,
        }
    }
}

/// Distributions under the names that they are written by.
pub(super) fn from_series(series: &BTreeMap<Series, SeriesData>) -> BTreeMap<SeriesName, SeriesData> {
    series.iter().map(|(series, data)| (SeriesName(*series), data.clone())).collect()
}

/// The same read again.
pub(super) fn into_series(series: BTreeMap<SeriesName, SeriesData>) -> BTreeMap<Series, SeriesData> {
    series.into_iter().map(|(name, data)| (name.0, data)).collect()
}

impl CensusJson {
    pub(super) fn from_census(census: &Census) -> Self {
        let outcomes = Outcome::ALL.into_iter().map(|outcome| (outcome, census.count(outcome))).collect();
        Self { planned: census.planned, outcomes, unaccounted: census.unaccounted() }
    }

    pub(super) fn into_census(mut self, details: BTreeMap<Outcome, BTreeMap<String, u64>>) -> Census {
        self.outcomes.retain(|_, count| *count > 0);
        Census { planned: self.planned, outcomes: self.outcomes, details }
    }
}

impl SeriesName {
    pub(super) const fn of(series: Series) -> Self {
        Self(series)
    }
}

impl Serialize for SeriesName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for SeriesName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = SeriesName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a series")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<SeriesName, E> {
                Series::parse(name).map(SeriesName).ok_or_else(|| E::custom(format!("unknown series `{name}`")))
            }
        }
        deserializer.deserialize_str(Name).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{broker, capacity, sample};

    #[test]
    fn a_result_survives_writing_and_reading() {
        let result = sample();
        let bytes = ResultsJson.render(&result).unwrap();
        assert_eq!(from_json(&bytes).unwrap(), result);
        for found in
            [capacity::widened(), capacity::by_generator(), capacity::nothing_kept(), CapacityResult::default()]
        {
            let result = capacity::with(found);
            assert_eq!(from_json(&ResultsJson.render(&result).unwrap()).unwrap(), result);
        }
        let over_broker = broker();
        assert_eq!(from_json(&ResultsJson.render(&over_broker).unwrap()).unwrap(), over_broker);
        let empty = RunResult::default();
        assert_eq!(from_json(&ResultsJson.render(&empty).unwrap()).unwrap(), empty);
    }

    #[test]
    fn the_keys_stand_in_their_order() {
        let whole = RunResult { capacity: Some(capacity::capacity()), ..sample() };
        let text = String::from_utf8(ResultsJson.render(&whole).unwrap()).unwrap();
        let keys = |indent: usize| -> Vec<&str> {
            let is_key = |line: &&str| line.len() - line.trim_start().len() == indent;
            text.lines().filter(is_key).filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect()
        };
        assert_eq!(
            keys(2).join(" "),
            "schema name started_at duration_s version seed plan command valid invalid_reasons verdict exit_code census \
             census_by absent series intervals rate generator hub shards observer faults thresholds abort retries \
             matrix off_diagonal off_diagonal_total invariants rollout images losses_unexplained load drill events \
             capacity"
        );
        let inner = keys(4).join(" ");
        assert!(
            inner.contains(
                "planned completed failed rolled_back rejected not_online no_response throttled hub_error stuck \
                 lost_device protocol_violation not_sent aborted lost_shard unaccounted"
            ),
            "{inner}"
        );
        assert!(inner.contains("connect ping method.response twin.ack.standBy update.total schedule.lag"), "{inner}");
        assert!(
            keys(6)
                .join(" ")
                .contains("count min_us mean_us p50_us p90_us p95_us p99_us p99_9_us p99_99_us max_us saturated hdr")
        );
        let few = &serde_json::from_str::<Value>(&text).unwrap()["series"]["twin.ack.standBy"];
        assert_eq!(
            (&few["count"], &few["p50_us"], &few["p90_us"]),
            (&Value::from(21), &Value::from(11_002), &Value::Null)
        );
    }

    #[test]
    fn what_is_no_result_is_refused() {
        for (text, says) in [
            ("{", "not a result: EOF"),
            ("{}", "not a result: missing field `schema`"),
            ("{\"schema\":\"twinstorm.results/9\"}", "the schema `twinstorm.results/9`, this program reads"),
            ("{\"schema\":\"twinstorm.results/1\"}", "not a result: missing field `name`"),
        ] {
            let error = from_json(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let text = String::from_utf8(ResultsJson.render(&sample()).unwrap()).unwrap();
        let error = from_json(text.replace("update.total\":", "update.totl\":").as_bytes()).unwrap_err().to_string();
        assert!(error.contains("unknown series `update.totl`"), "{error}");
    }
}
