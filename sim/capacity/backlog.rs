//! Whether a hub falls behind: a load that is too much for it makes it answer later and later, long before a threshold breaks.

use std::time::Duration;

use crate::measure::{Interval, SeriesData};
use crate::policy::{FirmwareStatus, Series, Statistic, Unit};
use crate::report::{decode, human_value};

/// What grows with what waits, at calls and at reports.
const TELLING: [Series; 3] =
    [Series::MethodResponse, Series::TwinAck(FirmwareStatus::Downloading), Series::TwinAck(FirmwareStatus::Completed)];
/// Medians of fewer samples say nothing.
const LEAST_SAMPLES: u64 = 10;
/// Medians differ by so much from one second to another for many reasons.
const NOTABLE: Duration = Duration::from_millis(30);
/// What is slower by this part of what it was may have become so by chance.
const PART: f64 = 0.3;

/// How a hub fell behind under the load of these seconds, in words; `None` if it did not, as far as they show.
///
/// With a load of `1 + x` times what it can do, what waits grows by `x` seconds in each second. A quarter of the `precision` that a
/// search is to have is what counts as growth here, so that the load which it finds is one that goes on and on.
pub(super) fn falls_behind(seconds: &[Interval], precision: f64) -> Option<String> {
    TELLING.into_iter().find_map(|series| {
        let name = series.name();
        // What cannot be read was not written by us; it shows nothing.
        let told = |second: &Interval| Some((second.t_s, decode(second.hdr.get(name)?, 0).ok()?));
        let told: Vec<(f64, SeriesData)> = seconds.iter().filter_map(told).collect();
        let total: u64 = told.iter().map(|(_, data)| data.count()).sum();
        let (first, last) = (part(told.iter(), total / 3)?, part(told.iter().rev(), total / 3)?);
        let ((first, begun), (last, ended)) = (first, last);
        let apart = ended - begun;
        let grown = (last - first).max(0.0);
        // Parts that are the same seconds are no time apart.
        let notable = (precision / 4.0 * apart).max(NOTABLE.as_secs_f64()).max(first * PART);
        let human = |seconds: f64| human_value(Unit::Duration, seconds);
        (apart > 0.0 && grown > notable).then(|| {
            format!(
                "{name} grew as the load went on: its median was {} at first and {} in the end",
                human(first),
                human(last)
            )
        })
    })
}

/// The median of the first seconds that have so many samples, and the middle of these seconds by their samples, both in seconds;
/// `None` if there are too few.
fn part<'a>(seconds: impl Iterator<Item = &'a (f64, SeriesData)>, least: u64) -> Option<(f64, f64)> {
    let (mut all, mut moments) = (SeriesData::default(), 0.0);
    for (t_s, data) in seconds {
        if all.count() >= least.max(LEAST_SAMPLES) {
            break;
        }
        all.histogram.add(&data.histogram).ok()?;
        moments += t_s * data.count() as f64;
    }
    let median = all.statistic(Statistic::Percentile(5_000)).filter(|_| all.count() >= LEAST_SAMPLES)?;
    Some((median, moments / all.count() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::encode;

    /// So many seconds of 60 calls each, which a hub answers after this many milliseconds.
    fn seconds(count: u32, answered_after_ms: impl Fn(f64) -> f64) -> Vec<Interval> {
        let second = |number: u32| {
            let mut data = SeriesData::default();
            for call in 0..60 {
                let at = f64::from(number) + f64::from(call) / 60.0;
                data.record(Duration::from_secs_f64(answered_after_ms(at) / 1e3));
            }
            let hdr = [(Series::MethodResponse.name().to_owned(), encode(&data).unwrap())].into();
            Interval { t_s: f64::from(number), length_s: 1.0, hdr, ..Interval::default() }
        };
        (0..count).map(second).collect()
    }

    #[test]
    fn a_queue_that_grows_is_told_long_before_anybody_waits_for_a_second() {
        // 42 calls a second at a hub that serves 40.
        let words = falls_behind(&seconds(6, |at| 5.0 + at * 50.0), 0.05).unwrap();
        assert_eq!(
            words,
            "method.response grew as the load went on: its median was 54.2 ms at first and 254 ms in the end"
        );
    }

    #[test]
    fn a_hub_that_is_slow_or_uneven_does_not_fall_behind() {
        assert_eq!(falls_behind(&seconds(6, |_| 900.0), 0.05), None);
        assert_eq!(falls_behind(&seconds(30, |at| 40.0 + 35.0 * at.sin()), 0.05), None);
        assert_eq!(falls_behind(&seconds(6, |at| 5.0 + at * 3.0), 0.05), None, "a tenth of that");
        assert_eq!(falls_behind(&seconds(6, |at| 500.0 - at * 50.0), 0.05), None, "it recovers");
        assert_eq!(falls_behind(&seconds(1, |at| at * 900.0), 0.05), None, "too short to tell");
        assert_eq!(falls_behind(&[], 0.05), None);
    }
}
