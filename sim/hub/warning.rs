//! Warnings that anybody outside can provoke.

use std::cell::Cell;
use std::time::Duration;

use crate::time::Nanos;

/// How long a warning stays unsaid after it was said: a flood must not fill a disk.
const QUIET: Duration = Duration::from_secs(10);

/// A warning that is said once in [`QUIET`] at most, each time with how often it was due since the last time.
#[derive(Debug, Default)]
pub(super) struct Warning {
    next: Cell<Nanos>,
    unsaid: Cell<u64>,
}

impl Warning {
    /// It is due at `now`. Returns how often it has been, if it is to be said.
    pub(super) fn due(&self, now: Nanos) -> Option<u64> {
        let times = self.unsaid.get() + 1;
        let says = now >= self.next.get();
        self.unsaid.set(if says { 0 } else { times });
        if says {
            self.next.set(now + QUIET);
        }
        says.then_some(times)
    }
}

/// What somebody outside has sent, cut for a line of a log.
pub(super) fn excerpt(text: &str) -> &str {
    let end = text.char_indices().nth(128).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_says_a_warning_once_in_a_while_and_how_often_it_was_due() {
        let (warning, second) = (Warning::default(), |n: u64| Nanos::new(n * 1_000_000_000));
        assert_eq!(warning.due(second(0)), Some(1));
        for _ in 0..1000 {
            assert_eq!(warning.due(second(9)), None);
        }
        assert_eq!((warning.due(second(10)), warning.due(second(11))), (Some(1001), None));
    }

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        assert_eq!(excerpt("\u{e4}b"), "\u{e4}b");
        assert_eq!(excerpt(&"\u{e4}".repeat(70_000)), "\u{e4}".repeat(128));
    }
}
