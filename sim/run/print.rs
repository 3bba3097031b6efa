//! Printing for people. A reader that has gone (`| head`) ends what is printed, not the run, its results or its exit
//! code; one that has stopped reading loses lines of the progress and holds up nothing.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that may wait for a slow reader; more are left out.
const WAITING: usize = 64;
/// How long the end of a run waits for a slow reader.
const FLUSH: Duration = Duration::from_millis(500);

/// A line to standard output; waits for its reader.
pub fn line(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// What a command is for, to standard output: unlike a line of a run's end, which is in its files as well, it must not be lost
/// unnoticed. A reader that has gone has had enough.
///
/// # Errors
/// It cannot be written.
pub fn product(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// A line to standard error; waits for its reader.
pub fn note(text: impl Display) {
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Lines to standard error that nobody waits for: a thread of its own prints them.
#[derive(Debug)]
pub struct Notes {
    lines: Option<SyncSender<String>>,
    printed: Receiver<()>,
}

impl Notes {
    /// Starts the thread.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn start() -> io::Result<Self> {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let (done, printed) = sync_channel(1);
        thread::Builder::new().name("notes".to_owned()).spawn(move || {
            waiting.iter().for_each(note);
            // Whoever waited may have given up.
            let _ = done.send(());
        })?;
        Ok(Self { lines: Some(lines), printed })
    }

    /// Prints a line, unless too many wait already.
    pub fn say(&self, text: String) {
        if let Some(lines) = &self.lines {
            let _ = lines.try_send(text);
        }
    }

    /// Waits until everything is printed, but not for a reader that does not read.
    pub fn finish(&mut self) {
        self.lines = None;
        let _ = self.printed.recv_timeout(FLUSH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_printed_and_the_end_comes_once() {
        let mut notes = Notes::start().unwrap();
        notes.say("a line of a test".to_owned());
        notes.finish();
        notes.say("left out".to_owned());
        notes.finish();
    }
}
