//! Outages of a hub that is not ours: a thread that takes it down and brings it back by its operator's commands, at the times
//! of the plan, and brings it back in any case in the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;

use super::embedded_hub::{HubNews, NewsOfHub};
use super::farewell::{Farewell, Prepared};
use super::operator_command::OperatorCommand;
use super::print::Notes;
use crate::hub::{HubFaultChange, HubFaultNews};
use crate::policy::{HubEffect, HubFault, OutageCommands};
use crate::time::{Clock, Nanos};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a program that leaves at once waits for the hub to be back. The command goes on without it.
const LEAVE: Duration = Duration::from_secs(10);
/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(10);
/// Orders that may wait.
const ORDERS: usize = 2;

/// The way to the thread. Dropping it brings the hub back, if it is down, and waits for that.
#[derive(Debug)]
pub(super) struct Outages {
    commands: OutageCommands,
    news: NewsOfHub,
    farewell: Farewell,
    /// Whether outages are to be over by now.
    over: Arc<AtomicBool>,
    thread: Option<(SyncSender<SyncSender<()>>, JoinHandle<()>, Prepared)>,
}

impl Outages {
    /// Nothing is done before it is told when the load starts. The hub is also brought back at the `farewell`.
    pub(super) fn new(commands: OutageCommands, news: NewsOfHub, farewell: Farewell) -> Self {
        Self { commands, news, farewell, over: Arc::default(), thread: None }
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
        let switch = Arc::new(Switch::new(self.commands.clone(), clock, LIMIT));
        let leaving = Arc::clone(&switch);
        let prepared = self.farewell.prepare(move || leaving.leave());
        let (news, over) = (self.news.clone(), Arc::clone(&self.over));
        let outage = Outage { switch, news, clock, start, over, active: Vec::new() };
        let spawned = thread::Builder::new().name("outages".to_owned()).spawn(move || outage.run(turns, &healing));
        match spawned {
            Ok(thread) => self.thread = Some((heal, thread, prepared)),
            Err(error) => self.news.tell(HubNews::Trouble(format!("no thread for the hub's outages: {error}"))),
        }
    }

    /// Brings the hub back, and lets no outage begin any more. Blocks until that is done.
    pub(super) fn heal(&self) {
        let Some((heal, ..)) = &self.thread else { return };
        self.over.store(true, Ordering::Relaxed);
        let (done, is_done) = sync_channel(1);
        if heal.send(done).is_ok() {
            // It ends by being dropped.
            let _ = is_done.recv();
        }
    }
}

