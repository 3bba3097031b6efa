//! Delay distributions, written as text: `15s`, `uniform 1s..3s`, `lognormal 1s..3s`, `exp 5ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::Rng;
use rand_distr::{Distribution, Exp, LogNormal, Uniform};
use serde::{Deserialize, Serialize};

use super::units::{format_duration, parse_duration};

/// How long something takes: a fixed time or a random one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Delay {
    /// Always this long.
    Fixed(Duration),
    /// Evenly between the two.
    Uniform(Duration, Duration),
    /// Log-normal; the two are its 5th and 95th percentile.
    LogNormal(Duration, Duration),
    /// Exponential with this mean.
    Exponential(Duration),
}

/// Why a text is not a delay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelayError {
    /// Neither a duration nor a known distribution.
    #[error(
        "`{0}` is not a delay: write `15s`, `uniform 1s..3s`, `lognormal 1s..3s` (5th and 95th percentile) or `exp 5ms` (mean)"
    )]
    Form(String),
    /// The lower bound is not below the upper one.
    #[error("`{0}` is empty: the first duration must be shorter than the second{1}")]
    Order(String, &'static str),
}

/// The 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_626_951_472_2;

impl Delay {
    /// Draws one delay.
    pub fn sample(&self, random: &mut impl Rng) -> Duration {
        match *self {
            Self::Fixed(duration) => duration,
            Self::Uniform(low, high) => Uniform::new(low.as_secs_f64(), high.as_secs_f64())
                .map_or(low, |uniform| seconds(uniform.sample(random))),
            Self::LogNormal(p5, p95) => {
                let (low, high) = (p5.as_secs_f64().ln(), p95.as_secs_f64().ln());
                LogNormal::new(f64::midpoint(low, high), (high - low) / (2.0 * Z95))
                    .map_or(p5, |log_normal| seconds(log_normal.sample(random)))
            }
            Self::Exponential(mean) => {
                Exp::new(mean.as_secs_f64().recip()).map_or(mean, |exp| seconds(exp.sample(random)))
            }
        }
    }

    /// The mean of many delays.
    #[must_use]
    pub fn mean(&self) -> Duration {
        match *self {
            Self::Fixed(duration) | Self::Exponential(duration) => duration,
            Self::Uniform(low, high) => (low + high) / 2,
            Self::LogNormal(p5, p95) => {
                let (low, high) = (p5.as_secs_f64().ln(), p95.as_secs_f64().ln());
                let deviation = (high - low) / (2.0 * Z95);
                seconds((f64::midpoint(low, high) + deviation * deviation / 2.0).exp())
            }
        }
    }

    /// A delay that is hardly ever exceeded (the 99.9th percentile; the maximum where there is one).
    #[must_use]
    pub fn upper(&self) -> Duration {
        const Z999: f64 = 3.090_232_306_167_813;
        match *self {
            Self::Fixed(duration) | Self::Uniform(_, duration) => duration,
            Self::LogNormal(p5, p95) => {
                let (low, high) = (p5.as_secs_f64().ln(), p95.as_secs_f64().ln());
                seconds((f64::midpoint(low, high) + Z999 * (high - low) / (2.0 * Z95)).exp())
            }
            Self::Exponential(mean) => mean.mul_f64(1000_f64.ln()),
        }
    }
}

/// Seconds as a duration; an hour at most more than a day keeps a wild draw from overflowing.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 90_000.0))
}

impl FromStr for Delay {
    type Err = DelayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || DelayError::Form(text.to_owned());
        let duration = |part: &str| parse_duration(part).map_err(|_| form());
        let bounds = |part: &str| -> Result<(Duration, Duration), DelayError> {
            let (low, high) = part.split_once("..").ok_or_else(form)?;
            Ok((duration(low)?, duration(high)?))
        };
        match text.trim().split_once(char::is_whitespace) {
            None => Ok(Self::Fixed(duration(text)?)),
            Some(("uniform", part)) => {
                let (low, high) = bounds(part)?;
                if low < high { Ok(Self::Uniform(low, high)) } else { Err(DelayError::Order(text.to_owned(), "")) }
            }
            Some(("lognormal", part)) => {
                let (low, high) = bounds(part)?;
                if Duration::ZERO < low && low < high {
                    Ok(Self::LogNormal(low, high))
                } else {
                    Err(DelayError::Order(text.to_owned(), ", and both longer than zero"))
                }
            }
            Some(("exp", part)) => match duration(part)? {
                Duration::ZERO => Err(form()),
                mean => Ok(Self::Exponential(mean)),
            },
            Some(_) => Err(form()),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Fixed(duration) => f.write_str(&format_duration(duration)),
            Self::Uniform(low, high) => write!(f, "uniform {}..{}", format_duration(low), format_duration(high)),
            Self::LogNormal(low, high) => write!(f, "lognormal {}..{}", format_duration(low), format_duration(high)),
            Self::Exponential(mean) => write!(f, "exp {}", format_duration(mean)),
        }
    }
}

impl TryFrom<String> for Delay {
    type Error = DelayError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Delay> for String {
    fn from(delay: Delay) -> Self {
        delay.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, Seed};

    fn sorted(text: &str) -> Vec<f64> {
        let delay: Delay = text.parse().unwrap();
        let mut random = Seed(7).stream(Domain::Delays, 0, 0);
        let mut draws: Vec<f64> = (0..10_000).map(|_| delay.sample(&mut random).as_secs_f64()).collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    #[test]
    fn each_form_reads_and_writes_itself() {
        for text in ["15s", "500ms", "uniform 1s..3s", "lognormal 1s..3s", "exp 5ms", "0s"] {
            assert_eq!(text.parse::<Delay>().unwrap().to_string(), text);
        }
        for text in ["", "soon", "uniform 1s", "lognormal 0s..1s", "uniform 3s..1s", "exp 0s", "normal 1s..2s"] {
            assert!(text.parse::<Delay>().unwrap_err().to_string().contains(text));
        }
    }

    #[test]
    fn draws_follow_the_distribution() {
        let log_normal = sorted("lognormal 1s..3s");
        assert!((log_normal[500] - 1.0).abs() < 0.05, "p5 {}", log_normal[500]);
        assert!((log_normal[9500] - 3.0).abs() < 0.1, "p95 {}", log_normal[9500]);
        let uniform = sorted("uniform 1s..3s");
        assert!(uniform[0] >= 1.0 && uniform[9999] <= 3.0 && (uniform[5000] - 2.0).abs() < 0.05);
        let exponential = sorted("exp 1s");
        assert!((exponential.iter().sum::<f64>() / 10_000.0 - 1.0).abs() < 0.05);
        assert!(sorted("2s").iter().all(|&draw| draw == 2.0));
    }

    #[test]
    fn the_mean_is_that_of_many_draws() {
        for text in ["2s", "uniform 1s..3s", "lognormal 1s..3s", "lognormal 100ms..9s", "exp 1s"] {
            let delay: Delay = text.parse().unwrap();
            let drawn = sorted(text).iter().sum::<f64>() / 10_000.0;
            let mean = delay.mean().as_secs_f64();
            assert!((mean / drawn - 1.0).abs() < 0.06, "{text}: {mean} for {drawn}");
        }
    }
}
