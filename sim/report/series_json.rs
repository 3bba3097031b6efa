//! A distribution as it stands in a result: its statistics for readers, its histogram for programs.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ReportError, hdr};
use crate::measure::SeriesData;
use crate::policy::Statistic;

/// A distribution of durations, in microseconds. A percentile with fewer than 10 samples beyond it is `None`: no number.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SeriesData")]
struct SeriesJson {
    /// How many samples.
    count: u64,
    /// The shortest.
    min_us: Option<u64>,
    /// The arithmetic mean.
    mean_us: Option<u64>,
    /// The median.
    p50_us: Option<u64>,
    /// 90 % are not longer.
    p90_us: Option<u64>,
    /// 95 % are not longer.
    p95_us: Option<u64>,
    /// 99 % are not longer.
    p99_us: Option<u64>,
    /// 99.9 % are not longer.
    p99_9_us: Option<u64>,
    /// 99.99 % are not longer.
    p99_99_us: Option<u64>,
    /// The longest.
    max_us: Option<u64>,
    /// Samples above one hour, which are counted as one hour.
    saturated: u64,
    /// The histogram, in nanoseconds: HdrHistogram's V2 form, deflated, in base64.
    hdr: String,
}

impl SeriesJson {
    fn from_data(data: &SeriesData) -> Result<Self, ReportError> {
        let micros = |statistic| data.statistic(statistic).map(|seconds| (seconds * 1e6).round() as u64);
        let percentile = |hundredths| micros(Statistic::Percentile(hundredths));
        Ok(Self {
            count: data.count(),
            min_us: micros(Statistic::Min),
            mean_us: micros(Statistic::Mean),
            p50_us: percentile(5000),
            p90_us: percentile(9000),
            p95_us: percentile(9500),
            p99_us: percentile(9900),
            p99_9_us: percentile(9990),
            p99_99_us: percentile(9999),
            max_us: micros(Statistic::Max),
            saturated: data.saturated,
            hdr: hdr::encode(data)?,
        })
    }
}

impl Serialize for SeriesData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SeriesJson::from_data(self).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SeriesData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SeriesJson { hdr, saturated, .. } = SeriesJson::deserialize(deserializer)?;
        hdr::decode(&hdr, saturated).map_err(D::Error::custom)
    }
}

impl JsonSchema for SeriesData {
    fn schema_name() -> Cow<'static, str> {
        SeriesJson::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SeriesJson::json_schema(generator)
    }
}
