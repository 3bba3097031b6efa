//! A child process: the same program, told what to do by lines of JSON over its standard streams. It lives outside the
//! terminal's signal group, stops by message, and ends when the channel from its parent closes, whatever way that ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use serde::Serialize;

use crate::measure::Usage;
use crate::shard::write_line;

/// Stack of a thread that talks or listens to a child, in bytes: there may be hundreds of them.
pub(super) const STACK: usize = 512 * 1024;
/// Orders that may wait for a child. There are not so many in its life.
const ORDERS: usize = 8;

/// A running child, which is told `O`s. Dropping it kills it.
#[derive(Debug)]
pub(super) struct ChildProcess<O> {
    child: Child,
    orders: SyncSender<O>,
    status: Option<ExitStatus>,
    usage: Usage,
}

impl<O: Serialize + Send + 'static> ChildProcess<O> {
    /// Starts `program <role> --control`; what it says comes from the returned stream. To be called on the program's
    /// main thread: the child is bound to the life of the thread that starts it.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(super) fn spawn(program: &Path, role: &str) -> io::Result<(Self, ChildStdout)> {
        let mut child = Command::new(program)
            .args([role, "--control"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Out of the terminal's signal group: Ctrl-C reaches the coordinator alone.
            .process_group(0)
            .spawn()?;
        let (Some(mut stdin), Some(words)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a child has no standard streams"));
        };
        // On a thread of its own: an order may be longer than a pipe holds, and a child that is stuck takes none.
        let (orders, waiting) = sync_channel::<O>(ORDERS);
        thread::Builder::new().name(format!("{role}-orders")).stack_size(STACK).spawn(move || {
            // A child that is gone needs no orders; its end is noticed by its words.
            while let Ok(order) = waiting.recv() {
                if write_line(&mut stdin, &order).is_err() {
                    break;
                }
            }
        })?;
        Ok((Self { child, orders, status: None, usage: Usage::default() }, words))
    }

    /// Tells it something, and waits for nothing.
    ///
    /// # Errors
    /// It is gone, or has taken nothing for a long time.
    pub(super) fn tell(&mut self, order: O) -> io::Result<()> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => io::Error::other("it takes no orders"),
            TrySendError::Disconnected(_) => io::ErrorKind::BrokenPipe.into(),
        })
    }
}

impl<O> ChildProcess<O> {
    /// What it has used so far; what was known last if it is gone.
    pub(super) fn usage(&mut self) -> Usage {
        // Once it has been waited for, its number may be another process's.
        if self.ended().is_none()
            && let Some(usage) = Usage::of_process(self.child.id())
        {
            self.usage = usage;
        }
        self.usage
    }

    /// Whether it is stopped, by a signal or a debugger.
    pub(super) fn is_stopped(&mut self) -> bool {
        self.ended().is_none() && Usage::is_stopped(self.child.id())
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.status = self.status.or_else(|| self.child.try_wait().ok().flatten());
        self.status
    }

    /// Ends it by force.
    pub(super) fn kill(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
    }
}

impl<O> Drop for ChildProcess<O> {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}
