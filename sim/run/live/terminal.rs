//! The screen on a terminal: taken at the beginning, and given back whatever way the run ends.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use super::super::farewell::Prepared;
use super::super::print::Notes;
use super::super::stop::StopHandle;
use super::drawing::{self, Canvas};
use super::keys::{self, Deed};
use super::latch::Latch;
use super::modes::{Modes, is_foreground};
use super::rerouted::Rerouted;
use super::screen::Theme;
use super::status::Status;
use crate::time::{Clock, Nanos};

/// How long the end of a run waits for a terminal that does not read.
const LEAVE: Duration = Duration::from_millis(500);

/// Whether there is a terminal to draw on: one that shows what is printed, takes keys, and is ours.
pub(super) fn can_draw() -> bool {
    let terminals = io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal();
    let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    terminals && !dumb && is_foreground()
}

/// The screen. Dropping it gives the terminal back, however long that takes to read what it is sent.
#[derive(Debug)]
pub(in crate::run) struct Screen {
    clock: Clock,
    taken: Arc<Taken>,
    /// The way it is given back by a program that leaves at once.
    _farewell: Prepared,
}

/// What was taken of the terminal.
#[derive(Debug)]
struct Taken {
    canvas: Arc<Canvas>,
    modes: Arc<Modes>,
    stderr: Rerouted,
    /// Opens once the screen has been left.
    left: Latch,
}

impl Screen {
    /// Takes the terminal, and shows `first`.
    ///
    /// # Errors
    /// The terminal's modes cannot be set, or there can be no thread; it is as it was.
    pub(super) fn open(clock: Clock, stop: &StopHandle, first: Status) -> io::Result<Self> {
        let canvas = Arc::new(Canvas::new(first));
        let elapsed = move || clock.now().since(Nanos::ZERO);
        let modes = Arc::new(Modes::set()?);
        let theme = Theme { color: env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) };
        let stderr = Rerouted::begin({
            let canvas = Arc::clone(&canvas);
            move |line| canvas.say(elapsed(), line)
        })
        .inspect_err(|_| modes.restore())?;
        let restore = {
            let modes = Arc::clone(&modes);
            move || modes.restore()
        };
        let left = drawing::start(Arc::clone(&canvas), theme, restore).inspect_err(|_| {
            stderr.end();
            modes.restore();
        })?;
        let taken = Arc::new(Taken { canvas: Arc::clone(&canvas), modes, stderr, left });
        let leaving = Arc::clone(&taken);
        let farewell = stop.farewell().prepare(move || leaving.leave_at_once());
        let screen = Self { clock, taken, _farewell: farewell };
        let stop = stop.clone();
        keys::listen(move |deed| {
            match deed {
                Some(Deed::Stop) => {
                    stop.stop();
                    canvas.stopping();
                }
                Some(Deed::Redraw) => canvas.spoil(),
                None => {}
            }
            !canvas.is_over()
        })?;
        Ok(screen)
    }

    /// Shows `status`.
    pub(super) fn show(&self, status: Status) {
        self.taken.canvas.show(status);
    }

    /// Says something that stays.
    pub(super) fn say(&self, text: &str) {
        self.taken.canvas.say(self.clock.now().since(Nanos::ZERO), text);
    }

    /// Gives the terminal back and prints what was said, unless the terminal does not read: then later.
    pub(super) fn finish(&mut self) {
        self.taken.leave(Some(LEAVE));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.taken.leave(None);
        self.taken.stderr.drain();
    }
}

impl Taken {
    /// Leaves the screen and prints what was said; gives up after `patience`. May be called again.
    fn leave(&self, patience: Option<Duration>) {
        self.canvas.end();
        if self.left.wait(patience) {
            self.stderr.end();
            let said = self.canvas.take_said();
            if let (Some(said), Ok(mut notes)) = (said, Notes::start()) {
                notes.say(said);
                notes.finish();
            }
        }
    }

    /// Does so for a program that ends at once: its terminal gets its modes back even if it does not read.
    fn leave_at_once(&self) {
        self.leave(Some(LEAVE));
        self.modes.restore();
    }
}
