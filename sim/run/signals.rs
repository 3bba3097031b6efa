//! Ctrl-C, a polite kill, and a terminal that closes.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a run to stop.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From now on signals are taken here.
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// For a command that just goes on until it is asked to stop.
#[derive(Debug)]
pub struct StopSignal {
    signals: Signals,
    runtime: Runtime,
}

impl StopSignal {
    /// From now on signals are taken here: to be called before anybody is told that the process may be stopped.
    ///
    /// # Errors
    /// Signals cannot be waited for.
    pub fn take() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let signals = runtime.block_on(async { Signals::take() })?;
        Ok(Self { signals, runtime })
    }

    /// Blocks until the process is asked to stop.
    pub fn wait(mut self) {
        self.runtime.block_on(self.signals.next());
    }
}
