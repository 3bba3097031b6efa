//! Standard error while the screen is drawn: whoever writes there (logs, the hubs and shards beside this process, a panic)
//! would write across the picture. So a pipe takes its place, and what comes out of that is said on the screen, and printed
//! once the screen has gone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use nix::unistd::dup2_stderr;

use super::latch::{Latch, Opener};

/// The longest line that is taken as one.
const LINE: u64 = 4096;
/// How long the end of a run waits for the last words of those who still write.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The real standard error, while a pipe stands in for it.
#[derive(Debug)]
pub(super) struct Rerouted {
    real: File,
    ended: Latch,
}

impl Rerouted {
    /// Begins; every line goes to `say`, and to the real one once that takes no more, which it tells by `false`.
    ///
    /// # Errors
    /// There can be no pipe or no thread.
    pub(super) fn begin(say: impl FnMut(&str) -> bool + Send + 'static) -> io::Result<Self> {
        let real = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let (reader, writer) = io::pipe()?;
        let ended = Latch::default();
        let end = ended.opener();
        let sink = real.try_clone()?;
        thread::Builder::new().name("stderr".to_owned()).spawn(move || carry(reader, say, sink, end))?;
        dup2_stderr(writer)?;
        Ok(Self { real, ended })
    }

    /// Puts the real one back, for this process: children that were started meanwhile keep the pipe.
    pub(super) fn end(&self) {
        // Fails for no descriptor that is open.
        let _ = dup2_stderr(&self.real);
    }

    /// Waits a moment for what was written last by those who still have the pipe.
    pub(super) fn drain(&self) {
        self.ended.wait(Some(LAST_WORDS));
    }
}

fn carry(reader: PipeReader, mut say: impl FnMut(&str) -> bool, mut sink: File, end: Opener) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while matches!(reader.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(1..)) {
        if !say(String::from_utf8_lossy(&line).trim_end()) {
            // Nobody is left to be told of an error of standard error.
            let _ = sink.write_all(&line);
        }
        line.clear();
    }
    drop(end);
}