impl Drop for Outages {
    fn drop(&mut self) {
        if let Some((heal, thread, _prepared)) = self.thread.take() {
            self.over.store(true, Ordering::Relaxed);
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
    switch: Arc<Switch>,
    news: NewsOfHub,
    clock: Clock,
    start: Nanos,
    over: Arc<AtomicBool>,
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
        if is_first && let Err(why) = self.switch.take_down() {
            self.active.clear();
            self.news.tell(HubNews::Trouble(format!("hub.outage.down: {why}")));
            // What it did to the hub before it failed, nobody knows.
            return self.bring_back();
        }
        if self.over.load(Ordering::Relaxed) {
            let why = "was still under way when the outage was to be over: whom it struck is not known";
            self.news.tell(HubNews::Trouble(format!("hub.outage.down: {why}")));
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
        if self.active.is_empty() {
            self.bring_back();
        }
        let since_start = self.clock.now().since(self.start);
        over.into_iter().for_each(|fault| self.say(fault, HubFaultChange::Ended, since_start));
    }

    fn bring_back(&self) {
        if let Err(why) = self.switch.bring_back() {
            self.news.tell(HubNews::Trouble(format!("hub.outage.up: {why}")));
        }
    }

    fn say(&self, fault: usize, change: HubFaultChange, since_start: Duration) {
        self.news.tell(HubNews::Fault(HubFaultNews { fault, change, since_start }));
    }
}

/// What takes the hub down and brings it back: for the thread, and for a program that leaves at once meanwhile.
struct Switch {
    commands: OutageCommands,
    clock: Clock,
    limit: Duration,
    stand: Mutex<Stand>,
}

/// Where the hub stands, as far as we moved it.
enum Stand {
    Up,
    GoingDown(OperatorCommand),
    /// Down, or at least no longer known to be up.
    Down,
    ComingUp(OperatorCommand),
    /// The program leaves at once, and brings the hub back first: whoever else wants something of it waits.
    Leaving,
    /// That is done, and nothing else will be.
    Left,
}

impl Switch {
    const fn new(commands: OutageCommands, clock: Clock, limit: Duration) -> Self {
        Self { commands, clock, limit, stand: Mutex::new(Stand::Up) }
    }

    /// Takes the hub down. Blocks until that is done.
    ///
    /// # Errors
    /// The command failed, or took too long, and is ended. The hub may be down.
    fn take_down(&self) -> Result<(), String> {
        self.execute(&self.commands.down, Stand::GoingDown)
    }

    /// Brings the hub back. Blocks until that is done.
    ///
    /// # Errors
    /// The command failed, or took too long; it is left to itself then, as it may succeed yet.
    fn bring_back(&self) -> Result<(), String> {
        self.execute(&self.commands.up, Stand::ComingUp)
    }

    fn execute(&self, command: &str, stand: impl FnOnce(OperatorCommand) -> Stand) -> Result<(), String> {
        let until = self.clock.now() + self.limit;
        {
            // The lock is kept meanwhile: whoever leaves knows of every command that was started.
            let mut now = self.stand();
            if !matches!(*now, Stand::Leaving | Stand::Left) {
                *now = stand(OperatorCommand::start(command)?);
            }
        }
        loop {
            if let Some(ended) = self.look(command, self.clock.now() >= until) {
                return ended;
            }
            thread::park_timeout(LOOK);
        }
    }

    /// How `command`, which is being executed, has ended, if it has; if it is `late`, that ends it as well.
    fn look(&self, command: &str, late: bool) -> Option<Result<(), String>> {
        let mut stand = self.stand();
        let (ended, next) = match &mut *stand {
            Stand::GoingDown(running) => {
                let ended = running.ended();
                if late && ended.is_none() {
                    // Else it might take the hub down after it was brought back.
                    running.kill();
                }
                (ended, Stand::Down)
            }
            Stand::ComingUp(running) => (running.ended(), Stand::Up),
            // The end of the run must not end the program before the hub is back.
            Stand::Leaving => return None,
            Stand::Up | Stand::Down | Stand::Left => return Some(Ok(())),
        };
        let ended = ended.or_else(|| late.then(|| Err(format!("`{command}` did not end within {:?}", self.limit))))?;
        *stand = next;
        Some(ended)
    }

    /// The program leaves at once: brings the hub back if it may be down, and waits for that, though not for ever.
    fn leave(&self) {
        let before = std::mem::replace(&mut *self.stand(), Stand::Leaving);
        let up = match before {
            Stand::Up | Stand::Leaving | Stand::Left => return *self.stand() = Stand::Left,
            Stand::ComingUp(up) => Ok(up),
            Stand::Down => OperatorCommand::start(&self.commands.up),
            Stand::GoingDown(mut down) => {
                down.kill();
                OperatorCommand::start(&self.commands.up)
            }
        };
        // Nobody waits for who does not read.
        let mut notes = Notes::start().ok();
        if let Some(notes) = &notes {
            notes.say("the hub is brought back first".to_owned());
        }
        let back = up.and_then(|up| self.wait_for(up));
        *self.stand() = Stand::Left;
        if let Some(notes) = &mut notes {
            if let Err(why) = back {
                notes.say(format!("hub.outage.up: {why}"));
            }
            notes.finish();
        }
    }

    fn wait_for(&self, mut up: OperatorCommand) -> Result<(), String> {
        let until = self.clock.now() + LEAVE;
        loop {
            match up.ended() {
                Some(ended) => return ended,
                None if self.clock.now() >= until => {
                    return Err(format!("`{}` has not ended yet, and goes on by itself", self.commands.up));
                }
                None => thread::park_timeout(LOOK),
            }
        }
    }

    fn stand(&self) -> MutexGuard<'_, Stand> {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut outages = Outages::new(commands, NewsOfHub { hub: 0, news: tell }, Farewell::default());
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
        let mut outages = Outages::new(commands, NewsOfHub { hub: 0, news: tell }, Farewell::default());
        let now = Clock::start();
        outages.start_at(now.wall().at(now.now()), faults(&[(0, None)]));
        assert_eq!(news(&mut told), "Began 0");
        drop(outages);
        let trouble = news(&mut told);
        assert!(trouble.starts_with("hub.outage.up: `echo up") && trouble.ends_with("exit status: 3: oh"), "{trouble}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "up\n");
    }

    /// Commands that note themselves in `log` and do `more`, and what they have noted.
    fn noting(folder: &tempfile::TempDir, down: &str, up: &str) -> (OutageCommands, impl Fn() -> String) {
        let log = folder.path().join("log");
        let note = |word: &str, more: &str| format!("echo {word} >> {}; {more}", log.display());
        let commands = OutageCommands { down: note("down", down), up: note("up", up) };
        (commands, move || std::fs::read_to_string(&log).unwrap_or_default())
    }

    #[test]
    fn a_hub_that_may_have_been_taken_down_by_a_command_that_failed_is_brought_back() {
        let folder = tempfile::tempdir().unwrap();
        let (commands, noted) = noting(&folder, "exit 3", "exit 4");
        let (tell, mut told) = mpsc::channel(16);
        let mut outages = Outages::new(commands, NewsOfHub { hub: 0, news: tell }, Farewell::default());
        let now = Clock::start();
        outages.start_at(now.wall().at(now.now()), faults(&[(0, None)]));
        let (down, up) = (news(&mut told), news(&mut told));
        assert!(down.starts_with("hub.outage.down: ") && down.contains("exit status: 3"), "{down}");
        assert!(up.starts_with("hub.outage.up: ") && up.contains("exit status: 4"), "{up}");
        drop(outages);
        assert_eq!(noted(), "down\nup\n");
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn what_takes_the_hub_down_too_late_is_ended_and_what_brings_it_back_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (go, log) = (folder.path().join("go"), folder.path().join("log"));
        let up = format!("until test -e {}; do sleep 0.01; done; echo back >> {}", go.display(), log.display());
        let (commands, noted) = noting(&folder, "sleep 600 & wait", &up);
        let switch = Switch::new(commands, Clock::start(), Duration::from_millis(300));
        assert!(switch.take_down().unwrap_err().ends_with("did not end within 300ms"));
        assert!(switch.bring_back().unwrap_err().ends_with("did not end within 300ms"));
        std::fs::write(go, "").unwrap();
        while noted() != "down\nup\nback\n" {
            thread::yield_now();
        }
    }

    #[test]
    fn whoever_leaves_at_once_brings_the_hub_back_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (commands, noted) = noting(&folder, "true", "true");
        let switch = || Switch::new(commands.clone(), Clock::start(), LIMIT);
        let up = switch();
        up.leave();
        assert_eq!(noted(), "");
        let down = switch();
        down.take_down().unwrap();
        down.leave();
        down.leave();
        assert_eq!(noted(), "down\nup\n");
        // The thread may go on for a moment, and has nothing to say any more.
        assert_eq!((down.bring_back(), down.take_down()), (Ok(()), Ok(())));
        assert_eq!(noted(), "down\nup\n");
        let going = tempfile::tempdir().unwrap();
        let (commands, noted) = noting(&going, "sleep 600", "true");
        let going = Switch::new(commands, Clock::start(), LIMIT);
        thread::scope(|scope| {
            let taking = scope.spawn(|| going.take_down());
            while noted() != "down\n" {
                thread::yield_now();
            }
            going.leave();
            assert_eq!(taking.join().unwrap(), Ok(()));
        });
        assert_eq!(noted(), "down\nup\n");
    }
}
