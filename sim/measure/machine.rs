//! What this machine allows and has left: limits that the kernel keeps below /proc and /sys.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};

use super::process::{cores, descriptor_limit};

/// The machine as far as large fleets meet its limits. `None` where the kernel does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Descriptors that a process may have open: soft and hard limit.
    pub descriptors: Option<(u64, u64)>,
    /// Open files of the whole machine: now, and at most.
    pub files: Option<(u64, u64)>,
    /// Memory in bytes: of the machine or of this process's control group, and what of it is available.
    pub memory: Option<(u64, u64)>,
    /// The first and the last port that connections come from.
    pub ports: Option<(u16, u16)>,
    /// Ports that earlier connections still occupy.
    pub time_wait: Option<u64>,
    /// Memory of TCP sockets in bytes: from where on the kernel is thrifty with it, and the end.
    pub socket_memory: Option<(u64, u64)>,
    /// Connections that a listener may hold before they are accepted.
    pub backlog: Option<u64>,
    /// Connections that the firewall keeps track of: now, and at most; `None` where it does not.
    pub tracked: Option<(u64, u64)>,
    /// Processes and threads that this control group may have; `None` for as many as it likes.
    pub threads: Option<u64>,
    /// What the kernel tells the time by.
    pub clock_source: Option<String>,
}

impl Machine {
    /// Reads everything.
    #[must_use]
    pub fn read() -> Self {
        // Only while there is a connection can be seen whether the firewall tracks any.
        let _connection = loopback_connection();
        Self { cores: cores(), descriptors: descriptor_limit().ok(), ..Self::below(Path::new("/")) }
    }

    /// Reads what is told by files below `root`.
    fn below(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let numbers = |path: &str| -> Option<Vec<u64>> {
            text(path)?.split_ascii_whitespace().map(|word| word.parse().ok()).collect()
        };
        let number = |path: &str| numbers(path)?.first().copied();
        let named = |path: &str, name: &str| -> Option<u64> {
            let text = text(path)?;
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().find_map(|word| word.parse().ok())
        };
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, i64::unsigned_abs);
        let port = |port: u64| u16::try_from(port).ok();
        let (total, available) = (named("proc/meminfo", "MemTotal:"), named("proc/meminfo", "MemAvailable:"));
        let memory = total.zip(available).map(|(total, available)| (total * 1024, available * 1024));
        // A control group may have less (cgroup v2; `max` is no number).
        let group = number("sys/fs/cgroup/memory.max").zip(number("sys/fs/cgroup/memory.current"));
        let memory = match (memory, group) {
            (Some((total, available)), Some((most, used))) => {
                Some((total.min(most), available.min(most.saturating_sub(used))))
            }
            (memory, _) => memory,
        };
        let sockets = text("proc/net/sockstat").unwrap_or_default();
        let mut words = sockets.split_ascii_whitespace().skip_while(|word| *word != "tw");
        Self {
            cores: 0,
            descriptors: None,
            files: number("proc/sys/fs/file-nr").zip(number("proc/sys/fs/file-max")),
            memory,
            ports: numbers("proc/sys/net/ipv4/ip_local_port_range")
                .and_then(|range| Some((port(*range.first()?)?, port(*range.get(1)?)?))),
            time_wait: words.nth(1).and_then(|word| word.parse().ok()),
            socket_memory: numbers("proc/sys/net/ipv4/tcp_mem")
                .and_then(|marks| Some((marks.get(1)? * page, marks.get(2)? * page))),
            backlog: number("proc/sys/net/core/somaxconn"),
            tracked: number("proc/sys/net/netfilter/nf_conntrack_count")
                .filter(|count| *count > 0)
                .zip(number("proc/sys/net/netfilter/nf_conntrack_max")),
            threads: number("sys/fs/cgroup/pids.max"),
            clock_source: text("sys/devices/system/clocksource/clocksource0/current_clocksource")
                .map(|name| name.trim().to_owned()),
        }
    }
}

fn loopback_connection() -> io::Result<(TcpListener, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    Ok((listener, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("proc/sys/fs/file-nr", "1024\t0\t9223372\n"),
            ("proc/sys/fs/file-max", "2466170\n"),
            ("proc/meminfo", "MemTotal:       100 kB\nMemFree: 1 kB\nMemAvailable:   80 kB\n"),
            ("sys/fs/cgroup/memory.max", "51200\n"),
            ("sys/fs/cgroup/memory.current", "1200\n"),
            ("sys/fs/cgroup/pids.max", "max\n"),
            ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
            ("proc/net/sockstat", "sockets: used 5\nTCP: inuse 3 orphan 0 tw 17 alloc 4 mem 0\n"),
            ("proc/sys/net/ipv4/tcp_mem", "10\t20\t30\n"),
            ("proc/sys/net/core/somaxconn", "4096\n"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let expected = Machine {
            cores: 0,
            descriptors: None,
            files: Some((1024, 2_466_170)),
            memory: Some((51_200, 50_000)),
            ports: Some((32_768, 60_999)),
            time_wait: Some(17),
            socket_memory: Some((81_920, 122_880)),
            backlog: Some(4096),
            tracked: None,
            threads: None,
            clock_source: Some("kvm-clock".to_owned()),
        };
        assert_eq!(Machine::below(root.path()), expected);
    }

    #[test]
    fn this_machine_can_be_read() {
        let machine = Machine::read();
        assert!(machine.cores > 0 && machine.memory.is_some() && machine.ports.is_some(), "{machine:?}");
    }
}
