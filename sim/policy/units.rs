//! Durations, rates and sizes as people write them: `500ms`, `15s`, `200/s`, `64KiB`, `1MiB/s`.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads `500ms`, `15s`, `4m`, `1h30m`.
///
/// # Errors
/// A sentence that names the text and shows what is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write it like `500ms`, `15s`, `4m` or `1h30m`");
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let signed: SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

/// Writes a duration so that [`parse_duration`] reads it back.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match (seconds, nanos) {
        (0, 0) => "0s".to_owned(),
        (s, 0) if s % 3600 == 0 => format!("{}h", s / 3600),
        (s, 0) if s % 60 == 0 => format!("{}m", s / 60),
        (s, 0) => format!("{s}s"),
        (s, n) if n % 1_000_000 == 0 => format!("{}ms", s * 1000 + u64::from(n) / 1_000_000),
        (s, n) if n % 1000 == 0 => format!("{}us", s * 1_000_000 + u64::from(n) / 1000),
        (s, n) => format!("{}ns", s * 1_000_000_000 + u64::from(n)),
    }
}

/// Reads `200/s`, `6000/m` or a bare number (per second) as events per second.
///
/// # Errors
/// A sentence that names the text and shows what is allowed.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a rate: write it like `200/s`, `6000/m` or `200` (per second)");
    let (number, per) = match text.trim().split_once('/') {
        None => (text.trim(), 1.0),
        Some((number, "s")) => (number, 1.0),
        Some((number, "m")) => (number, 60.0),
        Some((number, "h")) => (number, 3600.0),
        Some(_) => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    if number.is_finite() && number > 0.0 { Ok(number / per) } else { Err(wrong()) }
}

/// What a size may be counted in, the larger before those that divide it.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// Reads `64KiB`, `1.5MiB`, `10MB` or `512B` as bytes.
///
/// # Errors
/// A sentence that names the text and shows what is allowed.
pub fn parse_size(text: &str) -> Result<u64, String> {
    size(text).ok_or_else(|| format!("`{text}` is not a size: write it like `64KiB`, `10MiB`, `10MB` or `512B`"))
}

/// Writes a size so that [`parse_size`] reads it back.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let unit = SIZES.into_iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    let (name, unit) = unit.unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

/// Reads a size per second, like `1MiB/s`, as bytes per second; there is more than none.
///
/// # Errors
/// A sentence that names the text and shows what is allowed.
pub fn parse_bandwidth(text: &str) -> Result<u64, String> {
    let bandwidth = text.trim().strip_suffix("/s").and_then(size).filter(|bytes| *bytes > 0);
    bandwidth.ok_or_else(|| format!("`{text}` is not a bandwidth: write it like `64KiB/s`, `1MiB/s` or `10MB/s`"))
}

/// Writes a bandwidth so that [`parse_bandwidth`] reads it back.
#[must_use]
pub fn format_bandwidth(bytes_per_second: u64) -> String {
    format!("{}/s", format_size(bytes_per_second))
}

fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = SIZES.into_iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let number = number.trim();
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit);
    }
    let bytes = number.parse::<f64>().ok()? * unit as f64;
    // A part of a byte is a mistake.
    (bytes.fract() == 0.0 && (0.0..9e15).contains(&bytes)).then_some(bytes as u64)
}

/// Serde for sizes written as text: `#[serde(with = "units::bytes")]`.
pub mod bytes {
    use super::{format_size, parse_size};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// As [`format_size`] writes it.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_size(*bytes))
    }

    /// As [`parse_size`] reads it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_size(&text).map_err(D::Error::custom)
    }
}

/// Serde for bandwidths written as text: `#[serde(with = "units::bandwidth")]`.
pub mod bandwidth {
    use super::{format_bandwidth, parse_bandwidth};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// As [`format_bandwidth`] writes it.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bandwidth: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_bandwidth(*bandwidth))
    }

    /// As [`parse_bandwidth`] reads it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_bandwidth(&text).map_err(D::Error::custom)
    }
}

/// Serde for bandwidths that may be missing: `#[serde(default, with = "units::optional_bandwidth")]`.
pub mod optional_bandwidth {
    use super::{format_bandwidth, parse_bandwidth};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// As [`format_bandwidth`] writes it, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bandwidth: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match bandwidth {
            Some(bandwidth) => serializer.serialize_str(&format_bandwidth(*bandwidth)),
            None => serializer.serialize_none(),
        }
    }

    /// As [`parse_bandwidth`] reads it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse_bandwidth(&text).map_err(D::Error::custom)).transpose()
    }
}

/// Serde for durations written as text: `#[serde(with = "units::duration")]`.
pub mod duration {
    use super::{Duration, format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// As [`format_duration`] writes it.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*duration))
    }

    /// As [`parse_duration`] reads it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map_err(D::Error::custom)
    }
}

/// Serde for durations that may be missing: `#[serde(default, with = "units::optional_duration")]`.
pub mod optional_duration {
    use super::{Duration, format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// As [`format_duration`] writes it, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_str(&format_duration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    /// As [`parse_duration`] reads it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse_duration(&text).map_err(D::Error::custom)).transpose()
    }
}

/// Serde for rates per second, read from text or number: `#[serde(deserialize_with = "units::rate")]`.
///
/// # Errors
/// What is wrong with the value.
pub fn rate<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Visitor;
    impl serde::de::Visitor<'_> for Visitor {
        type Value = f64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a rate like `200/s` or a number per second")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<f64, E> {
            parse_rate(text).map_err(E::custom)
        }

        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<f64, E> {
            parse_rate(&number.to_string()).map_err(E::custom)
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<f64, E> {
            parse_rate(&number.to_string()).map_err(E::custom)
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<f64, E> {
            parse_rate(&number.to_string()).map_err(E::custom)
        }
    }
    deserializer.deserialize_any(Visitor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_and_rates_read_as_written() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_rate("200/s"), Ok(200.0));
        assert_eq!(parse_rate("6000/m"), Ok(100.0));
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for (text, bytes) in [("64KiB", 65_536), ("1.5MiB", 1_572_864), ("10 MB", 10_000_000), ("512B", 512), ("0B", 0)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_bandwidth("1MiB/s"), Ok(1 << 20));
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["", "15", "-3s", "fast", "1e999s"] {
            assert!(parse_duration(text).unwrap_err().contains(text));
        }
        for text in ["", "0", "-1", "nan", "10/x", "inf"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        for text in ["", "10", "KiB", "-1B", "0.5B", "1e30GiB", "99999999999999999999B", "nanB"] {
            assert!(parse_size(text).unwrap_err().contains("64KiB"), "{text}");
        }
        for text in ["", "1MiB", "0B/s", "1MiB/m", "/s"] {
            assert!(parse_bandwidth(text).unwrap_err().contains("1MiB/s"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_survives_writing_and_reading(nanos in 0..i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn a_size_survives_writing_and_reading(bytes: u64, shift in 0..64_u32) {
            let bytes = bytes >> shift;
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
    }
}
