//! Durations and rates as people write them: `500ms`, `15s`, `200/s`.

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
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["", "15", "-3s", "fast", "1e999s"] {
            assert!(parse_duration(text).unwrap_err().contains(text));
        }
        for text in ["", "0", "-1", "nan", "10/x", "inf"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_survives_writing_and_reading(nanos in 0..i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
