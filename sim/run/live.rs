//! What a user sees while a run goes on: a screen of its own on a terminal, else one plain line a second, else nothing.

mod chronicle;
mod drawing;
mod keys;
mod latch;
mod lines;
mod modes;
mod rerouted;
mod screen;
mod snapshot;
mod status;
mod terminal;

use std::io;

use super::print::Notes;
use super::stop::StopHandle;
use crate::time::Clock;
pub use lines::line as progress_line;
pub(super) use snapshot::Meter;
pub use status::{Health, Mishap, Pulse, SeriesRow, Status};
use terminal::Screen;

use super::options::View;

/// The view.
#[derive(Debug)]
pub(super) enum Live {
    /// A screen of its own, redrawn in place.
    Screen(Screen),
    /// A line a second on standard error.
    Lines(Notes),
    /// Nothing but what has to be said: something else is being told.
    Silent(Notes),
    /// Nothing at all; what has to be said goes to the log.
    Quiet,
}

impl Live {
    /// What `view` asks for, as far as the terminal can show it; nothing of the progress where the plan is to
    /// `narrate`. `first` stands there until more is known, and whoever presses `q` pulls `stop`.
    ///
    /// # Errors
    /// There can be no thread to print.
    pub(super) fn open(view: View, narrate: bool, clock: Clock, stop: &StopHandle, first: Status) -> io::Result<Self> {
        match view {
            View::Quiet => Ok(Self::Quiet),
            _ if narrate => Ok(Self::Silent(Notes::start()?)),
            View::Shown if terminal::can_draw() => match Screen::open(clock, stop, first) {
                Ok(screen) => Ok(Self::Screen(screen)),
                // A terminal that is refused a mode still takes lines.
                Err(_) => Ok(Self::Lines(Notes::start()?)),
            },
            View::Shown | View::Plain => Ok(Self::Lines(Notes::start()?)),
        }
    }

    /// Whether it shows more than a line has room for.
    pub(super) const fn wants_details(&self) -> bool {
        matches!(self, Self::Screen(_))
    }

    /// Shows `status`.
    pub(super) fn show(&self, status: &Status) {
        match self {
            Self::Screen(screen) => screen.show(status.clone()),
            Self::Lines(notes) => notes.say(lines::line(status)),
            Self::Silent(_) | Self::Quiet => {}
        }
    }

    /// Says something that stays.
    pub(super) fn say(&self, text: &str) {
        match self {
            Self::Screen(screen) => screen.say(text),
            Self::Lines(notes) | Self::Silent(notes) => notes.say(text.to_owned()),
            Self::Quiet => tracing::info!("{text}"),
        }
    }

    /// Gives the terminal back, and lets what was said be printed; not for a terminal that does not read.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Screen(screen) => screen.finish(),
            Self::Lines(notes) | Self::Silent(notes) => notes.finish(),
            Self::Quiet => {}
        }
    }
}
