//! The keys, and the size of the terminal: read on a thread of its own, so that they are heard at once.

use std::io;
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// How long after the end of the view the keys still go to it.
const LOOK: Duration = Duration::from_millis(100);

/// What was done at the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// The end is asked for.
    Stop,
    /// The picture has to be drawn anew.
    Redraw,
}

/// Tells what is done, until `tell` says that nobody wants to know any more. It is asked from time to time with nothing.
///
/// # Errors
/// There can be no thread.
pub(super) fn listen(mut tell: impl FnMut(Option<Deed>) -> bool + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        loop {
            let deed = match event::poll(LOOK) {
                Ok(true) => event::read().map(|event| meaning(&event)),
                Ok(false) => Ok(None),
                Err(error) => Err(error),
            };
            // A terminal that cannot be read has no keys; that it has gone is heard as a signal.
            let Ok(deed) = deed else { break };
            if !tell(deed) {
                break;
            }
        }
    })?;
    Ok(())
}

/// What an event means.
fn meaning(event: &Event) -> Option<Deed> {
    match event {
        Event::Resize(..) => Some(Deed::Redraw),
        Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => None,
        Event::Key(KeyEvent { code: KeyCode::Char('q' | 'Q'), modifiers, .. })
            if !modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
        {
            Some(Deed::Stop)
        }
        // Who has written across the picture wants it back, as in other programs.
        Event::Key(KeyEvent { code: KeyCode::Char('l'), modifiers: KeyModifiers::CONTROL, .. }) => Some(Deed::Redraw),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_stops() {
        let key = |code, modifiers| meaning(&Event::Key(KeyEvent::new(code, modifiers)));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Deed::Stop));
        assert_eq!(key(KeyCode::Char('Q'), KeyModifiers::SHIFT), Some(Deed::Stop));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::CONTROL), None);
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::ALT), None);
        assert_eq!(key(KeyCode::Esc, KeyModifiers::NONE), None);
        assert_eq!(key(KeyCode::Char('l'), KeyModifiers::CONTROL), Some(Deed::Redraw));
        assert_eq!(meaning(&Event::Resize(20, 5)), Some(Deed::Redraw));
    }
}
