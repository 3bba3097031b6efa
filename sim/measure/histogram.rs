//! One series' distribution.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::policy::Statistic;

/// Shortest duration that is told apart from zero, in nanoseconds.
const LOWEST: u64 = 1_000;
/// Longest duration, one hour, in nanoseconds.
const HIGHEST: u64 = 3_600_000_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 3;
/// A percentile with fewer samples beyond it is no number.
const MIN_BEYOND: u64 = 10;

/// A histogram of durations in nanoseconds, 1 us to 1 h at 3 significant digits. Longer ones count as 1 h and are
/// counted as saturated besides.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesData {
    /// The samples, in nanoseconds.
    pub histogram: Histogram<u64>,
    /// Samples above the highest value.
    pub saturated: u64,
}

impl Default for SeriesData {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS)
            .unwrap_or_else(|_| unreachable!("the bounds are constants that fit"));
        Self { histogram, saturated: 0 }
    }
}

impl SeriesData {
    /// Adds a sample.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if nanos > HIGHEST {
            self.saturated += 1;
        }
        self.histogram.saturating_record(nanos.min(HIGHEST));
    }

    /// Adds all samples of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.saturated += other.saturated;
        // Both have the same bounds, so nothing can lie outside.
        if self.histogram.add(&other.histogram).is_err() {
            self.saturated += other.histogram.len();
        }
    }

    /// How many samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The 99th percentile in seconds however few the samples: a cautious figure for the generator's own health, never
    /// one to be reported of a hub. `None` for an empty series.
    #[must_use]
    pub fn cautious_p99(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.histogram.value_at_quantile(0.99) as f64 / 1e9)
    }

    /// How long the `rank`-th shortest took, in seconds, from 1; `None` if there are fewer.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<f64> {
        let quantile = (rank as f64 - 0.5) / self.count() as f64;
        (1..=self.count()).contains(&rank).then(|| self.histogram.value_at_quantile(quantile) as f64 / 1e9)
    }

    /// What this share of all samples, from 0 to 1, took no longer than, in seconds; `None` with fewer than 10 samples
    /// beyond it, and for an empty series.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        if quantile.is_nan() || quantile < 0.0 || quantile > self.last_quantile() {
            return None;
        }
        let bucket = if quantile == 0.0 { self.histogram.min() } else { self.histogram.value_at_quantile(quantile) };
        Some(bucket.min(self.histogram.max()) as f64 / 1e9)
    }

    /// The last quantile with 10 samples beyond it; below zero where there is none.
    #[must_use]
    pub fn last_quantile(&self) -> f64 {
        1.0 - MIN_BEYOND as f64 / self.count() as f64
    }

    /// A statistic, in seconds; the count as a plain number. `None` for an empty series, and for a percentile with
    /// fewer than 10 samples beyond it.
    #[must_use]
    pub fn statistic(&self, statistic: Statistic) -> Option<f64> {
        let count = self.count();
        if statistic == Statistic::Count {
            return Some(count as f64);
        }
        if count == 0 {
            return None;
        }
        let nanos = match statistic {
            Statistic::Count => return Some(count as f64),
            Statistic::Min => self.histogram.min() as f64,
            Statistic::Max => self.histogram.max() as f64,
            Statistic::Mean => self.histogram.mean(),
            Statistic::Percentile(hundredths) => {
                let hundredths = u64::from(hundredths);
                let beyond = count - (count * hundredths).div_ceil(10_000);
                if beyond < MIN_BEYOND {
                    return None;
                }
                // A bucket is told by its end, which may lie beyond the longest sample: zeros would take a microsecond.
                let bucket = self.histogram.value_at_quantile(hundredths as f64 / 10_000.0);
                bucket.min(self.histogram.max()) as f64
            }
        };
        Some(nanos / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P50: Statistic = Statistic::Percentile(5_000);
    const P99: Statistic = Statistic::Percentile(9_900);

    fn filled(samples: u64) -> SeriesData {
        let mut data = SeriesData::default();
        (1..=samples).for_each(|n| data.record(Duration::from_micros(n)));
        data
    }

    #[test]
    fn no_percentile_lies_beyond_the_longest_sample() {
        let mut data = SeriesData::default();
        (0..100).for_each(|_| data.record(Duration::ZERO));
        assert_eq!((data.statistic(P50), data.statistic(Statistic::Max)), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        assert_eq!(filled(19).statistic(P50), None);
        assert!(filled(20).statistic(P50).is_some());
        assert_eq!(filled(999).statistic(P99), None);
        let cautious = filled(200).cautious_p99().unwrap();
        assert!((cautious / 198e-6 - 1.0).abs() < 0.001, "{cautious}");
        assert_eq!(SeriesData::default().cautious_p99(), None);
        assert!(filled(1000).statistic(P99).is_some());
    }

    #[test]
    fn quantiles_are_the_percentiles_of_the_tables_and_end_where_these_do() {
        for samples in [20, 100, 1000, 12_345] {
            let data = filled(samples);
            for hundredths in [1_000, 5_000, 9_000, 9_500, 9_900, 9_990] {
                let quantile = data.quantile(f64::from(hundredths) / 10_000.0);
                assert_eq!(quantile, data.statistic(Statistic::Percentile(hundredths)), "{hundredths} of {samples}");
            }
        }
        assert_eq!(filled(30).quantile(0.0), filled(30).statistic(Statistic::Min));
        assert_eq!((filled(0).quantile(0.5), filled(5).quantile(0.0)), (None, None));
    }

    #[test]
    fn a_rank_needs_no_more_samples_than_it_names() {
        let data = filled(150);
        for rank in [1, 2, 75, 149, 150] {
            let seconds = data.at_rank(rank).unwrap();
            assert!((seconds * 1e6 - rank as f64).abs() < 0.6, "{rank}: {seconds}");
        }
        assert_eq!((data.at_rank(0), data.at_rank(151), SeriesData::default().at_rank(1)), (None, None, None));
    }

    #[test]
    fn statistics_are_in_seconds_and_three_digits_exact() {
        let data = filled(10_000);
        let close = |statistic, expected: f64| (data.statistic(statistic).unwrap() / expected - 1.0).abs() < 0.001;
        assert!(close(P50, 0.005) && close(P99, 0.0099) && close(Statistic::Mean, 0.005));
        assert!(close(Statistic::Max, 0.01) && data.statistic(Statistic::Count) == Some(10_000.0));
        assert_eq!(SeriesData::default().statistic(Statistic::Max), None);
    }

    #[test]
    fn too_long_a_duration_saturates_and_is_counted() {
        let mut data = SeriesData::default();
        data.record(Duration::from_secs(86_400));
        assert_eq!((data.count(), data.saturated), (1, 1));
        let mut sum = filled(3);
        sum.merge(&data);
        assert_eq!((sum.count(), sum.saturated), (4, 1));
    }
}
