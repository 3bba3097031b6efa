//! Ctrl-C, a polite kill, and a terminal that closes. The first asks; the second leaves at once, whatever the program
//! is busy with: it is heard on a thread of its own.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::stop::StopHandle;
use crate::verdict::ExitCode;

/// From now on signals are taken here, for the whole program: the first pulls the handle that is returned, the second
/// exits. To be called before anybody is told that the program may be stopped, and outside of any runtime.
///
/// # Errors
/// Signals cannot be waited for.
pub fn stop_on_signals() -> io::Result<StopHandle> {
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
    let handle = StopHandle::new();
    let pulled = handle.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
                if pulled.is_stopped() {
                    pulled.farewell().say();
                    // Children end with this process.
                    std::process::exit(ExitCode::Aborted.code().into());
                }
                pulled.stop();
            }
        });
    })?;
    Ok(handle)
}

/// The word of the process that started this one as a part of a series: when this process's standard input ends, `handle` is
/// pulled as by a first signal. A second time it means nothing.
///
/// # Errors
/// There can be no thread.
pub fn stop_with_parent(handle: &StopHandle) -> io::Result<()> {
    let handle = handle.clone();
    thread::Builder::new().name("parent".to_owned()).spawn(move || {
        // However it ends, and whatever is said before.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        handle.stop();
    })?;
    Ok(())
}
