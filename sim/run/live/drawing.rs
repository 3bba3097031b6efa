//! The thread that draws: it alone writes to the terminal, so that one that does not read holds up nobody else.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::Rect;

use super::chronicle::Chronicle;
use super::latch::Latch;
use super::screen::{self, Picture, Theme};
use super::status::Status;

/// The shortest time between two pictures.
const PACE: Duration = Duration::from_millis(100);
/// Lines of what was said that a screen may have room for.
const SAID: usize = 60;

/// What is to be drawn.
#[derive(Debug, Default)]
struct Scene {
    status: Arc<Status>,
    chronicle: Chronicle,
    /// Whether there is something new to see.
    changed: bool,
    /// Whether what stands on the terminal is not what was drawn there.
    spoilt: bool,
    /// Whether the screen is to be left.
    over: bool,
    /// Whether nothing more is kept of what is said: it has been printed.
    printed: bool,
}

/// What is to be drawn, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    scene: Mutex<Scene>,
    news: Condvar,
}

impl Canvas {
    /// A canvas that shows `first`.
    pub(super) fn new(first: Status) -> Self {
        let scene = Scene { status: Arc::new(first), changed: true, ..Scene::default() };
        Self { scene: Mutex::new(scene), news: Condvar::new() }
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        // Every change is one assignment: a thread that panicked left nothing half done.
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Scene) -> T) -> T {
        let mut scene = self.scene();
        let changed = change(&mut scene);
        scene.changed = true;
        self.news.notify_all();
        changed
    }

    /// Shows `status` from now on.
    pub(super) fn show(&self, status: Status) {
        let status = Arc::new(status);
        self.change(|scene| scene.status = status);
    }

    /// Says `text`; `false` if it is too late for that.
    pub(super) fn say(&self, at: Duration, text: &str) -> bool {
        self.change(|scene| {
            if !scene.printed {
                scene.chronicle.note(at, text);
            }
            !scene.printed
        })
    }

    /// Draws everything anew.
    pub(super) fn spoil(&self) {
        self.change(|scene| scene.spoilt = true);
    }

    /// Marks the end of what the user has asked for.
    pub(super) fn stopping(&self) {
        self.change(|scene| Arc::make_mut(&mut scene.status).stopping = true);
    }

    /// Has the screen left.
    pub(super) fn end(&self) {
        self.change(|scene| scene.over = true);
    }

    /// Whether the screen is being left.
    pub(super) fn is_over(&self) -> bool {
        self.scene().over
    }

    /// All that was said, to be printed; from now on nothing is kept.
    pub(super) fn take_said(&self) -> Option<String> {
        let mut scene = self.scene();
        scene.printed = true;
        scene.chronicle.take()
    }

    /// Waits for something new; `None` once it is over.
    fn next(&self) -> Option<(Picture, bool)> {
        let scene = self.scene();
        let waits = |scene: &mut Scene| !scene.changed && !scene.over;
        let mut scene = self.news.wait_while(scene, waits).unwrap_or_else(PoisonError::into_inner);
        if scene.over {
            return None;
        }
        scene.changed = false;
        let spoilt = std::mem::take(&mut scene.spoilt);
        Some((Picture { status: Arc::clone(&scene.status), said: scene.chronicle.last(SAID) }, spoilt))
    }

    /// Waits for a while, or until it is over.
    fn rest(&self) {
        let (scene, waits) = (self.scene(), |scene: &mut Scene| !scene.over);
        drop(self.news.wait_timeout_while(scene, PACE, waits));
    }
}

/// Starts to draw `canvas` on the terminal at standard output. The returned latch opens when
/// the screen has been left, and `at_end` been done.
///
/// # Errors
/// There can be no thread.
pub(super) fn start(canvas: Arc<Canvas>, theme: Theme, at_end: impl FnOnce() + Send + 'static) -> io::Result<Latch> {
    let tty = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let left = Latch::default();
    let leaving = left.opener();
    thread::Builder::new().name("screen".to_owned()).spawn(move || {
        // Dropped last, also by a panic: then the terminal is as it was.
        let _leaving = leaving;
        let _at_end = AtEnd(Some(at_end));
        if let Ok(screen) = AlternateScreen::enter(&tty) {
            // A terminal that cannot be written to shows nothing; the run goes on.
            let _ = draw(&canvas, &tty, theme);
            drop(screen);
        }
    })?;
    Ok(left)
}

fn draw(canvas: &Canvas, tty: &File, theme: Theme) -> io::Result<()> {
    // Large enough for most pictures: one write, no flicker.
    let backend = CrosstermBackend::new(BufWriter::with_capacity(64 * 1024, tty));
    let mut terminal = Terminal::new(backend)?;
    while let Some((picture, spoilt)) = canvas.next() {
        if spoilt {
            // `clear` would ask the terminal where its cursor is, and take the answer from who reads the keys.
            let size = terminal.size()?;
            terminal.resize(Rect::new(0, 0, size.width, size.height))?;
        }
        terminal.draw(|frame| screen::draw(frame.buffer_mut(), &picture, theme))?;
        canvas.rest();
    }
    Ok(())
}

/// The terminal's other screen, as long as it lives.
struct AlternateScreen<'a>(&'a File);

impl<'a> AlternateScreen<'a> {
    fn enter(mut tty: &'a File) -> io::Result<Self> {
        let screen = Self(tty);
        execute!(tty, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }
}

impl Drop for AlternateScreen<'_> {
    fn drop(&mut self) {
        let mut tty = self.0;
        // A terminal that has gone needs no leaving.
        let _ = execute!(tty, LeaveAlternateScreen, Show).and_then(|()| tty.flush());
    }
}

/// Does something in the end, also after a panic.
struct AtEnd<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}
