//! Time as the cores see it: nanoseconds since the run started, and wall time derived from them.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Nanoseconds since the run started, on the process's one monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Nanos(u64);

impl Nanos {
    /// The moment the run started.
    pub const ZERO: Self = Self(0);
    /// Later than any moment of a run (584 years): "never".
    pub const MAX: Self = Self(u64::MAX);

    /// From a count of nanoseconds.
    #[must_use]
    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The count of nanoseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero if `earlier` lies later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the run started.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// As seconds since the run started.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        Duration::from_nanos(self.0).as_secs_f64()
    }
}

impl Add<Duration> for Nanos {
    type Output = Self;

    /// Saturates at [`Nanos::MAX`].
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Nanos {
    type Output = Self;

    /// Saturates at [`Nanos::ZERO`].
    fn sub(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}s", self.as_secs_f64())
    }
}

/// Wall time of the moment the run started. It turns [`Nanos`] into wall time without reading a clock, so that a
/// step of the system's clock never shows inside a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock(Timestamp);

impl WallClock {
    /// A run that started at `start`.
    #[must_use]
    pub const fn new(start: Timestamp) -> Self {
        Self(start)
    }

    /// Wall time at `now`.
    #[must_use]
    pub fn at(self, now: Nanos) -> Timestamp {
        let elapsed = SignedDuration::from_nanos(i64::try_from(now.get()).unwrap_or(i64::MAX));
        self.0.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// The moment of the run at which the wall clock shows `wall`; [`Nanos::ZERO`] if that lies before the run.
    #[must_use]
    pub fn moment(self, wall: Timestamp) -> Nanos {
        let elapsed = wall.duration_since(self.0).as_nanos();
        Nanos(u64::try_from(elapsed.max(0)).unwrap_or(u64::MAX))
    }
}

/// The edge's clock: the only place that reads the machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    wall: WallClock,
}

impl Clock {
    /// A clock whose zero is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the edge that the cores take their time from")]
    pub fn start() -> Self {
        let wall = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { origin: Instant::now(), wall: WallClock(wall) }
    }

    /// A clock whose zero is the moment at which the wall clock showed `epoch`: so the processes of one run count from
    /// the same moment, as exactly as their wall clocks agree. From then on this one never looks at the wall clock.
    #[must_use]
    pub fn since(epoch: Timestamp) -> Self {
        let now = Self::start();
        let passed = now.wall.0.duration_since(epoch);
        let passed = Duration::try_from(passed).unwrap_or_default();
        Self { origin: now.origin.checked_sub(passed).unwrap_or(now.origin), wall: WallClock(epoch) }
    }

    /// The present moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the edge that the cores take their time from")]
    pub fn now(&self) -> Nanos {
        Nanos::ZERO + Instant::now().saturating_duration_since(self.origin)
    }

    /// `moment` for the runtime's timers.
    #[must_use]
    pub fn instant(&self, moment: Nanos) -> tokio::time::Instant {
        // A century is as good as never, and timers cannot hold more.
        const FAR: u64 = 100 * 365 * 86_400 * 1_000_000_000;
        tokio::time::Instant::from_std(self.origin + Duration::from_nanos(moment.get().min(FAR)))
    }

    /// Wall time of this clock's zero.
    #[must_use]
    pub const fn wall(&self) -> WallClock {
        self.wall
    }
}

/// How a device writes timestamps into its reported properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimestampFormat {
    /// `2018-01-31 17:05:09.123456` in local time, as the tutorial's Python program writes it.
    #[default]
    Local,
    /// `2018-01-31T17:05:09.123456Z`.
    Rfc3339,
}

impl TimestampFormat {
    /// Writes `at` in this format.
    #[must_use]
    pub fn format(self, at: Timestamp) -> String {
        match self {
            Self::Local => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string(),
            Self::Rfc3339 => rfc3339(at),
        }
    }
}

/// `at` in RFC 3339, in UTC, with exactly six decimals: texts of one length sort as the times do.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let second = Duration::from_secs(1);
        assert_eq!(Nanos::new(5).since(Nanos::new(9)), Duration::ZERO);
        assert_eq!(Nanos::MAX + second, Nanos::MAX);
        assert_eq!(Nanos::new(1) - second, Nanos::ZERO);
        assert_eq!(Nanos::ZERO + second, Nanos::new(1_000_000_000));
    }

    #[test]
    fn wall_time_goes_there_and_back() {
        let start: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        let wall = WallClock::new(start);
        let now = Nanos::new(1_250_000_000);
        assert_eq!(rfc3339(wall.at(now)), "2026-01-02T03:04:06.750000Z");
        assert_eq!(wall.moment(wall.at(now)), now);
        assert_eq!(wall.moment("2020-01-01T00:00:00Z".parse().unwrap()), Nanos::ZERO);
    }

    #[test]
    fn the_local_format_is_the_tutorials() {
        let at: Timestamp = "2018-01-31T17:05:09.000042Z".parse().unwrap();
        let text = TimestampFormat::Local.format(at);
        assert_eq!(text.len(), "2018-01-31 17:05:09.000042".len(), "{text}");
        assert!(text.ends_with(":09.000042"), "{text}");
    }
}
