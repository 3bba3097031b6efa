//! Outages of a hub that is not ours: a thread that takes it down and brings it back by its operator's commands, at the times
//! of the plan, and brings it back in any case in the end.

use std::io::{self, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;

use super::embedded_hub::{HubNews, NewsOfHub};
use crate::hub::{HubFaultChange, HubFaultNews};
use crate::policy::{HubEffect, HubFault, OutageCommands};
use crate::time::{Clock, Nanos};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);
/// What is told of its words, in bytes.
const WORDS: u64 = 400;
/// Orders that may wait.
const ORDERS: usize = 2;

/// The way to the thread. Dropping it brings the hub back, if it is down, and waits for that.
#[derive(Debug)]
pub(super) struct Outages {
    commands: OutageCommands,
    news: NewsOfHub,
    thread: Option<(SyncSender<SyncSender<()>>, JoinHandle<()>)>,
}

impl Outages {
    /// Nothing is done before it is told when the load starts.
    pub(super) const fn new(commands: OutageCommands, news: NewsOfHub) -> Self {
        Self { commands, news, thread: None }
    }

    /// The load starts at `at`: does the outages among `faults` from then on.
    pub(super) fn start_at(&mut self, at: Timestamp, faults: Vec<HubFault>) {
        let clock = Clock::start();
        let start = clock.wall().moment(at);
        let mut turns: Vec<Turn> = faults
            .into_iter()
            .filter(|fault| fault.effect == HubEffect::Down)
            .flat_map(|fault| {
                let begin = Turn { at: start + fault.at, fault: fault.index, begins: true };
                let end = fault.lasts.map(|lasts| Turn { at: start + fault.at + lasts, begins: false, ..begin });
                [Some(begin), end]
            })
            .flatten()
            .collect();
        turns.sort_by_key(|turn| (turn.at, turn.begins));
        let (heal, healing) = sync_channel(ORDERS);
        let (commands, news) = (self.commands.clone(), self.news.clone());
        let outage = Outage { commands, news, clock, start, active: Vec::new() };
        let spawned = thread::Builder::new().name("outages".to_owned()).spawn(move || outage.run(turns, &healing));
        match spawned {
            Ok(thread) => self.thread = Some((heal, thread)),
            Err(error) => self.news.tell(HubNews::Trouble(format!("no thread for the hub's outages: {error}"))),
        }
    }

    /// Brings the hub back, and lets no outage begin any more. Blocks until that is done.
    pub(super) fn heal(&self) {
        let Some((heal, _)) = &self.thread else { return };
        let (done, is_done) = sync_channel(1);
        if heal.send(done).is_ok() {
            // It ends by being dropped.
            let _ = is_done.recv();
        }
    }
}

impl Drop for Outages {
    fn drop(&mut self) {
        if let Some((heal, thread)) = self.thread.take() {
            drop(heal);
            let _ = thread.join();
        }
    }
}

/// Beginning or end of an outage.
#[derive(Debug, Clone, Copy)]
struct Turn {
    at: Nanos,
    fault: usize,
    begins: bool,
}

/// The thread.
struct Outage {
    commands: OutageCommands,
    news: NewsOfHub,
    clock: Clock,
    start: Nanos,
    /// The faults that keep the hub down.
    active: Vec<usize>,
}

impl Outage {
    fn run(mut self, turns: Vec<Turn>, healing: &Receiver<SyncSender<()>>) {
        let mut turns = turns.into_iter().peekable();
        loop {
            let next = turns.peek().map_or(Nanos::MAX, |turn| turn.at);
            let healed = match healing.recv_timeout(next.since(self.clock.now())) {
                Err(RecvTimeoutError::Timeout) => None,
                Ok(healed) => Some(healed),
                Err(RecvTimeoutError::Disconnected) => {
                    self.end(|_| true);
                    return;
                }
            };
            if healed.is_some() {
                self.end(|_| true);
                turns = Vec::new().into_iter().peekable();
            }
            let now = self.clock.now();
            while let Some(turn) = turns.next_if(|turn| turn.at <= now) {
                match turn.begins {
                    true => self.begin(turn.fault),
                    false => self.end(|fault| fault == turn.fault),
                }
            }
            drop(healed);
        }
    }

