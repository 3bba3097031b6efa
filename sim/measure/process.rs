//! What a process uses of the machine.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

/// CPU and memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// Resident memory at its peak, in bytes.
    pub rss_peak: u64,
}

/// Why a limit could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The system refused.
    #[error("cannot {what} the limit of open files: {source}")]
    Limit {
        /// `read` or `raise`.
        what: &'static str,
        /// The system's word.
        source: nix::Error,
    },
}

impl std::ops::Add for Usage {
    type Output = Self;

    /// Of two processes together. Their peaks may have come at different times: the sum is what they never exceeded.
    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, rss_peak: self.rss_peak + other.rss_peak }
    }
}

impl Usage {
    /// Of this process.
    #[must_use]
    pub fn of_self() -> Self {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
            return Self::default();
        };
        let time = |value: nix::sys::time::TimeVal| {
            Duration::new(value.tv_sec().unsigned_abs(), value.tv_usec().unsigned_abs() as u32 * 1000)
        };
        Self {
            cpu: time(usage.user_time()) + time(usage.system_time()),
            rss_peak: usage.max_rss().unsigned_abs() * 1024,
        }
    }

    /// The same since an `earlier` moment. A peak has no beginning: it stays that of the whole life of the process.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), rss_peak: self.rss_peak }
    }

    /// Of another process, as long as it runs.
    #[must_use]
    pub fn of_process(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name may hold anything; the fields begin after its closing bracket (proc(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let per_second = sysconf(SysconfVar::CLK_TCK).ok()??.unsigned_abs();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let rss_peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())?;
        Some(Self { cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64), rss_peak: rss_peak * 1024 })
    }

    /// Whether another process is stopped, by a signal or a debugger.
    #[must_use]
    pub fn is_stopped(pid: u32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with(['T', 't']))
    }

    /// Resident memory of this process now, in bytes; zero if the system does not tell.
    #[must_use]
    pub fn resident() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
        kilobytes.and_then(|text| text.trim().parse::<u64>().ok()).map_or(0, |kilobytes| kilobytes * 1024)
    }

    /// Descriptors that this process has open now.
    #[must_use]
    pub fn open_descriptors() -> u64 {
        fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
    }
}

/// The cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// The descriptors that this process may have open: soft and hard limit.
///
/// # Errors
/// The system does not tell.
pub fn descriptor_limit() -> Result<(u64, u64), ProcessError> {
    getrlimit(Resource::RLIMIT_NOFILE).map_err(|source| ProcessError::Limit { what: "read", source })
}

/// Raises the soft limit of descriptors to the hard one, and returns it.
///
/// # Errors
/// The system refuses.
pub fn raise_descriptor_limit() -> Result<u64, ProcessError> {
    let (soft, hard) = descriptor_limit()?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .map_err(|source| ProcessError::Limit { what: "raise", source })?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_sees_itself_the_same_from_outside() {
        let inside = Usage::of_self();
        let outside = Usage::of_process(std::process::id()).unwrap();
        assert!(inside.rss_peak > 1 << 20 && outside.rss_peak > 1 << 20);
        assert!(outside.cpu.abs_diff(inside.cpu) < Duration::from_secs(1));
        assert!(Usage::open_descriptors() >= 3 && Usage::resident() > 1 << 20);
        assert_eq!(Usage::of_process(u32::MAX), None);
        assert_eq!(raise_descriptor_limit().unwrap(), descriptor_limit().unwrap().0);
    }
}
