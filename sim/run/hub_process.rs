//! The embedded hub as a child process: a process of its own keeps its CPU and memory apart from the generator's, and
//! makes killing it an honest drill.

use std::io::{self, BufReader};
use std::path::Path;
use std::process::{ChildStdout, ExitStatus};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::child::{ChildProcess, STACK};
use super::embedded_hub::{EmbeddedHubError, HubNews, NewsOfHub};
use super::hub_listening::{Listening, start_hub};
use crate::hub::{HubConfig, HubFaultNews};
use crate::measure::{HubCounts, Usage};
use crate::policy::HubFault;
use crate::shard::{Credentials, Endpoints, read_line, write_line};

/// How long a hub may take to listen.
const START: Duration = Duration::from_secs(20);
/// How long hubs may take to stop before they are killed. Nothing is lost with them: results are written by then.
const STOP: Duration = Duration::from_secs(1);
/// How long a hub may take to tell its counts.
const COUNT: Duration = Duration::from_secs(1);

/// The child's words: first that it listens, or why it cannot; then what it is asked.
#[derive(Serialize, Deserialize)]
enum Word {
    Listening(Listening),
    Failed(String),
    Counts(HubCounts),
    /// What really becomes of a fault.
    Fault(HubFaultNews),
}

/// What the parent says.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    Start(Box<HubConfig>),
    /// The load starts at this moment; these faults are done at their times.
    StartAt {
        at: Timestamp,
        faults: Vec<HubFault>,
    },
    /// Lifts every fault.
    Heal,
    /// Asks what its limits and its servers did so far.
    Count,
    Stop,
}

/// A running hub process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct HubProcess {
    child: ChildProcess<Order>,
    counts: Receiver<HubCounts>,
    endpoints: Endpoints,
    credentials: Credentials,
}

/// A hub process that has not said yet that it listens.
pub(super) struct StartingHub {
    child: ChildProcess<Order>,
    first_word: oneshot::Receiver<io::Result<Option<Word>>>,
    counts: Receiver<HubCounts>,
}

impl StartingHub {
    /// Starts `program hub --control`. `news` is told what becomes of its faults, and that the process is gone. The child
    /// is bound to the life of the thread that starts it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn spawn(program: &Path, config: HubConfig, news: NewsOfHub) -> Result<Self, EmbeddedHubError> {
        let (mut child, words) = ChildProcess::spawn(program, "hub")?;
        let (first_word, counts) = listen(words, news)?;
        child.tell(Order::Start(Box::new(config)))?;
        Ok(Self { child, first_word, counts })
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// It cannot listen, or does not say so.
    pub(super) async fn listening(self) -> Result<HubProcess, EmbeddedHubError> {
        let word = match timeout(START, self.first_word).await {
            Ok(Ok(Ok(word))) => word,
            Ok(Ok(Err(error))) => return Err(EmbeddedHubError::Silent(error.to_string())),
            Ok(Err(_)) => None,
            Err(_) => return Err(EmbeddedHubError::Silent(format!("waited {} s", START.as_secs()))),
        };
        let listening = match word {
            Some(Word::Listening(listening)) => listening,
            Some(Word::Failed(why)) => return Err(EmbeddedHubError::Failed(why)),
            Some(_) => return Err(EmbeddedHubError::Silent("it tells of a load before it listens".to_owned())),
            None => return Err(EmbeddedHubError::Silent("its output closed".to_owned())),
        };
        let (endpoints, credentials) =
            listening.way().map_err(|unusable| EmbeddedHubError::Silent(unusable.to_owned()))?;
        Ok(HubProcess { child: self.child, counts: self.counts, endpoints, credentials })
    }
}

impl HubProcess {
    /// Where it listens, and what opens it.
    pub(super) const fn way(&self) -> (&Endpoints, &Credentials) {
        (&self.endpoints, &self.credentials)
    }

    /// What it has used so far; what was known last if it is gone.
    pub(super) fn usage(&mut self) -> Usage {
        self.child.usage()
    }