    fn begin(&mut self, fault: usize) {
        let is_first = self.active.is_empty();
        self.active.push(fault);
        // A hub is down once the command says so, and its connections may be gone any time before.
        let since_start = self.clock.now().since(self.start);
        if is_first && let Err(why) = execute(&self.commands.down, &self.clock) {
            self.active.clear();
            return self.news.tell(HubNews::Trouble(format!("hub.outage.down: {why}")));
        }
        self.say(fault, HubFaultChange::Began, since_start);
    }

    /// Ends the outages that `are_over`; the last of them brings the hub back.
    fn end(&mut self, are_over: impl Fn(usize) -> bool) {
        let (over, left): (Vec<usize>, Vec<usize>) = self.active.iter().partition(|fault| are_over(**fault));
        self.active = left;
        if over.is_empty() {
            return;
        }
        if self.active.is_empty()
            && let Err(why) = execute(&self.commands.up, &self.clock)
        {
            self.news.tell(HubNews::Trouble(format!("hub.outage.up: {why}")));
        }
        let since_start = self.clock.now().since(self.start);
        over.into_iter().for_each(|fault| self.say(fault, HubFaultChange::Ended, since_start));
    }

    fn say(&self, fault: usize, change: HubFaultChange, since_start: Duration) {
        self.news.tell(HubNews::Fault(HubFaultNews { fault, change, since_start }));
    }
}

/// Executes a command line; it must end with 0 in time.
fn execute(command: &str, clock: &Clock) -> Result<(), String> {
    let failed = |error: io::Error| format!("`{command}` cannot be executed: {error}");
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let until = clock.now() + LIMIT;
    loop {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                let mut said = String::new();
                if let Some(words) = child.stderr.take() {
                    // Words that are none say nothing.
                    let _ = words.take(WORDS).read_to_string(&mut said);
                }
                return Err(format!("`{command}` ended with {status}: {}", said.trim()));
            }
            None if clock.now() >= until => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{command}` did not end within {LIMIT:?}"));
            }
            None => thread::park_timeout(LOOK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Fault, FaultKind};
    use tokio::sync::mpsc;

    fn news(receiver: &mut mpsc::Receiver<(usize, HubNews)>) -> String {
        match receiver.blocking_recv() {
            Some((0, HubNews::Fault(news))) => format!("{:?} {}", news.change, news.fault),
            Some((_, HubNews::Trouble(text))) => text,
            other => panic!("{other:?}"),
        }
    }

    fn faults(windows: &[(u64, Option<u64>)]) -> Vec<HubFault> {
        let fault = |(at, lasts): &(u64, Option<u64>)| Fault {
            at: Duration::from_millis(*at),
            lasts: lasts.map(Duration::from_millis),
            ..Fault::new(FaultKind::HubDown)
        };
        HubFault::among(&windows.iter().map(fault).collect::<Vec<_>>())
    }

    #[test]
    fn a_hub_is_taken_down_and_brought_back_by_its_commands() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let commands = OutageCommands {
            down: format!("echo down >> {}", log.display()),
            up: format!("echo up >> {}", log.display()),
        };
        let (tell, mut told) = mpsc::channel(16);
        let mut outages = Outages::new(commands, NewsOfHub { hub: 0, news: tell });
        let now = Clock::start();
        outages.start_at(now.wall().at(now.now()), faults(&[(0, Some(50)), (100, None), (3_600_000, Some(1))]));
        let heard: Vec<String> = (0..3).map(|_| news(&mut told)).collect();
        assert_eq!(heard, ["Began 0", "Ended 0", "Began 1"]);
        outages.heal();
        assert_eq!(news(&mut told), "Ended 1");
        drop(outages);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "down\nup\ndown\nup\n");
    }

    #[test]
    fn a_hub_that_is_down_is_brought_back_in_the_end_and_a_command_that_fails_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let commands = OutageCommands {
            down: "true".to_owned(),
            up: format!("echo up >> {}; echo oh >&2; exit 3", log.display()),
        };
        let (tell, mut told) = mpsc::channel(16);
        let mut outages = Outages::new(commands, NewsOfHub { hub: 0, news: tell });
        let now = Clock::start();
        outages.start_at(now.wall().at(now.now()), faults(&[(0, None)]));
        assert_eq!(news(&mut told), "Began 0");
        drop(outages);
        let trouble = news(&mut told);
        assert!(trouble.starts_with("hub.outage.up: `echo up") && trouble.ends_with("exit status: 3: oh"), "{trouble}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "up\n");
    }
}
