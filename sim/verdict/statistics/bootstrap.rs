//! How many times as large one side is as the other, and how sure that is.

use rand::Rng;

use crate::random::{Domain, Seed, Stream};

/// How often the runs are drawn again.
pub const RESAMPLES: usize = 10_000;
/// The same numbers have the same interval, today and tomorrow.
const SEED: Seed = Seed(0x7477_696e);
/// The share of resamples that lies outside of the interval at each end: it is one of 95 %.
const OUTSIDE: f64 = 0.025;

/// A ratio, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The median of the second side over that of the first; 1 if both are 0, infinite if the first alone is.
    pub estimate: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The middle of some values, between the two middle ones where their number is even; `None` if there is none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    middle(&sorted)
}

/// The ratio of the medians of two sides, with its bootstrap interval over runs: each side's runs are drawn again, with
/// replacement, [`RESAMPLES`] times, and the interval holds the middle 95 % of what the ratio then is (the percentile
/// method). `None` if a side is empty. No value may be negative or NaN.
#[must_use]
pub fn ratio_interval(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let sorted = |side: &[f64]| {
        let mut side = side.to_vec();
        side.sort_by(f64::total_cmp);
        side
    };
    let (first, second) = (sorted(first), sorted(second));
    let estimate = ratio(middle(&first)?, middle(&second)?);
    let mut streams = [0, 1].map(|side| SEED.stream(Domain::Bootstrap, side, 0));
    let [of_first, of_second] = &mut streams;
    let mut ratios = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        ratios.push(ratio(drawn_again(&first, of_first)?, drawn_again(&second, of_second)?));
    }
    ratios.sort_by(f64::total_cmp);
    let outside = (RESAMPLES as f64 * OUTSIDE) as usize;
    Some(Ratio { estimate, low: ratios[outside], high: ratios[RESAMPLES - 1 - outside] })
}

fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = sorted.get(half)?;
    Some(if sorted.len() % 2 == 1 { *upper } else { sorted[half - 1].midpoint(*upper) })
}

/// The median of as many values as there are, each drawn from all of them.
fn drawn_again(values: &[f64], stream: &mut Stream) -> Option<f64> {
    let count = values.len() as u128;
    let mut drawn: Vec<f64> =
        values.iter().map(|_| values[((u128::from(stream.next_u64()) * count) >> 64) as usize]).collect();
    drawn.sort_by(f64::total_cmp);
    middle(&drawn)
}

fn ratio(first: f64, second: f64) -> f64 {
    if first == second { 1.0 } else { second / first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_middle_of_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn what_does_not_scatter_has_an_interval_of_one_point() {
        let found = ratio_interval(&[50.0; 5], &[60.0; 5]).unwrap();
        assert_eq!(found, Ratio { estimate: 1.2, low: 1.2, high: 1.2 });
        assert_eq!(ratio_interval(&[0.0; 5], &[0.0; 5]).unwrap().estimate, 1.0);
        assert_eq!(ratio_interval(&[0.0; 5], &[3.0; 5]).unwrap().low, f64::INFINITY);
        assert_eq!(ratio_interval(&[3.0; 5], &[0.0; 5]).unwrap().high, 0.0);
        assert_eq!(ratio_interval(&[], &[3.0]), None);
    }

    #[test]
    fn the_interval_is_that_of_every_possible_resample() {
        // Five values have 5^5 resamples; their medians are told without drawing. Against a side that does not scatter
        // the ends are quantiles of that distribution.
        let values = [10.0, 11.0, 12.0, 13.0, 14.0];
        let mut medians = Vec::new();
        for resample in 0..3125_usize {
            let drawn = [1, 5, 25, 125, 625].map(|digit| values[resample / digit % 5]);
            medians.push(median(&drawn).unwrap());
        }
        medians.sort_by(f64::total_cmp);
        let found = ratio_interval(&[10.0], &values).unwrap();
        assert_eq!((found.low, found.high), (medians[78] / 10.0, medians[3046] / 10.0));
    }

    proptest! {
        // Each case draws tens of thousands of times.
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn order_and_scale_do_not_matter_and_sides_that_change_places_invert_it(
            first in proptest::collection::vec(0.5..1e3_f64, 1..8),
            second in proptest::collection::vec(0.5..1e3_f64, 1..8),
        ) {
            let found = ratio_interval(&first, &second).unwrap();
            prop_assert!(found.low <= found.high);
            let reversed: Vec<f64> = first.iter().rev().copied().collect();
            prop_assert_eq!(ratio_interval(&reversed, &second), Some(found));
            let by = |side: &[f64]| side.iter().map(|value| value * 4.0).collect::<Vec<_>>();
            prop_assert_eq!(ratio_interval(&by(&first), &by(&second)), Some(found));
            let swapped = ratio_interval(&second, &first).unwrap();
            prop_assert!((swapped.estimate * found.estimate - 1.0).abs() < 1e-12);
            // Both draw from the same values, if not the same draws.
            prop_assert!(swapped.low <= swapped.high);
        }
    }
}
