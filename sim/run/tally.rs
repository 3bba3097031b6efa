//! What has been measured so far: the whole, and one interval per progress message.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::measure::{Gauges, Interval, Measurements, SeriesData};
use crate::policy::{FirmwareStatus, Series, Statistic};
use crate::report;
use crate::shard::Progress;

/// Intervals that are kept: four hours. A fleet may stand for days; of a longer run, the last hours are told.
const MAX_INTERVALS: usize = 14_400;

/// The running tally of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Everything so far.
    pub(super) total: Measurements,
    /// What stands now.
    pub(super) gauges: Gauges,
    /// The seconds passed.
    pub(super) intervals: VecDeque<Interval>,
    /// Lateness of the calls of the last second, in microseconds: see [`SeriesData::cautious_p99`].
    pub(super) last_lag_us: Option<u64>,
}

impl Tally {
    /// Takes in a shard's progress.
    pub(super) fn add(&mut self, progress: &Progress) {
        self.gauges = progress.gauges;
        self.total.merge(&progress.measurements);
        self.last_lag_us = progress.measurements.series.get(&Series::ScheduleLag).and_then(cautious_p99_us);
        // One that spans no time tells how things stand, and measured nothing.
        if progress.until > progress.from {
            self.intervals.push_back(interval(progress));
        }
        if self.intervals.len() > MAX_INTERVALS {
            self.intervals.pop_front();
        }
    }

    /// The longest update so far, once there are enough to go by.
    pub(super) fn longest_update(&self) -> Option<Duration> {
        const ENOUGH: u64 = 20;
        let data = self.total.series.get(&Series::UpdateTotal).filter(|data| data.count() >= ENOUGH)?;
        Duration::try_from_secs_f64(data.statistic(Statistic::Max)?).ok()
    }

    /// Calls due and calls sent per second over the last interval.
    pub(super) fn last_rate(&self) -> Option<(f64, f64)> {
        let last = self.intervals.back().filter(|last| last.length_s > 0.0)?;
        Some((last.offered as f64 / last.length_s, last.achieved as f64 / last.length_s))
    }
}

fn interval(progress: &Progress) -> Interval {
    let Progress { measurements, gauges, from, until, .. } = progress;
    let stages = FirmwareStatus::ALL.into_iter().zip(gauges.stages);
    let series = measurements.series.iter();
    Interval {
        t_s: until.as_secs_f64(),
        length_s: until.since(*from).as_secs_f64(),
        connected: gauges.connected,
        stages: stages.map(|(status, count)| (status.as_str().to_owned(), count)).collect(),
        offered: measurements.counters.calls_due,
        achieved: measurements.counters.calls_sent,
        attempts: measurements.counters.connect_attempts + measurements.counters.call_attempts,
        p50_us: percentile(&measurements.series, Statistic::Percentile(5_000)),
        p99_us: percentile(&measurements.series, Statistic::Percentile(9_900)),
        // Encoding fails for values outside the histogram's own bounds only: there are none.
        hdr: series.filter_map(|(series, data)| Some((series.name().to_owned(), report::encode(data).ok()?))).collect(),
    }
}

/// A percentile of each series that has one, in microseconds.
fn percentile(series: &BTreeMap<Series, SeriesData>, statistic: Statistic) -> BTreeMap<String, u64> {
    series
        .iter()
        .filter_map(|(series, data)| Some((series.name().to_owned(), micros(data.statistic(statistic)?))))
        .collect()
}

/// [`SeriesData::cautious_p99`] in microseconds.
pub(super) fn cautious_p99_us(data: &SeriesData) -> Option<u64> {
    data.cautious_p99().map(micros)
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::Nanos;

    fn progress(from: u64, until: u64, calls: u64) -> Progress {
        let second = |seconds: u64| Nanos::ZERO + Duration::from_secs(seconds);
        let mut progress = Progress { from: second(from), until: second(until), ..Progress::default() };
        progress.measurements.counters.calls_due = calls;
        progress.measurements.counters.calls_sent = calls;
        for _ in 0..calls {
            let data = progress.measurements.series.entry(Series::ScheduleLag).or_default();
            data.record(Duration::from_millis(2));
        }
        progress
    }

    #[test]
    fn an_interval_is_as_long_as_its_progress_says() {
        let mut tally = Tally::default();
        tally.add(&progress(0, 1, 100));
        tally.add(&progress(1, 3, 100));
        assert_eq!(tally.last_rate(), Some((50.0, 50.0)));
        assert!(tally.last_lag_us.is_some_and(|lag| (1_998..=2_002).contains(&lag)), "{:?}", tally.last_lag_us);
        assert_eq!(tally.total.counters.calls_sent, 200);
        let first = &tally.intervals[0];
        assert_eq!((first.t_s, first.length_s, first.offered), (1.0, 1.0, 100));
        assert_eq!(report::decode(&first.hdr["schedule.lag"], 0).unwrap().count(), 100);
    }

    #[test]
    fn intervals_are_bounded() {
        let mut tally = Tally::default();
        (0..MAX_INTERVALS as u64 + 5).for_each(|second| tally.add(&progress(second, second + 1, 0)));
        assert_eq!((tally.intervals.len(), tally.intervals[0].t_s), (MAX_INTERVALS, 6.0));
    }
}
