//! What has been measured so far: the whole, each shard's part of it, and an interval for each second.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::peaks::Peaks;
use crate::measure::{Gauges, Interval, Measurements, MessageKind, SeriesData, Usage};
use crate::policy::{FirmwareStatus, Outcome, Series, Statistic};
use crate::report;
use crate::shard::Progress;
use crate::time::Nanos;

/// Intervals that are kept: four hours. A fleet may stand for days; of a longer run, the last hours are told.
const MAX_INTERVALS: usize = 14_400;
/// Seconds that a second waits for shards that have not told of it yet.
const PATIENCE: u64 = 3;

/// The running tally of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Everything so far.
    pub(super) total: Measurements,
    /// Every shard's part.
    pub(super) parts: Vec<Part>,
    /// The seconds passed.
    pub(super) intervals: VecDeque<Interval>,
    /// The most strikes of each fault of the plan in a second.
    pub(super) strike_peaks: BTreeMap<usize, f64>,
    /// Lateness of the calls of the last second, in microseconds: see [`SeriesData::cautious_p99`].
    pub(super) last_lag_us: Option<u64>,
    /// Attempts in the seconds of the load that had most.
    pub(super) peaks: Peaks,
    /// When the load starts, once that is known.
    load_start: Option<Nanos>,
    /// Policies of connecting.
    cohorts: usize,
    /// Seconds of which not every shard has told yet.
    open: BTreeMap<u64, Open>,
    /// The first second that is not closed.
    closed: u64,
}

/// What is known of a shard.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// How things stood when it spoke last.
    pub(super) gauges: Gauges,
    /// Updates planned and ended, as far as it has told.
    pub(super) planned: u64,
    pub(super) ended: u64,
    /// Updates that have not ended yet, by wave of the roll-out, where there is one.
    open: BTreeMap<u32, u64>,
    /// What its process has used.
    pub(super) usage: Usage,
    pub(super) descriptors: u64,
    /// Whether it was lost.
    pub(super) lost: bool,
    /// Until when it has told, and whether it will tell more.
    until: Nanos,
    over: bool,
}

/// A second that is not whole yet.
#[derive(Debug)]
struct Open {
    from: Nanos,
    until: Nanos,
    measurements: Measurements,
    attempts: Peaks,
}

impl Tally {
    /// An empty tally of so many shards, whose devices connect by so many policies.
    pub(super) fn new(shards: usize, cohorts: usize) -> Self {
        Self { parts: vec![Part::default(); shards], cohorts, ..Self::default() }
    }

    /// The load starts at `at`, which is still to come.
    pub(super) const fn load_starts(&mut self, at: Nanos) {
        self.load_start = Some(at);
    }

    /// Takes in what shard number `shard` has told.
    pub(super) fn add(&mut self, shard: usize, progress: Progress) {
        let Progress { from, until, mut measurements, gauges, usage, descriptors, .. } = progress;
        if self.parts.len() > 1 {
            // Workers of different shards have the same names, and so have their drivers' connections.
            let named = |name: String| format!("shard-{shard}/{name}");
            let lags = std::mem::take(&mut measurements.loop_lag).into_iter();
            measurements.loop_lag = lags.map(|(name, lag)| (named(name), lag)).collect();
            let lines = std::mem::take(&mut measurements.lines).into_iter();
            measurements.lines = lines.map(|(name, line)| (named(name), line)).collect();
        }
        let part = &mut self.parts[shard];
        part.gauges = gauges;
        part.planned += measurements.census.planned;
        part.ended += measurements.census.ended();
        for (wave, count) in &measurements.waves {
            let open = part.open.entry(*wave).or_default();
            *open = (*open + count.planned).saturating_sub(count.ended());
        }
        part.descriptors = part.descriptors.max(descriptors);
        // One that spans no time tells how things stand, and measured nothing.
        if until <= from {
            return;
        }
        part.usage = usage;
        part.until = until;
        self.total.merge(&measurements);
        // The second in which most of it lies: reports come a little after each whole second. One that comes too late for
        // its second counts in the first that is still open, so that intervals follow one another.
        let second = Nanos::new(u64::midpoint(from.get(), until.get())).as_secs().max(self.closed);
        // The peak is that of the load: a fleet that connects for the first time would hide every storm that follows. A
        // shard tells of its connecting apart from what comes after.
        let loaded = self.load_start.is_some_and(|start| until > start);
        let attempts = if loaded { Peaks::of(&measurements.retries, until.since(from)) } else { Peaks::default() };
        // With several shards an interval is its second and no more, however long a span one of them told of: the others'
        // counts are of that second.
        let (from, until) = if self.parts.len() > 1 { within(second, from, until) } else { (from, until) };
        match self.open.get_mut(&second) {
            Some(open) => {
                open.from = open.from.min(from);
                open.until = open.until.max(until);
                open.measurements.absorb(measurements);
                open.attempts.add(&attempts);
            }
            None => drop(self.open.insert(second, Open { from, until, measurements, attempts })),
        }
        self.close_whole_seconds();
    }

