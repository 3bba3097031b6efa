//! What was said during a run: the last of it stands on the screen, all of it is printed once that has gone.

use std::collections::VecDeque;
use std::time::Duration;

/// Lines that are kept; the oldest go first.
const KEPT: usize = 200;

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// When, from the start of the run.
    pub(super) at: Duration,
    /// What.
    pub(super) text: String,
}

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    said: VecDeque<Said>,
    left_out: usize,
}

impl Chronicle {
    /// Notes `text`, which may be of several lines.
    pub(super) fn note(&mut self, at: Duration, text: &str) {
        for line in text.lines() {
            if self.said.len() == KEPT {
                self.said.pop_front();
                self.left_out += 1;
            }
            self.said.push_back(Said { at, text: line.to_owned() });
        }
    }

    /// The last of it, oldest first, as it can be drawn: without the colours that logs may have.
    pub(super) fn last(&self, lines: usize) -> Vec<Said> {
        let skipped = self.said.len().saturating_sub(lines);
        self.said.iter().skip(skipped).map(|said| Said { at: said.at, text: drawable(&said.text) }).collect()
    }

    /// All of it, as it is printed in the end; `None` if nothing was said. It is forgotten thereby.
    pub(super) fn take(&mut self) -> Option<String> {
        let Self { said, left_out } = std::mem::take(self);
        let more = (left_out > 0).then(|| format!("... {left_out} earlier lines are left out"));
        let lines: Vec<String> = more.into_iter().chain(said.into_iter().map(|said| said.text)).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

/// `text` without control sequences (ECMA-48, 5.4) and other control characters.
fn drawable(text: &str) -> String {
    let mut drawn = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next() == Some('[') {
                // Up to and with its final byte.
                characters.by_ref().find(|inner| ('@'..='~').contains(inner));
            }
        } else if character == '\t' {
            drawn.push(' ');
        } else if !character.is_control() {
            drawn.push(character);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stand_on_the_screen_and_all_are_printed_once() {
        let mut chronicle = Chronicle::default();
        assert_eq!(chronicle.take(), None);
        chronicle.note(Duration::from_secs(1), "one\ntwo");
        chronicle.note(Duration::from_secs(2), "three");
        assert_eq!(chronicle.last(2).iter().map(|said| said.text.as_str()).collect::<Vec<_>>(), ["two", "three"]);
        assert_eq!(chronicle.take().as_deref(), Some("one\ntwo\nthree"));
        assert_eq!(chronicle.take(), None);
        (0..KEPT + 3).for_each(|n| chronicle.note(Duration::ZERO, &n.to_string()));
        let printed = chronicle.take().unwrap();
        assert!(printed.starts_with("... 3 earlier lines are left out\n3\n"), "{printed}");
        assert_eq!(printed.lines().count(), KEPT + 1);
    }

    #[test]
    fn nothing_that_is_said_moves_the_cursor() {
        assert_eq!(drawable("\u{1b}[33m WARN\u{1b}[0m a\tb\u{7}\u{1b}[2J\u{1b}"), " WARN a b");
        assert_eq!(drawable("\u{1b}[31"), "");
    }
}
