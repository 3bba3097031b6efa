//! The seconds of a run, as few enough to draw and to list.

use super::text;
use crate::measure::{Interval, LoadSpan, RunResult};
use crate::policy::DrillPhase;
use crate::report::chart::{Bucket, Mark, buckets, grouped};

/// So many steps a picture has at most.
const STEPS: usize = 180;
/// So many rows a table has at most.
const ROWS: usize = 40;

/// The seconds of a run, and what happened in them.
pub(super) struct Timeline<'a> {
    pub(super) intervals: &'a [Interval],
    /// Whether they are the load's alone.
    is_part: bool,
    /// From when until when there are seconds.
    pub(super) span_s: (f64, f64),
    /// What pictures over time are marked with.
    pub(super) marks: Vec<Mark>,
    /// The steps of pictures.
    pub(super) steps: Vec<Bucket>,
    /// The rows of tables.
    pub(super) rows: Vec<Bucket>,
}

impl<'a> Timeline<'a> {
    /// The whole run.
    pub(super) fn of(result: &'a RunResult) -> Self {
        Self::part(result, &result.intervals, false)
    }

    /// The load alone, where it is but a part of the run: what it does would be too narrow to see.
    pub(super) fn of_load(result: &'a RunResult) -> Self {
        /// A load that is a smaller part of the run is looked at by itself.
        const SMALL: f64 = 0.6;
        let whole = Self::of(result);
        let all = &result.intervals[..];
        let is_short = |load: &LoadSpan| load.to_s - load.from_s < SMALL * whole.span_s.1;
        let Some(load) = result.load.or_else(|| seen(all)).filter(is_short) else { return whole };
        // A second before and two after show how it began and ended.
        let from = all.partition_point(|interval| interval.t_s <= load.from_s - 1.0);
        let to = all.partition_point(|interval| interval.t_s - interval.length_s <= load.to_s + 2.0);
        match all.get(from..to) {
            Some(part) if part.len() > 1 => Self::part(result, part, true),
            _ => whole,
        }
    }

    fn part(result: &'a RunResult, intervals: &'a [Interval], is_part: bool) -> Self {
        let ends: Vec<(f64, f64)> = intervals.iter().map(|interval| (interval.t_s, interval.length_s)).collect();
        let begin = if is_part { ends.first().map_or(0.0, |(end, length)| end - length) } else { 0.0 };
        let span_s = (begin, intervals.last().map_or(0.0, |interval| interval.t_s));
        let steps = buckets(&ends, STEPS);
        let rows = grouped(&steps, ROWS);
        Self { intervals, is_part, span_s, marks: marks(result, span_s), steps, rows }
    }

    /// The seconds of a bucket.
    pub(super) fn seconds(&self, bucket: &Bucket) -> &'a [Interval] {
        self.intervals.get(bucket.intervals.clone()).unwrap_or_default()
    }

    /// What was counted in a bucket, all its seconds added up.
    pub(super) fn sum(&self, bucket: &Bucket, of: impl Fn(&Interval) -> u64) -> u64 {
        self.seconds(bucket).iter().map(of).sum()
    }

    /// The same per second.
    pub(super) fn rate(&self, bucket: &Bucket, of: impl Fn(&Interval) -> u64) -> f64 {
        self.sum(bucket, of) as f64 / bucket.length_s()
    }

    /// What a step of a picture stands for.
    pub(super) fn step_words(&self, how: &str) -> String {
        step_words(&self.steps, how)
    }

    /// What a row of a table stands for.
    pub(super) fn row_words(&self, how: &str) -> String {
        step_words(&self.rows, how)
    }

    /// That only a part of the run is shown, where it is so.
    pub(super) const fn part_words(&self) -> &'static str {
        if self.is_part { " Only the time of the load is shown." } else { "" }
    }

    /// A step's line of values.
    pub(super) fn line(&self, value: impl Fn(&Bucket) -> Option<f64>) -> Vec<(f64, f64, Option<f64>)> {
        self.steps.iter().map(|step| (step.from_s, step.to_s, value(step))).collect()
    }

    /// How the marks are to be read; empty without any.
    pub(super) fn mark_words(&self) -> &'static str {
        if self.marks.iter().any(|mark| matches!(mark, Mark::Shade(..))) {
            " Shaded: while faults were active."
        } else {
            ""
        }
    }
}

