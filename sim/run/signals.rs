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
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let mut tell = Some(tell);
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hang_up.recv() => {}
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
