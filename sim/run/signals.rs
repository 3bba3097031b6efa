//! Ctrl-C, a polite kill, and a terminal that closes. The first asks; the second leaves at once, whatever the program
//! is busy with: it is heard on a thread of its own.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::farewell::Farewell;
use crate::verdict::ExitCode;

/// The first signal that asks the program to stop.
#[derive(Debug)]
pub struct StopSignal {
    first: Option<oneshot::Receiver<()>>,
    asker: StopAsker,
    farewell: Farewell,
}

/// Asks for the end as the first signal does, and never more than that.
#[derive(Debug, Clone)]
pub(super) struct StopAsker(mpsc::Sender<()>);

impl StopAsker {
    /// Asks.
    pub(super) fn ask(&self) {
        // One that waits already is as good as two.
        let _ = self.0.try_send(());
    }
}

impl StopSignal {
    /// From now on signals are taken here: to be called before anybody is told that the program may be stopped, and
    /// outside of any runtime.
    ///
    /// # Errors
    /// Signals cannot be waited for.
    pub fn take() -> io::Result<Self> {
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
        let (ask, mut asked) = mpsc::channel(1);
        let farewell = Farewell::default();
        let leaving = farewell.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let mut tell = Some(tell);
                loop {
                    let at_once = tokio::select! {
                        _ = interrupt.recv() => true,
                        _ = terminate.recv() => true,
                        _ = hang_up.recv() => true,
                        Some(()) = asked.recv() => false,
                    };
                    match tell.take() {
                        // If nobody waits any more, the program is about to end anyway.
                        Some(tell) => drop(tell.send(())),
                        None if at_once => {
                            leaving.say();
                            // Children end with this process.
                            std::process::exit(ExitCode::Aborted.code().into());
                        }
                        None => {}
                    }
                }
            });
        })?;
        Ok(Self { first: Some(first), asker: StopAsker(ask), farewell })
    }

    /// Who can ask for the end.
    pub(super) fn asker(&self) -> StopAsker {
        self.asker.clone()
    }

    /// What is to be done before the second signal ends the program.
    pub(super) fn farewell(&self) -> Farewell {
        self.farewell.clone()
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