/// When there was load, of a result that does not say: from its first call to the last second that measured of one.
fn seen(intervals: &[Interval]) -> Option<LoadSpan> {
    let first = intervals.iter().find(|interval| interval.offered + interval.achieved > 0)?;
    let of_update = |name: &String| ["method.", "transition.", "update."].iter().any(|family| name.starts_with(family));
    let last = intervals.iter().rev().find(|interval| interval.hdr.keys().any(of_update)).unwrap_or(first);
    Some(LoadSpan { from_s: first.t_s - first.length_s, to_s: last.t_s })
}

fn step_words(buckets: &[Bucket], how: &str) -> String {
    match buckets.first().map_or(1, |bucket| bucket.intervals.len()) {
        0 | 1 => "one second each".to_owned(),
        several => format!("{several} seconds each, {how}"),
    }
}

/// The start of the load, the phases of a drill, the abort of a roll-out, and when faults were active.
fn marks(result: &RunResult, (begin, end): (f64, f64)) -> Vec<Mark> {
    let mut marks = Vec::new();
    if let Some(load) = result.load {
        marks.push(Mark::At(load.from_s, "load starts".to_owned()));
    }
    let mut active: Vec<(f64, f64)> = Vec::new();
    if let Some(drill) = &result.drill {
        let later = drill.phases.iter().filter(|phase| phase.name != DrillPhase::Before);
        marks.extend(later.map(|phase| Mark::At(phase.from_s, phase.name.to_string())));
        active.extend(drill.timeline.iter().map(|fault| (fault.from_s, fault.to_s.unwrap_or(end).min(end))));
    } else if let (Some(load), Some(hub)) = (result.load, &result.hub) {
        let span = |began: Option<f64>, ended: Option<f64>| {
            began.map(|began| (load.from_s + began, ended.map_or(end, |ended| (load.from_s + ended).min(end))))
        };
        active.extend(hub.faults.iter().filter_map(|fault| span(fault.began_s, fault.ended_s)));
    }
    if let Some(abort) = result.rollout.as_ref().and_then(|rollout| rollout.aborted.as_ref()) {
        marks.push(Mark::At(abort.at_s, "roll-out aborted".to_owned()));
    }
    if let Some(abort) = &result.abort {
        marks.push(Mark::At(abort.at_s, "ended by a threshold".to_owned()));
    }
    active.retain(|(from, to)| *to > begin && *from < end);
    marks.retain(|mark| matches!(mark, Mark::At(at, _) if (begin..=end).contains(at)));
    marks.extend(joined(active).into_iter().map(|(from, to)| Mark::Shade(from, to)));
    marks
}

/// Spans that overlap as one.
fn joined(mut spans: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut all: Vec<(f64, f64)> = Vec::new();
    for (from, to) in spans {
        match all.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

/// The head of a row: its end.
pub(super) fn row_name(bucket: &Bucket) -> String {
    text::moment(bucket.to_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn counts_stay_whole_however_long_the_run() {
        let mut result = sample();
        result.intervals = (1..=14_400_u32)
            .map(|second| Interval {
                t_s: f64::from(second),
                length_s: 1.0,
                offered: u64::from(second % 7),
                ..Interval::default()
            })
            .collect();
        let timeline = Timeline::of(&result);
        let all: u64 = result.intervals.iter().map(|interval| interval.offered).sum();
        for buckets in [&timeline.steps, &timeline.rows] {
            assert_eq!(
                buckets.iter().map(|bucket| timeline.sum(bucket, |interval| interval.offered)).sum::<u64>(),
                all
            );
        }
        assert_eq!((timeline.steps.len(), timeline.rows.len()), (180, 36));
        assert_eq!(timeline.step_words("added up"), "80 seconds each, added up");
    }

    #[test]
    fn spans_that_overlap_are_one() {
        assert_eq!(joined(vec![(5.0, 6.0), (0.0, 2.0), (1.0, 3.0)]), [(0.0, 3.0), (5.0, 6.0)]);
    }
}