    /// Whether it is stopped, by a signal or a debugger.
    pub(super) fn is_stopped(&mut self) -> bool {
        self.child.is_stopped()
    }

    /// Asks what its limits and its servers did so far; whether it takes the question.
    pub(super) fn ask_for_counts(&mut self) -> bool {
        self.child.tell(Order::Count).is_ok()
    }

    /// The answer; nothing if none comes in time. Blocks for as long.
    pub(super) fn counts(&self) -> HubCounts {
        self.counts.recv_timeout(COUNT).unwrap_or_default()
    }

    /// Tells it when the load starts, and which faults to do. One that is gone needs to know nothing.
    pub(super) fn start_at(&mut self, at: Timestamp, faults: Vec<HubFault>) {
        let _ = self.child.tell(Order::StartAt { at, faults });
    }

    /// Tells it to lift every fault.
    pub(super) fn heal(&mut self) {
        let _ = self.child.tell(Order::Heal);
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.ended()
    }

    /// Stops `hubs` by message, all at once, and by force those that do not listen. Blocks for as long.
    pub(super) fn stop_all(mut hubs: Vec<Self>) {
        for hub in &mut hubs {
            let _ = hub.child.tell(Order::Stop);
        }
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while waited < STOP && hubs.iter_mut().any(|hub| hub.ended().is_none()) {
            thread::sleep(step);
            waited += step;
        }
        // Each is waited for as it is dropped: all are to be dying by then.
        hubs.iter_mut().for_each(|hub| hub.child.kill());
    }
}

/// What a hub says: its first word, and its counts whenever it is asked.
type Words = (oneshot::Receiver<io::Result<Option<Word>>>, Receiver<HubCounts>);

/// Listens to the child until its end, on a thread of its own.
fn listen(words: ChildStdout, news: NewsOfHub) -> io::Result<Words> {
    let (say, said) = oneshot::channel();
    // It is asked for one thing at a time.
    let (count, counts) = sync_channel(1);
    thread::Builder::new().name("hub-words".to_owned()).stack_size(STACK).spawn(move || {
        let mut words = BufReader::new(words);
        let mut line = Vec::new();
        // Whoever waited may be gone.
        let _ = say.send(read_line(&mut words, &mut line));
        loop {
            match read_line(&mut words, &mut line) {
                Ok(Some(Word::Counts(counted))) => _ = count.try_send(counted),
                Ok(Some(Word::Fault(fault))) => news.tell(HubNews::Fault(fault)),
                _ => break,
            }
        }
        news.tell(HubNews::Gone);
    })?;
    Ok((said, counts))
}

/// The child's side: runs a hub as its parent orders, until it says stop or is gone.
///
/// # Errors
/// What the parent says makes no sense, or its channel broke.
pub fn serve_hub_process() -> io::Result<()> {
    // Beside the channel, in case this process is stopped or stuck when its parent ends.
    set_pdeathsig(Signal::SIGKILL)?;
    let (mut from, mut line) = (BufReader::new(io::stdin().lock()), Vec::new());
    let mut next = || read_line::<Order>(&mut from, &mut line);
    let Some(Order::Start(config)) = next()? else { return Ok(()) };
    match start_hub(*config) {
        Err(error) => say(&Word::Failed(error.to_string())),
        Ok((mut hub, listening)) => {
            say(&Word::Listening(listening))?;
            // `Stop`, or the end of the channel: both mean the same.
            let stopped = loop {
                match next() {
                    Ok(Some(Order::StartAt { at, faults })) => {
                        // A parent that hears nothing is gone: then this ends as well.
                        let tell = |news| drop(say(&Word::Fault(news)));
                        hub.inject(at, faults, tell).map_err(io::Error::other)?;
                    }
                    Ok(Some(Order::Heal)) => hub.heal(),
                    Ok(Some(Order::Count)) => say(&Word::Counts(hub.counts()))?,
                    other => break other,
                }
            };
            hub.stop();
            stopped.map(|_| ())
        }
    }
}

fn say(word: &Word) -> io::Result<()> {
    write_line(&mut io::stdout().lock(), word)
}
