//! Figures as they stand in a page.

use crate::measure::SeriesData;
use crate::policy::{Statistic, Unit};
use crate::report::human::{percent, three_digits};
use crate::report::{human_bytes, human_duration, human_value};

/// A space at which no line breaks: a figure stays with its unit.
const SPACE: &str = "\u{a0}";
/// What stands where there is no figure.
pub(in crate::report) const NONE: &str = "-";

/// A duration in seconds, to three digits.
pub(in crate::report) fn duration(seconds: f64) -> String {
    human_duration(seconds).replace(" us", " µs").replace(' ', SPACE)
}

/// Words with durations in them, each of which stays with its unit.
pub(in crate::report) fn unbroken(words: &str) -> String {
    words.replace(" us", &format!("{SPACE}µs")).replace(" ms", &format!("{SPACE}ms"))
}

/// A duration that may not be known.
pub(in crate::report) fn maybe_duration(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| NONE.to_owned(), duration)
}

/// Microseconds.
pub(in crate::report) fn micros(micros: u64) -> String {
    duration(micros as f64 / 1e6)
}

/// How long a run or a part of one took: `24.3 s`, `14 min 2 s`.
pub(in crate::report) fn span(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..120 => duration(seconds),
        120..3600 => format!("{}{SPACE}min {}{SPACE}s", whole / 60, whole % 60),
        _ => format!("{}{SPACE}h {}{SPACE}min", whole / 3600, whole / 60 % 60),
    }
}

/// A moment of a run.
pub(in crate::report) fn moment(seconds: f64) -> String {
    format!("{seconds:.1}{SPACE}s")
}

/// A count, by thousands.
pub(in crate::report) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with what is counted; `one` is the word for a single one.
pub(in crate::report) fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{}{SPACE}{}", count(number), if number == 1 { one } else { more })
}

/// Percent.
pub(in crate::report) fn share(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{}{SPACE}%", percent(value)))
}

/// A rate per second.
pub(in crate::report) fn rate(value: f64) -> String {
    let text = if value >= 999.5 { count(value.round() as u64) } else { three_digits(value) };
    format!("{text}/s")
}

/// A rate that may not be known.
pub(in crate::report) fn maybe_rate(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), rate)
}

/// A value in its unit.
pub(in crate::report) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count if value >= 0.0 && value.fract() == 0.0 && value < 1e15 => count(value as u64),
        unit => human_value(unit, value).replace(" us", " µs").replace(' ', SPACE),
    }
}

/// A size.
pub(in crate::report) fn bytes(bytes: u64) -> String {
    human_bytes(bytes).replace(' ', SPACE)
}

/// CPU time. What counts it may tick in 10 ms: nothing counted is not nothing used.
pub(in crate::report) fn cpu(seconds: f64) -> String {
    if seconds > 0.0 { duration(seconds) } else { format!("< 10{SPACE}ms") }
}

/// A statistic of a distribution.
pub(in crate::report) fn statistic(data: Option<&SeriesData>, statistic: Statistic) -> String {
    maybe_duration(data.and_then(|data| data.statistic(statistic)))
}

/// Words with commas and an `and`.
pub(in crate::report) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_units() {
        for (unit, number, text) in [
            (Unit::Count, 1234.0, "1,234"),
            (Unit::Count, 0.5, "0.5"),
            (Unit::Percent, 95.8, "95.8\u{a0}%"),
            (Unit::Duration, 0.0005, "500\u{a0}µs"),
        ] {
            assert_eq!(value(unit, number), text);
        }
    }

    #[test]
    fn figures_read_well() {
        assert_eq!((duration(0.000_512), duration(1.5)), ("512\u{a0}µs".to_owned(), "1.50\u{a0}s".to_owned()));
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(span(842.0), "14\u{a0}min 2\u{a0}s");
        assert_eq!(span(7500.0), "2\u{a0}h 5\u{a0}min");
        assert_eq!((rate(59.23), rate(1999.7)), ("59.2/s".to_owned(), "2,000/s".to_owned()));
        assert_eq!(counted(1, "update", "updates"), "1\u{a0}update");
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(
            (listed(&words), listed(&words[..2]), listed(&[])),
            ("a, b and c".to_owned(), "a and b".to_owned(), String::new())
        );
    }
}
