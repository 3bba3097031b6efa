//! What has been measured so far: the whole, the present second, and one interval per second passed.

use std::collections::BTreeMap;

use crate::measure::{Census, Gauges, Interval, Measurements, SeriesData};
use crate::policy::{FirmwareStatus, Series, Statistic};
use crate::report;
use crate::shard::Progress;
use crate::time::Nanos;

/// The running tally of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Everything up to the last tick.
    pub(super) total: Measurements,
    /// What stands now.
    pub(super) gauges: Gauges,
    /// The seconds passed.
    pub(super) intervals: Vec<Interval>,
    current: Measurements,
    last_tick: Nanos,
}

impl Tally {
    /// Takes in a shard's progress.
    pub(super) fn add(&mut self, progress: &Progress) {
        self.current.merge(&progress.measurements);
        self.gauges = progress.gauges;
    }

    /// Ends the present second at `now`.
    pub(super) fn tick(&mut self, now: Nanos) {
        let measured = std::mem::take(&mut self.current);
        self.total.merge(&measured);
        let stages = FirmwareStatus::ALL.into_iter().zip(self.gauges.stages);
        self.intervals.push(Interval {
            t_s: now.as_secs_f64(),
            length_s: now.since(self.last_tick).as_secs_f64(),
            connected: self.gauges.connected,
            stages: stages.map(|(status, count)| (status.as_str().to_owned(), count)).collect(),
            offered: measured.counters.calls_due,
            achieved: measured.counters.calls_sent,
            attempts: measured.counters.connect_attempts + measured.counters.call_attempts,
            p50_us: percentile(&measured.series, Statistic::Percentile(5_000)),
            p99_us: percentile(&measured.series, Statistic::Percentile(9_900)),
            hdr: measured
                .series
                .iter()
                // Encoding fails for values outside the histogram's own bounds only: there are none.
                .filter_map(|(series, data)| Some((series.name().to_owned(), report::encode(data).ok()?)))
                .collect(),
        });
        self.last_tick = now;
    }

    /// Outcomes since the last tick.
    pub(super) fn pending_census(&self) -> Census {
        self.current.census.clone()
    }

    /// Calls due and calls sent per second over the last interval.
    pub(super) fn last_rate(&self) -> Option<(f64, f64)> {
        let last = self.intervals.last().filter(|last| last.length_s > 0.0)?;
        Some((last.offered as f64 / last.length_s, last.achieved as f64 / last.length_s))
    }
}

/// A percentile of each series that has one, in microseconds.
fn percentile(series: &BTreeMap<Series, SeriesData>, statistic: Statistic) -> BTreeMap<String, u64> {
    series
        .iter()
        .filter_map(|(series, data)| {
            let seconds = data.statistic(statistic)?;
            Some((series.name().to_owned(), (seconds * 1e6).round() as u64))
        })
        .collect()
}

/// The 99th percentile of a series, or its largest value where there are too few samples; in microseconds.
pub(super) fn p99_or_max_us(data: &SeriesData) -> Option<u64> {
    let seconds = data.statistic(Statistic::Percentile(9_900)).or_else(|| data.statistic(Statistic::Max))?;
    Some((seconds * 1e6).round() as u64)
}
