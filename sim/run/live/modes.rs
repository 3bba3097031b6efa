//! The terminal's modes while the screen is drawn: keys come at once and are not echoed. Ctrl-C still makes the signal that
//! it always makes, so that it stops the run also while nobody reads keys; Ctrl-Z and Ctrl-\ do nothing, as a run that is
//! suspended measures nothing, and one that dumps its core leaves a screen behind.

use std::io;
use std::os::fd::AsFd;
use std::sync::Mutex;

use nix::libc::_POSIX_VDISABLE;
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// The modes as they were.
#[derive(Debug)]
pub(super) struct Modes {
    original: Mutex<Termios>,
}

impl Modes {
    /// Sets the modes of the terminal at standard input.
    ///
    /// # Errors
    /// It is no terminal, or cannot be set.
    pub(super) fn set() -> io::Result<Self> {
        use SpecialCharacterIndices::{VMIN, VQUIT, VSUSP, VTIME};
        let original = tcgetattr(io::stdin())?;
        let mut modes = original.clone();
        modes.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::IEXTEN);
        // Ctrl-S is a key like others: it must not stop the screen.
        modes.input_flags.remove(InputFlags::IXON);
        for (key, value) in [(VSUSP, _POSIX_VDISABLE), (VQUIT, _POSIX_VDISABLE), (VMIN, 1), (VTIME, 0)] {
            modes.control_chars[key as usize] = value;
        }
        tcsetattr(io::stdin(), SetArg::TCSANOW, &modes)?;
        Ok(Self { original: Mutex::new(original) })
    }

    /// Sets them as they were; any number of times. Waits for nothing.
    pub(super) fn restore(&self) {
        // Once somebody else has the terminal, its modes are theirs.
        if is_foreground() {
            let original = self.original.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // A terminal that has gone needs no modes.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &original);
        }
    }
}

/// Whether this program may use the terminal at standard input: it has not been put in the background.
pub(super) fn is_foreground() -> bool {
    // One that controls nobody is nobody's in particular.
    tcgetpgrp(io::stdin().as_fd()).map_or(true, |group| group == getpgrp())
}
