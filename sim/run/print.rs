//! Printing for people. A reader that has gone (`| head`) ends what is printed, not the run, its results or its exit
//! code.

use std::fmt::Display;
use std::io::Write;

/// A line to standard output.
pub fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A line to standard error.
pub fn note(text: impl Display) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
