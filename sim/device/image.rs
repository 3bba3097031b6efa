//! What devices do about the image of an update.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::{Backoff, Jitter, RetryPolicy, units};

/// The image of a plan's updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Image {
    /// Nowhere: the download takes as long as it would, and nothing is transferred.
    Nowhere {
        /// In bytes.
        #[serde(with = "units::bytes")]
        size: u64,
        /// In bytes per second.
        #[serde(with = "units::bandwidth")]
        bandwidth: u64,
    },
    /// The embedded hub, which makes one up.
    Hub {
        /// In bytes.
        #[serde(with = "units::bytes")]
        size: u64,
        /// How it is downloaded.
        download: DownloadConfig,
    },
    /// A server.
    Url {
        /// Where it is there; `http` or `https`.
        url: String,
        /// The SHA-256 of its bytes, in hexadecimal.
        sha256: String,
        /// How it is downloaded.
        download: DownloadConfig,
    },
}

/// How devices download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadConfig {
    /// What each device takes, in bytes per second; `None` for as much as it gets.
    #[serde(default, with = "units::optional_bandwidth")]
    pub bandwidth: Option<u64>,
    /// What the whole fleet takes, in bytes per second; each thread of it has the share of its devices.
    #[serde(default, with = "units::optional_bandwidth")]
    pub fleet_bandwidth: Option<u64>,
    /// The device reports `downloadProgress` whenever so many percent more are there; `None`: it does not.
    pub progress: Option<u8>,
    /// A server that sends nothing for so long is given up.
    #[serde(with = "units::duration")]
    pub stall_timeout: Duration,
    /// Requests for one image in all, the first included.
    pub attempts: u32,
    /// A download that takes longer than that, its attempts together, is given up; `None`: it may take forever.
    #[serde(default, with = "units::optional_duration")]
    pub limit: Option<Duration>,
}

/// The first wait before asking again, before jitter, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

impl Image {
    /// How devices download it, if they really do.
    #[must_use]
    pub const fn download(&self) -> Option<&DownloadConfig> {
        match self {
            Self::Nowhere { .. } => None,
            Self::Hub { download, .. } | Self::Url { download, .. } => Some(download),
        }
    }

    /// Gives downloads a limit that have none.
    pub fn limit_to(&mut self, limit: Duration) {
        if let Self::Hub { download, .. } | Self::Url { download, .. } = self {
            download.limit.get_or_insert(limit);
        }
    }

    /// How long a download takes that nothing holds up but the bandwidth of its device; of the fleet's at least that of
    /// a single download. Zero where it is not known.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let (size, bandwidth) = match self {
            Self::Nowhere { size, bandwidth } => (*size, Some(*bandwidth)),
            Self::Hub { size, download } => {
                (*size, [download.bandwidth, download.fleet_bandwidth].into_iter().flatten().min())
            }
            Self::Url { .. } => (0, None),
        };
        let seconds = bandwidth.map_or(0.0, |bandwidth| size as f64 / bandwidth as f64);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl DownloadConfig {
    /// When the server is asked again.
    #[must_use]
    pub const fn retry(&self) -> RetryPolicy {
        let (base, cap) = BACKOFF;
        let backoff = Backoff::Exponential { base, cap, jitter: Jitter::Full };
        RetryPolicy { max_attempts: Some(self.attempts), ..RetryPolicy::new(backoff) }
    }

    /// How long it takes at most to give up a server that sends nothing at all.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let (base, cap) = BACKOFF;
        let waits = (1..self.attempts).map(|failed| base.saturating_mul(1 << (failed - 1).min(20)).min(cap));
        self.stall_timeout.saturating_mul(self.attempts).saturating_add(waits.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn size_and_bandwidth_make_a_duration() {
        assert_eq!(Image::Nowhere { size: 10 << 20, bandwidth: 4 << 20 }.duration(), 5 * SECOND / 2);
        let download = DownloadConfig {
            bandwidth: Some(1000),
            fleet_bandwidth: Some(500),
            progress: None,
            stall_timeout: SECOND,
            attempts: 3,
            limit: None,
        };
        assert_eq!(Image::Hub { size: 1000, download }.duration(), 2 * SECOND);
        assert_eq!(download.patience(), 3 * SECOND + 3 * SECOND / 2);
    }
}
