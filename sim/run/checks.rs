//! Whether this machine can carry a plan: each limit against what the plan needs, with the command that mends it. Pure.

use std::fmt;

use super::needs::Needs;
use crate::measure::Machine;
use crate::report::human_bytes;

/// One limit of the machine against the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it stands.
    pub grade: Grade,
    /// What there is, and what the plan needs.
    pub text: String,
    /// The command, or else the setting, that mends it; empty where nothing is to be mended.
    pub mend: String,
}

/// How a limit stands to the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Enough.
    Fine,
    /// The plan can run, but not at ease, or its figures may suffer.
    Tight,
    /// The plan cannot run.
    Short,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "ok",
            Self::Tight => "tight",
            Self::Short => "SHORT",
        })
    }
}

/// Clocks that a program can read without asking the kernel.
const FAST_CLOCKS: [&str; 5] = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "timebase"];

/// Looks at every limit of `machine` that a plan with these `needs` meets.
pub(super) fn check(needs: &Needs, machine: &Machine) -> Vec<Finding> {
    [
        Some(descriptors(needs, machine)),
        files(needs, machine),
        ports(needs, machine),
        memory(needs, machine),
        socket_memory(needs, machine),
        backlog(needs, machine),
        tracked(needs, machine),
        threads(needs, machine),
        Some(cores(needs, machine)),
        clock(machine),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn finding(what: &'static str, grade: Grade, text: String, mend: String) -> Finding {
    Finding { what, grade, text, mend: if grade == Grade::Fine { String::new() } else { mend } }
}

/// [`Grade::Short`] unless `there` is enough for `needed`.
fn short_of(needed: u64, there: u64) -> Grade {
    if needed <= there { Grade::Fine } else { Grade::Short }
}

fn descriptors(needs: &Needs, machine: &Machine) -> Finding {
    let text = format!("{}; {} open files in the largest process", needs.processes(), needs.descriptors);
    match machine.descriptors {
        None => finding("open files", Grade::Tight, format!("{text}; the limit is not known"), "ulimit -Hn".to_owned()),
        Some((_, hard)) => {
            let mend = format!("ulimit -Hn {} (as root, or in /etc/security/limits.conf)", needs.descriptors);
            finding("open files", short_of(needs.descriptors, hard), format!("{text}, {hard} allowed"), mend)
        }
    }
}

fn files(needs: &Needs, machine: &Machine) -> Option<Finding> {
    let (open, most) = machine.files?;
    let left = most.saturating_sub(open);
    let text = format!("{} on this machine in all, {left} left of {most}", needs.files);
    let mend = format!("sysctl -w fs.file-max={}", open + needs.files + needs.files / 4);
    Some(finding("machine's files", short_of(needs.files, left), text, mend))
}

fn ports(needs: &Needs, machine: &Machine) -> Option<Finding> {
    let ((first, last), busiest) = machine.ports.zip(needs.connections_per_address)?;
    let ports = u64::from(last - first) + 1;
    let addresses = match needs.addresses {
        0 => "from one address".to_owned(),
        count => format!("from each of {count} source addresses"),
    };
    let mut text = format!("{busiest} connections to a hub {addresses}, {ports} ports ({first} to {last})");
    let mut grade = short_of(busiest, ports);
    let mut mend =
        "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\", or list more fleet.source_addresses".to_owned();
    // What earlier runs left behind is spread over the addresses as they were.
    if let Some(waiting) = machine.time_wait
        && grade == Grade::Fine
        && waiting / needs.addresses.max(1) + busiest > ports
    {
        text.push_str(&format!("; {waiting} are still taken by connections that have ended"));
        (grade, mend) = (Grade::Tight, "wait a minute, or sysctl -w net.ipv4.tcp_tw_reuse=1".to_owned());
    }
    Some(finding("ports", grade, text, mend))
}

fn memory(needs: &Needs, machine: &Machine) -> Option<Finding> {
    let (total, available) = machine.memory?;
    let text = format!(
        "about {} ({} for processes, {} in the kernel), {} available of {}",
        human_bytes(needs.memory()),
        human_bytes(needs.process_memory),
        human_bytes(needs.kernel_memory),
        human_bytes(available),
        human_bytes(total)
    );
    let grade = match needs.memory() {
        needed if needed > total => Grade::Short,
        needed if needed > available => Grade::Tight,
        _ => Grade::Fine,
    };
    Some(finding("memory", grade, text, "run fewer devices here, or give this machine more memory".to_owned()))
}

/// An idle connection holds none of it; one whose peer is slow does.
fn socket_memory(needs: &Needs, machine: &Machine) -> Option<Finding> {
    /// What connections may hold on the average, in bytes, before the kernel becomes thrifty: one small packet in each
    /// tenth of them.
    const EACH: u64 = 100;
    let (thrifty, most) = machine.socket_memory?;
    let needed = needs.sockets * EACH;
    let text = format!(
        "{} sockets may hold {}; the kernel is thrifty from {} on, and ends at {}",
        needs.sockets,
        human_bytes(needed),
        human_bytes(thrifty),
        human_bytes(most)
    );
    let grade = match needed {
        needed if needed > most => Grade::Short,
        needed if needed > thrifty => Grade::Tight,
        _ => Grade::Fine,
    };
    let pages = needed / 4096;
    let mend = format!("sysctl -w net.ipv4.tcp_mem=\"{} {} {}\"", pages, 2 * pages, 3 * pages);
    Some(finding("socket memory", grade, text, mend))
}

fn backlog(needs: &Needs, machine: &Machine) -> Option<Finding> {
    let most = machine.backlog.filter(|_| needs.connecting > 0)?;
    let text = format!("{} connections under way at once, {most} may wait for a listener", needs.connecting);
    let grade = if needs.connecting <= most { Grade::Fine } else { Grade::Tight };
    let mend = format!("sysctl -w net.core.somaxconn={}, or fleet.connect_in_flight={most}", needs.connecting);
    Some(finding("listen backlog", grade, text, mend))
}

fn tracked(needs: &Needs, machine: &Machine) -> Option<Finding> {
    let (now, most) = machine.tracked?;
    let left = most.saturating_sub(now);
    let text = format!("{} connections, the firewall can track {left} more of {most}", needs.connections);
    let mend = format!("sysctl -w net.netfilter.nf_conntrack_max={}", now + needs.connections + needs.connections / 4);
    Some(finding("connection tracking", short_of(needs.connections, left), text, mend))
}

fn threads(needs: &Needs, machine: &Machine) -> Option<Finding> {
    let most = machine.threads?;
    let text = format!("about {} threads, {most} allowed in this control group", needs.threads);
    let mend = format!("raise pids.max of the control group (docker run --pids-limit {})", 2 * needs.threads);
    Some(finding("threads", short_of(needs.threads, most), text, mend))
}

fn cores(needs: &Needs, machine: &Machine) -> Finding {
    let text = format!("about {:.1} cores at the peak, {} there", needs.cores, machine.cores);
    let grade = if needs.cores <= machine.cores as f64 { Grade::Fine } else { Grade::Tight };
    finding(
        "cores",
        grade,
        text,
        "lower load.rate or fleet.connect_rate: a late generator makes a result invalid".to_owned(),
    )
}

fn clock(machine: &Machine) -> Option<Finding> {
    let name = machine.clock_source.as_deref()?;
    let fast = FAST_CLOCKS.contains(&name);
    let text = if fast { name.to_owned() } else { format!("{name}: each look at the time is a system call") };
    let mend = "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, where it is available";
    Some(finding("clock source", if fast { Grade::Fine } else { Grade::Tight }, text, mend.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> Needs {
        Needs {
            shards: 6,
            hubs: 6,
            hub_name: "embedded hub",
            descriptors: 19_000,
            files: 214_000,
            sockets: 212_000,
            connections: 106_000,
            addresses: 100,
            connections_per_address: Some(1_000),
            connecting: 500,
            process_memory: 1 << 30,
            kernel_memory: 1 << 30,
            threads: 90,
            cores: 1.5,
        }
    }

    fn machine() -> Machine {
        Machine {
            cores: 2,
            descriptors: Some((1024, 20_000)),
            files: Some((1_000, 2_000_000)),
            memory: Some((24 << 30, 20 << 30)),
            ports: Some((32_768, 60_999)),
            time_wait: Some(5),
            socket_memory: Some((1 << 30, 2 << 30)),
            backlog: Some(4096),
            tracked: Some((10, 262_144)),
            threads: Some(1_000),
            clock_source: Some("tsc".to_owned()),
        }
    }

    #[test]
    fn a_machine_that_has_everything_needs_no_mending() {
        for finding in check(&needs(), &machine()) {
            assert_eq!((finding.grade, finding.mend.as_str()), (Grade::Fine, ""), "{finding:?}");
        }
    }

    #[test]
    fn every_shortage_is_named_with_what_mends_it() {
        type Change = fn(&mut Needs, &mut Machine);
        let cases: [(&str, Grade, &str, Change); 12] = [
            ("open files", Grade::Short, "ulimit -Hn 19000", |_, machine| machine.descriptors = Some((1024, 4096))),
            ("machine's files", Grade::Short, "fs.file-max=", |_, machine| machine.files = Some((1_000, 200_000))),
            ("ports", Grade::Short, "ip_local_port_range", |needs, _| needs.connections_per_address = Some(30_000)),
            ("ports", Grade::Tight, "tcp_tw_reuse", |_, machine| machine.time_wait = Some(2_800_000)),
            ("memory", Grade::Short, "fewer devices", |needs, _| needs.kernel_memory = 30 << 30),
            ("memory", Grade::Tight, "fewer devices", |needs, _| needs.kernel_memory = 20 << 30),
            ("socket memory", Grade::Tight, "tcp_mem", |_, machine| machine.socket_memory = Some((1 << 20, 2 << 30))),
            ("listen backlog", Grade::Tight, "somaxconn=500", |_, machine| machine.backlog = Some(128)),
            ("connection tracking", Grade::Short, "nf_conntrack_max", |_, machine| machine.tracked = Some((0, 65_536))),
            ("threads", Grade::Short, "pids.max", |_, machine| machine.threads = Some(64)),
            ("cores", Grade::Tight, "load.rate", |needs, _| needs.cores = 3.0),
            ("clock source", Grade::Tight, "clocksource", |_, machine| machine.clock_source = Some("hpet".to_owned())),
        ];
        for (what, grade, mend, change) in cases {
            let (mut needs, mut machine) = (needs(), machine());
            change(&mut needs, &mut machine);
            let findings = check(&needs, &machine);
            let bad: Vec<_> = findings.iter().filter(|finding| finding.grade > Grade::Fine).collect();
            assert_eq!(bad.len(), 1, "{what}: {bad:?}");
            assert_eq!((bad[0].what, bad[0].grade), (what, grade));
            assert!(bad[0].mend.contains(mend), "{what}: {}", bad[0].mend);
        }
    }
}
