//! A child process: the same program, told what to do by lines of JSON over its standard streams. It lives outside the
//! terminal's signal group, stops by message, and ends when the channel from its parent closes, whatever way that ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use serde::Serialize;

use crate::measure::Usage;
use crate::shard::write_line;

/// Stack of the thread that listens to a child, in bytes: there may be a hundred of them.
pub(super) const STACK: usize = 512 * 1024;

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub(super) struct ChildProcess {
    child: Child,
    orders: ChildStdin,
    usage: Usage,
}

impl ChildProcess {
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
        let (Some(orders), Some(words)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a child has no standard streams"));
        };
        Ok((Self { child, orders, usage: Usage::default() }, words))
    }

    /// Tells it something. Orders are few and small: they fit into the pipe also where the child takes none.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn tell(&mut self, order: &impl Serialize) -> io::Result<()> {
        write_line(&mut self.orders, order)
    }

    /// What it has used so far; what was known last if it is gone.
    pub(super) fn usage(&mut self) -> Usage {
        if let Some(usage) = Usage::of_process(self.child.id()) {
            self.usage = usage;
        }
        self.usage
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it by force.
    pub(super) fn kill(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}
