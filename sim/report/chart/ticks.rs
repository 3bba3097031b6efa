//! Round values on axes, and how they are written.

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Durations, in seconds.
    Duration,
    /// Plain numbers.
    Count,
    /// Numbers per second.
    Rate,
}

impl Unit {
    /// A tick's label.
    pub(super) fn label(self, value: f64) -> String {
        match self {
            Self::Duration => tick_duration(value),
            Self::Count | Self::Rate => tick_count(value),
        }
    }
}

/// A round duration without needless digits: `0`, `500 us`, `2 ms`, `1.5 s`, `2 min`.
#[must_use]
pub fn tick_duration(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        s if s == 0.0 => return "0".to_owned(),
        s if s < 0.999_95e-3 => (seconds * 1e6, "us"),
        s if s < 0.999_95 => (seconds * 1e3, "ms"),
        s if s < 119.5 => (seconds, "s"),
        _ => (seconds / 60.0, "min"),
    };
    format!("{} {unit}", trimmed(value))
}

/// A round number: `0`, `250`, `1,000`, `25k`, `1.5M`.
fn tick_count(value: f64) -> String {
    match value.abs() {
        v if v >= 999_999.5 => format!("{}M", trimmed(value / 1e6)),
        v if v >= 9_999.5 => format!("{}k", trimmed(value / 1e3)),
        v if v >= 999.5 => {
            let whole = format!("{value:.0}");
            format!("{},{}", &whole[..whole.len() - 3], &whole[whole.len() - 3..])
        }
        _ => trimmed(value),
    }
}

/// At most two decimals, none of them a zero at the end.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// About `count` round values, at least 3 asked for, within `low..=high`, equally far apart.
pub(super) fn linear(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if span.is_nan() || span <= 0.0 || !span.is_finite() {
        return vec![low];
    }
    multiples(low, high, round_step(span / count.max(1) as f64))
}

/// The same for whole things: never less than 1 apart.
pub(super) fn whole(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if span.is_nan() || span <= 0.0 || !span.is_finite() {
        return vec![low];
    }
    multiples(low, high, round_step(span / count.max(1) as f64).max(1.0))
}

/// Round moments within `low..=high` seconds: multiples of what clocks are divided by.
pub(super) fn moments(low: f64, high: f64, count: usize) -> Vec<f64> {
    const STEPS: [f64; 20] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0,
        43_200.0, 86_400.0, 172_800.0, 604_800.0,
    ];
    let span = high - low;
    if span.is_nan() || span <= 0.0 || !span.is_finite() {
        return vec![low];
    }
    let wanted = span / count.max(1) as f64;
    if wanted <= 0.5 {
        return linear(low, high, count);
    }
    let step = STEPS.into_iter().find(|step| *step >= wanted).unwrap_or_else(|| round_step(wanted));
    multiples(low, high, step)
}

/// A moment of a run, written as its whole length suggests: `45 s`, `2:30`, `1:05:00`.
pub(super) fn moment(seconds: f64, longest: f64) -> String {
    if longest < 120.0 {
        return if seconds == 0.0 { "0".to_owned() } else { format!("{} s", trimmed(seconds)) };
    }
    let whole = seconds.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if longest < 3600.0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

/// Round values of a logarithmic axis within `low..=high`, at most about `count`: 1, 2, 5, or powers of ten only.
pub(super) fn logarithmic(low: f64, high: f64, count: usize) -> Vec<f64> {
    if low.is_nan() || high.is_nan() || low <= 0.0 || high < low {
        return Vec::new();
    }
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let within = |digits: &[f64], every: usize| -> Vec<f64> {
        let decades = (first..=last).filter(|decade| decade.rem_euclid(every as i32) == 0);
        let values = decades.flat_map(|decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade)));
        // The edges themselves count, however they were rounded.
        values.filter(|value| *value >= low * 0.999_999 && *value <= high * 1.000_001).collect()
    };
    let choices = [within(&[1.0, 2.0, 5.0], 1), within(&[1.0, 3.0], 1), within(&[1.0], 1)];
    choices.into_iter().find(|ticks| ticks.len() <= count).unwrap_or_else(|| within(&[1.0], 2))
}

