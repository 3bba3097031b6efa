//! A shard as the coordinator reaches it: on a thread of this process, or a process of its own.

use std::io::{self, BufReader};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use super::child::{ChildProcess, STACK};
use crate::measure::Tracer;
use crate::shard::{FromShard, QUEUE, ToShard, read_line, spawn_shard};

/// What is heard of the shards: who says something, or has nothing more to say.
pub(super) type Words = mpsc::Sender<(usize, Option<FromShard>)>;

/// How long a shard's thread may take to end once there is nobody left to talk to.
const END: Duration = Duration::from_secs(5);

/// The threads of shards.
#[derive(Debug, Default)]
pub(super) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits until they have ended, which they do once their channels are gone: what a run used is free again then. One
    /// that is stuck is left behind, and ends with the program. Blocks for as long.
    pub(super) fn end(self) {
        let step = Duration::from_millis(1);
        let mut waited = Duration::ZERO;
        while waited < END && !self.0.iter().all(JoinHandle::is_finished) {
            thread::sleep(step);
            waited += step;
        }
    }
}

/// The way to a shard.
#[derive(Debug)]
pub(super) enum Carrier {
    /// A thread of this process.
    Thread(mpsc::Sender<ToShard>),
    /// A process of its own.
    Process(ChildProcess<ToShard>),
}

impl Carrier {
    /// Starts shard number `shard` on a thread, and puts that among `threads`. To be called within a runtime.
    ///
    /// # Errors
    /// There can be no thread.
    pub(super) fn thread(
        shard: usize,
        tracer: Option<Arc<Tracer>>,
        words: Words,
        threads: &mut Threads,
    ) -> io::Result<Self> {
        let (orders, taken) = mpsc::channel(QUEUE);
        let (say, mut said) = mpsc::channel(QUEUE);
        threads.0.push(spawn_shard(tracer, taken, say)?);
        tokio::spawn(async move {
            while let Some(word) = said.recv().await {
                // Nobody listens any more once the run is over.
                let _ = words.send((shard, Some(word))).await;
            }
            let _ = words.send((shard, None)).await;
        });
        Ok(Self::Thread(orders))
    }

    /// Starts shard number `shard` as a process, bound to the life of the thread that this is called on.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(super) fn process(shard: usize, program: &Path, words: Words) -> io::Result<Self> {
        let (child, said) = ChildProcess::spawn(program, "shard")?;
        let name = format!("shard-{shard}-words");
        thread::Builder::new().name(name).stack_size(STACK).spawn(move || listen(shard, said, &words))?;
        Ok(Self::Process(child))
    }

    /// Tells the shard something. One that has ended says so itself: by a result, a failure, or the end of its words.
    pub(super) fn tell(&mut self, order: ToShard) {
        match self {
            // Orders are fewer than the queue is long.
            Self::Thread(orders) => drop(orders.try_send(order)),
            // One that takes no orders falls silent, too.
            Self::Process(child) => drop(child.tell(order)),
        }
    }

    /// Whether the shard is a process of its own, whose use of the machine comes on top of the coordinator's.
    pub(super) const fn is_process(&self) -> bool {
        matches!(self, Self::Process(_))
    }

    /// How a process that is gone ended, in words; nothing where that is not known.
    pub(super) fn end_in_words(&mut self) -> String {
        match self {
            Self::Thread(_) => String::new(),
            Self::Process(child) => child.ended().map(|status| format!(" ({status})")).unwrap_or_default(),
        }
    }

    /// Ends a shard that does not end by itself. A thread ends once nobody talks to it any more, see [`Threads`].
    pub(super) fn kill(&mut self) {
        if let Self::Process(child) = self {
            child.kill();
        }
    }
}

/// Hands on what a shard's process says until it says no more, or nonsense.
fn listen(shard: usize, said: ChildStdout, words: &Words) {
    let (mut from, mut line) = (BufReader::new(said), Vec::new());
    while let Ok(Some(word)) = read_line(&mut from, &mut line) {
        if words.blocking_send((shard, Some(word))).is_err() {
            return;
        }
    }
    let _ = words.blocking_send((shard, None));
}