    /// Nothing more comes from shard number `shard`.
    pub(super) fn end(&mut self, shard: usize) {
        self.parts[shard].over = true;
        self.close_whole_seconds();
    }

    /// Closes every second of which all shards have told, or which has waited too long for one that has not.
    fn close_whole_seconds(&mut self) {
        let told = self.parts.iter().filter(|part| !part.over).map(|part| part.until.as_secs()).min();
        let newest = self.open.last_key_value().map_or(0, |(second, _)| *second);
        let whole = told.unwrap_or(u64::MAX).max(newest.saturating_sub(PATIENCE));
        while let Some(first) = self.open.first_entry().filter(|first| *first.key() < whole) {
            self.closed = first.key() + 1;
            let open = first.remove();
            for (fault, counts) in open.measurements.faults.iter().filter(|(_, counts)| counts.strikes > 0) {
                // A part of a second shows no rate above what struck in it.
                let rate = counts.strikes as f64 / open.until.since(open.from).as_secs_f64().max(1.0);
                let peak = self.strike_peaks.entry(*fault).or_default();
                *peak = peak.max(rate);
            }
            self.last_lag_us = open.measurements.series.get(&Series::ScheduleLag).and_then(cautious_p99_us);
            self.peaks.raise(&open.attempts);
            self.intervals.push_back(open.close(&self.gauges(), self.cohorts));
            if self.intervals.len() > MAX_INTERVALS {
                self.intervals.pop_front();
            }
        }
    }

    /// Updates of a wave that may still end: those of shards that will tell of it.
    pub(super) fn open(&self, wave: u32) -> u64 {
        let at_work = self.parts.iter().filter(|part| !part.over);
        at_work.filter_map(|part| part.open.get(&wave)).sum()
    }

    /// Devices that have been called in the waves so far.
    pub(super) fn called(&self) -> u64 {
        self.total.waves.values().map(|wave| wave.called).sum()
    }

    /// How the updates of all waves have ended so far.
    pub(super) fn wave_outcomes(&self) -> BTreeMap<Outcome, u64> {
        let mut sum = BTreeMap::new();
        for (outcome, count) in self.total.waves.values().flat_map(|wave| &wave.outcomes) {
            *sum.entry(*outcome).or_default() += count;
        }
        sum
    }

    /// How things stand in all shards together.
    pub(super) fn gauges(&self) -> Gauges {
        let mut sum = Gauges::default();
        self.parts.iter().for_each(|part| sum.merge(&part.gauges));
        sum
    }

    /// The longest update so far, once there are enough to go by.
    pub(super) fn longest_update(&self) -> Option<Duration> {
        const ENOUGH: u64 = 20;
        let data = self.total.series.get(&Series::UpdateTotal).filter(|data| data.count() >= ENOUGH)?;
        Duration::try_from_secs_f64(data.statistic(Statistic::Max)?).ok()
    }

    /// Messages of telemetry sent and delivered per second over the last interval.
    pub(super) fn last_telemetry(&self) -> Option<(f64, f64)> {
        let last = self.intervals.back().filter(|last| last.length_s > 0.0)?;
        Some((last.telemetry_sent as f64 / last.length_s, last.telemetry_delivered as f64 / last.length_s))
    }

    /// Calls due and calls sent per second over the last interval.
    pub(super) fn last_rate(&self) -> Option<(f64, f64)> {
        let last = self.intervals.back().filter(|last| last.length_s > 0.0)?;
        Some((last.offered as f64 / last.length_s, last.achieved as f64 / last.length_s))
    }
}

