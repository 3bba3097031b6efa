//! A process that plays a role, and what it uses.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use twinstorm::measure::{Usage, raise_descriptor_limit};

/// The variable that tells a process its role; its words are separated by spaces.
const ROLE: &str = "TWINSTORM_BENCH_ROLE";

/// The words of this process's role; `None` in the bench itself.
pub(crate) fn role() -> Option<Vec<String>> {
    let role = env::var(ROLE).ok()?;
    // A bench that was killed leaves nothing behind.
    set_pdeathsig(Signal::SIGKILL).expect("prctl");
    raise_descriptor_limit().expect("descriptors");
    Some(role.split(' ').map(str::to_owned).collect())
}

/// This program in a role, to be started.
pub(crate) fn command_for(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("the bench's own path"));
    command.env(ROLE, role);
    command
}

/// A process in a role. It is killed when dropped.
pub(crate) struct Player {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
}

impl Player {
    pub(crate) fn start(role: &str) -> Self {
        let mut command = command_for(role);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("another process");
        let (orders, answers) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, orders, answers: BufReader::new(answers) }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line that it says.
    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "a process of this bench has ended early");
        line.trim_end().to_owned()
    }

    /// Waits for the figures that it says next.
    pub(crate) fn figures(&mut self) -> Figures {
        self.answer().parse().expect("figures")
    }

    /// Asks for its present figures.
    pub(crate) fn ask(&mut self) -> Figures {
        writeln!(self.orders).expect("a process that listens");
        self.figures()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// CPU time, user and system.
    pub(crate) cpu: Duration,
    /// Private user memory now, in bytes.
    pub(crate) memory: u64,
    /// What the role counts.
    pub(crate) count: u64,
}

impl Figures {
    /// Of this process.
    pub(crate) fn now(count: u64) -> Self {
        Self { cpu: Usage::of_self().cpu, memory: user_memory(), count }
    }

    /// Tells them to the bench.
    pub(crate) fn say(self) {
        say(format!("{} {} {}", self.cpu.as_nanos(), self.memory, self.count));
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu - before.cpu,
            memory: self.memory.saturating_sub(before.memory),
            count: self.count - before.count,
        }
    }
}

impl FromStr for Figures {
    type Err = std::num::ParseIntError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut numbers = line.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next().unwrap_or(Ok(0));
        Ok(Self { cpu: Duration::from_nanos(next()?), memory: next()?, count: next()? })
    }
}

/// Anonymous resident memory: what this process does not share with others, and what its sockets do not take.
fn user_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("proc");
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.unwrap_or(0_u64) * 1024
}

/// Tells the bench a line.
pub(crate) fn say(line: impl std::fmt::Display) {
    println!("{line}");
    io::stdout().flush().expect("the bench listens");
}

/// Waits until the bench asks for something; false when it has gone.
pub(crate) fn asked() -> bool {
    matches!(io::stdin().lock().read_line(&mut String::new()), Ok(1..))
}
