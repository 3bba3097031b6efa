//! Durations, sizes and shares for people.

use crate::policy::Unit;

/// Seconds as `512 us`, `1.23 ms`, `45.6 ms` or `1.23 s`.
#[must_use]
pub fn human_duration(seconds: f64) -> String {
    let (value, unit) = if seconds < 999.5e-6 {
        (seconds * 1e6, "us")
    } else if seconds < 999.5e-3 {
        (seconds * 1e3, "ms")
    } else {
        (seconds, "s")
    };
    format!("{} {unit}", three_digits(value))
}

/// Bytes as `512 B`, `1.23 KiB`, `45.6 MiB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = "B";
    while value >= 1023.5 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{} {unit}", three_digits(value)) }
}

/// The value of a figure in its unit: `1.23 s`, `98.5/s`, `99.9 %`, `12`.
#[must_use]
pub fn human_value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Duration => human_duration(value),
        Unit::Rate => format!("{}/s", three_digits(value)),
        Unit::Percent => format!("{} %", percent(value)),
        Unit::Count => value.to_string(),
    }
}

/// A number with three digits, more where its whole part has more.
pub(super) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// Percent with one decimal, and never 100 for less than all.
pub(super) fn percent(value: f64) -> String {
    if value <= 0.0 || value == 100.0 {
        return format!("{value:.0}");
    }
    let rounded = if value < 100.0 { value.min(99.9) } else { value };
    format!("{rounded:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_the_unit_that_fits() {
        for (seconds, text) in [
            (0.0, "0.00 us"),
            (0.000_000_51, "0.51 us"),
            (0.000_512, "512 us"),
            (0.000_999_4, "999 us"),
            (0.000_999_6, "1.00 ms"),
            (0.009_996, "10.0 ms"),
            (0.099_96, "100 ms"),
            (0.9996, "1.00 s"),
            (1.2345, "1.23 s"),
            (45.67, "45.7 s"),
            (3600.0, "3600 s"),
        ] {
            assert_eq!(human_duration(seconds), text);
        }
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (47_185_920, "45.0 MiB")] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn nearly_all_is_not_all() {
        for (value, text) in
            [(100.0, "100"), (99.99, "99.9"), (0.0, "0"), (2.0, "2.0"), (95.84, "95.8"), (190.0, "190.0")]
        {
            assert_eq!(percent(value), text);
        }
    }
}
