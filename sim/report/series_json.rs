//! A distribution as it stands in a result: its statistics for readers, its histogram for programs.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ReportError, hdr};
use crate::measure::SeriesData;
use crate::policy::Statistic;

#[derive(Serialize, Deserialize)]
struct SeriesJson {
    count: u64,
    min_us: Option<u64>,
    mean_us: Option<u64>,
    p50_us: Option<u64>,
    p90_us: Option<u64>,
    p95_us: Option<u64>,
    p99_us: Option<u64>,
    p99_9_us: Option<u64>,
    p99_99_us: Option<u64>,
    max_us: Option<u64>,
    saturated: u64,
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