/// The next value of the form 1, 2 or 5 times a power of ten that is not below `value`, and the one not above it.
pub(super) fn around(low: f64, high: f64) -> (f64, f64) {
    let digits = |value: f64| {
        let power = 10_f64.powf(value.log10().floor());
        [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power)
    };
    let below = digits(low).into_iter().rev().find(|round| *round <= low * 1.000_001).unwrap_or(low);
    let above = digits(high).into_iter().find(|round| *round >= high * 0.999_999).unwrap_or(high);
    (below, above)
}

/// A percentile's tick, for axes by nines: `p50`, `p90`, `p99.9`.
pub(super) fn nines(longest: f64) -> Vec<(f64, String)> {
    let named = [("min", 0.0), ("p50", 0.5_f64), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
    let more = [("p99.999", 0.999_99), ("p99.9999", 0.999_999), ("p99.99999", 0.999_999_9)];
    let ticks = named.into_iter().chain(more).map(|(name, quantile)| (super::scale::nines(quantile), name.to_owned()));
    ticks.filter(|(at, _)| *at <= longest + 1e-9).collect()
}

fn round_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| digit * power >= raw * 0.999_999);
    step.unwrap_or(10.0) * power
}

fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    // Steps of a span that was divided by a small count are few; the bound is for values that are none.
    let count = (last - first).clamp(-1.0, 1000.0) as i64;
    (0..=count).map(|n| ((first + n as f64) * step).clamp(low, high)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ticks_lie_within_their_axis_in_order_and_are_few(low in -1e4..1e4_f64, span in 1e-3..1e7_f64, count in 3..12_usize) {
            let high = low + span;
            for ticks in [linear(low, high, count), moments(low, high, count), whole(low, high, count)] {
                prop_assert!(ticks.len() <= count + 2, "{ticks:?}");
                prop_assert!(ticks.iter().all(|tick| (low..=high).contains(tick)), "{ticks:?}");
                prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
            }
            prop_assert!(!linear(low, high, count).is_empty());
        }

        #[test]
        fn logarithmic_ticks_lie_within_their_axis_and_in_order(low in 1e-7..1.0_f64, factor in 1.0..1e9_f64) {
            let (below, above) = around(low, low * factor);
            prop_assert!(below <= low * 1.000_01 && above >= low * factor * 0.999_99 && below > low / 10.0);
            let ticks = logarithmic(below, above, 9);
            prop_assert!(!ticks.is_empty() && ticks.len() <= 12, "{ticks:?}");
            prop_assert!(ticks.iter().all(|tick| (below * 0.999..=above * 1.001).contains(tick)), "{ticks:?}");
            prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
        }
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(linear(0.0, 1.0, 4), [0.0, 0.5, 1.0]);
        assert_eq!(whole(0.0, 3.0, 8), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(moments(0.0, 100.0, 8), [0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0]);
        assert_eq!(
            moments(0.0, 14_400.0, 8),
            [0.0, 1800.0, 3600.0, 5400.0, 7200.0, 9000.0, 10_800.0, 12_600.0, 14_400.0]
        );
        assert_eq!(logarithmic(0.001, 0.1, 9).len(), 7);
        assert_eq!(logarithmic(1e-6, 100.0, 9).len(), 9);
        assert_eq!(around(0.0013, 0.43), (0.001, 0.5));
        assert_eq!(linear(2.0, 2.0, 4), [2.0]);
    }

    #[test]
    fn labels_have_no_needless_digit() {
        for (seconds, text) in [
            (0.0, "0"),
            (0.0005, "500 us"),
            (0.001, "1 ms"),
            (0.25, "250 ms"),
            (1.5, "1.5 s"),
            (60.0, "60 s"),
            (300.0, "5 min"),
        ] {
            assert_eq!(tick_duration(seconds), text);
        }
        for (value, text) in
            [(0.0, "0"), (0.5, "0.5"), (250.0, "250"), (1000.0, "1,000"), (25_000.0, "25k"), (1e6, "1M")]
        {
            assert_eq!(Unit::Count.label(value), text);
        }
        for (at, longest, text) in
            [(0.0, 24.0, "0"), (5.0, 24.0, "5 s"), (90.0, 600.0, "1:30"), (3900.0, 9000.0, "1:05:00")]
        {
            assert_eq!(moment(at, longest), text);
        }
    }

    #[test]
    fn percentiles_stand_by_their_nines() {
        let names = |longest| nines(longest).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names(2.0), ["min", "p50", "p90", "p99"]);
        assert_eq!(names(1.5), ["min", "p50", "p90"]);
        assert_eq!(names(5.0).last().unwrap(), "p99.999");
    }
}