/// The part of a span that lies in a second of the run; that second, if none does.
fn within(second: u64, from: Nanos, until: Nanos) -> (Nanos, Nanos) {
    let start = Nanos::ZERO + Duration::from_secs(second);
    let end = start + Duration::from_secs(1);
    let (from, until) = (from.clamp(start, end), until.clamp(start, end));
    if from < until { (from, until) } else { (start, end) }
}

impl Open {
    fn close(self, gauges: &Gauges, cohorts: usize) -> Interval {
        let Self { from, until, measurements, .. } = self;
        let retries = &measurements.retries;
        let of = |cohort: usize| retries.connect.get(&cohort).map_or(0, |counts| counts.attempts);
        let stages = FirmwareStatus::ALL.into_iter().zip(gauges.stages);
        let telemetry = measurements.messages.counts(Some(MessageKind::Telemetry));
        let series = measurements.series.iter();
        // Encoding fails for values outside the histogram's own bounds only: there are none.
        let hdr = series.filter_map(|(series, data)| Some((series.name().to_owned(), report::encode(data).ok()?)));
        Interval {
            t_s: until.as_secs_f64(),
            length_s: until.since(from).as_secs_f64(),
            connected: gauges.connected,
            stages: stages.map(|(status, count)| (status.as_str().to_owned(), count)).collect(),
            offered: measurements.counters.calls_due + measurements.settled.calls_due,
            achieved: measurements.counters.calls_sent + measurements.settled.calls_sent,
            attempts: retries.connect_attempts() + retries.method.attempts,
            hdr: hdr.collect(),
            p50_us: percentile(&measurements.series, Statistic::Percentile(5_000)),
            p99_us: percentile(&measurements.series, Statistic::Percentile(9_900)),
            connect_attempts: retries.connect_attempts(),
            call_attempts: retries.method.attempts,
            report_attempts: retries.twin.attempts,
            cohort_attempts: if cohorts > 1 { (0..cohorts).map(of).collect() } else { Vec::new() },
            telemetry_sent: telemetry.sent,
            telemetry_delivered: telemetry.delivered,
        }
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

    fn progress(from: f64, until: f64, calls: u64) -> Progress {
        let moment = |seconds: f64| Nanos::ZERO + Duration::from_secs_f64(seconds);
        let mut progress = Progress { from: moment(from), until: moment(until), ..Progress::default() };
        progress.gauges.connected = 1;
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
        let mut tally = Tally::new(1, 1);
        tally.add(0, progress(0.0, 1.0, 100));
        tally.add(0, progress(1.0, 3.0, 100));
        assert_eq!(tally.last_rate(), Some((50.0, 50.0)));
        assert!(tally.last_lag_us.is_some_and(|lag| (1_998..=2_002).contains(&lag)), "{:?}", tally.last_lag_us);
        assert_eq!(tally.total.counters.calls_sent, 200);
        let first = &tally.intervals[0];
        assert_eq!((first.t_s, first.length_s, first.offered), (1.0, 1.0, 100));
        assert_eq!(report::decode(&first.hdr["schedule.lag"], 0).unwrap().count(), 100);
    }

    #[test]
    fn what_is_told_in_two_parts_of_a_second_makes_one_interval() {
        let mut tally = Tally::new(1, 1);
        tally.add(0, progress(4.001, 4.3, 5));
        assert!(tally.intervals.is_empty());
        tally.add(0, progress(4.3, 5.002, 7));
        assert_eq!((tally.intervals.len(), tally.intervals[0].offered), (1, 12));
        tally.add(0, progress(5.002, 5.1, 3));
        tally.end(0);
        assert_eq!((tally.intervals.len(), tally.intervals[1].offered), (2, 3));
    }

    #[test]
    fn a_second_waits_for_all_shards_but_not_for_ever() {
        let mut tally = Tally::new(2, 1);
        tally.add(0, progress(0.2, 1.001, 10));
        assert!(tally.intervals.is_empty());
        tally.add(1, progress(0.3, 1.004, 20));
        assert_eq!((tally.intervals.len(), tally.intervals[0].offered, tally.intervals[0].connected), (1, 30, 2));
        // The second shard says nothing for a while.
        for second in 1..=5 {
            tally.add(0, progress(f64::from(second), f64::from(second) + 1.001, 1));
        }
        assert_eq!(tally.intervals.len(), 2);
        // Then it tells of all of it at once, too late for most.
        tally.add(1, progress(1.004, 6.004, 50));
        tally.end(1);
        tally.end(0);
        assert_eq!(tally.total.counters.calls_sent, 85);
        let ends: Vec<_> = tally.intervals.iter().map(|interval| interval.t_s.round()).collect();
        assert_eq!(ends, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(tally.intervals.iter().map(|interval| interval.achieved).sum::<u64>(), 85);
        assert!(tally.intervals.iter().all(|interval| interval.length_s <= 1.0), "{:?}", tally.intervals);
    }

    #[test]
    fn the_peak_is_that_of_all_shards_together_and_of_the_load_alone() {
        let mut tally = Tally::new(2, 2);
        let tell = |tally: &mut Tally, shard, from: f64, until, attempts: [u64; 2]| {
            let mut progress = progress(from, until, 0);
            for (cohort, attempts) in attempts.into_iter().enumerate() {
                progress.measurements.retries.connect(cohort).attempts = attempts;
            }
            tally.add(shard, progress);
        };
        // All connect for the first time, the last of them in the second in which the load starts.
        for (from, until) in [(0.0, 1.001), (1.001, 1.4)] {
            (0..2).for_each(|shard| tell(&mut tally, shard, from, until, [90, 90]));
        }
        tally.load_starts(Nanos::ZERO + Duration::from_millis(1_700));
        (0..2).for_each(|shard| tell(&mut tally, shard, 1.4, 2.001, [1, 0]));
        // The shards' own peaks, 9 and 8 of the first cohort, fall into different seconds.
        for (second, attempts) in [(2.0, [[9, 1], [0, 1]]), (3.0, [[2, 1], [8, 0]])] {
            tell(&mut tally, 0, second, second + 1.001, attempts[0]);
            tell(&mut tally, 1, second, second + 1.001, attempts[1]);
        }
        // One that was held up tells of two seconds at once.
        tell(&mut tally, 0, 4.001, 6.001, [18, 0]);
        (0..2).for_each(|shard| tally.end(shard));
        assert_eq!((tally.peaks.connect_all, &tally.peaks.connect), (11, &BTreeMap::from([(0, 10), (1, 2)])));
        assert_eq!(tally.intervals[3].cohort_attempts, [10, 1]);
        let attempts: Vec<_> = tally.intervals.iter().map(|interval| interval.connect_attempts).collect();
        assert_eq!(attempts, [360, 362, 11, 11, 18]);
    }

    #[test]
    fn the_second_with_most_strikes_is_the_peak() {
        let mut tally = Tally::new(1, 1);
        for (from, until, strikes) in [(0.0, 1.0, 20), (1.0, 3.0, 60), (3.0, 3.1, 25)] {
            let mut progress = progress(from, until, 0);
            progress.measurements.faults.entry(4).or_default().strikes = strikes;
            tally.add(0, progress);
        }
        tally.end(0);
        assert_eq!(tally.strike_peaks, [(4, 30.0)].into());
    }

    #[test]
    fn workers_of_several_shards_keep_apart() {
        let mut tally = Tally::new(2, 1);
        for shard in 0..2 {
            let mut progress = progress(0.0, 1.0, 0);
            progress.measurements.loop_lag.entry("driver".to_owned()).or_default();
            progress.measurements.lines.entry("line-0".to_owned()).or_default();
            tally.add(shard, progress);
        }
        let names: Vec<_> = tally.total.loop_lag.keys().collect();
        assert_eq!(names, ["shard-0/driver", "shard-1/driver"]);
        let names: Vec<_> = tally.total.lines.keys().collect();
        assert_eq!(names, ["shard-0/line-0", "shard-1/line-0"]);
    }

    #[test]
    fn intervals_are_bounded() {
        let mut tally = Tally::new(1, 1);
        let seconds = (0..MAX_INTERVALS as u32 + 5).map(f64::from);
        seconds.for_each(|second| tally.add(0, progress(second, second + 1.0, 0)));
        assert_eq!((tally.intervals.len(), tally.intervals[0].t_s), (MAX_INTERVALS, 6.0));
    }
}
