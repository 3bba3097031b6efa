//! Ctrl-C, a polite kill, and a terminal that closes. The first asks; the second leaves at once, whatever the program
//! is busy with: it is heard on a thread of its own.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::verdict::ExitCode;

/// The first signal that asks the program to stop.
#[derive(Debug)]
pub struct StopSignal {
    first: Option<oneshot::Receiver<()>>,
}

/// Waits until the parent is gone, once; for ever where there is none.
async fn gone(parent: &mut Option<oneshot::Receiver<()>>) {
    match parent {
        Some(word) => {
            let _ = word.await;
            *parent = None;
        }
        None => std::future::pending().await,
    }
}

impl StopSignal {
    /// From now on signals are taken here: to be called before anybody is told that the program may be stopped, and
    /// outside of any runtime.
    ///
    /// # Errors
    /// Signals cannot be waited for.
    pub fn take() -> io::Result<Self> {
        Self::take_from(None)
    }

    /// The same for a process whose standard input is the word of its parent to go on: the end of it asks as a first signal
    /// does, and means nothing after one.
    ///
    /// # Errors
    /// Signals cannot be waited for.
    pub fn take_with_parent() -> io::Result<Self> {
        let (gone, parent) = oneshot::channel();
        thread::Builder::new().name("parent".to_owned()).spawn(move || {
            // However it ends, and whatever is said before.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = gone.send(());
        })?;
        Self::take_from(Some(parent))
    }

    fn take_from(mut parent: Option<oneshot::Receiver<()>>) -> io::Result<Self> {
        // A file that grows beyond what is allowed (`ulimit -f`) is an error of writing it, not the end of the program.
        let mut file_size = SigSet::empty();
        file_size.add(Signal::SIGXFSZ);
        file_size.thread_block()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate, mut hang_up) = runtime.block_on(async {
            io::Result::Ok((
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ))
        })?;
        let (tell, first) = oneshot::channel();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let mut tell = Some(tell);
                loop {
                    let by_parent = tokio::select! {
                        _ = interrupt.recv() => false,
                        _ = terminate.recv() => false,
                        _ = hang_up.recv() => false,
                        () = gone(&mut parent) => true,
                    };
                    if by_parent && tell.is_none() {
                        continue;
                    }
                    match tell.take() {
                        // If nobody waits any more, the program is about to end anyway.
                        Some(tell) => drop(tell.send(())),
                        // Children end with this process.
                        None => std::process::exit(ExitCode::Aborted.code().into()),
                    }
                }
            });
        })?;
        Ok(Self { first: Some(first) })
    }

    /// Waits for it; for ever once it has come.
    pub(super) async fn come(&mut self) {
        match &mut self.first {
            Some(first) => {
                let _ = first.await;
                self.first = None;
            }
            None => std::future::pending().await,
        }
    }

    /// Blocks until it comes.
    pub fn wait(mut self) {
        if let Some(first) = self.first.take() {
            let _ = first.blocking_recv();
        }
    }
}
