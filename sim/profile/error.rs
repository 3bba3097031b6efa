//! What can be wrong with a profile, shown at the line where it stands.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use super::document::Origin;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither built in nor a file.
    #[error("there is no profile `{name}`: built in are {built_in}; a file is named by its path, e.g. `./{name}.toml`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are.
        built_in: String,
    },
    /// The file cannot be read.
    #[error("cannot read the profile {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The argument of `--set` is none.
    #[error("`--set {0}` sets nothing: write it like `--set fleet.devices=500`")]
    Override(String),
    /// A key or a value is wrong; the place is named.
    #[error("{0}")]
    Invalid(Invalid),
}

/// A wrong key or value, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong, and what is allowed.
    pub message: String,
    /// Where it stands.
    pub place: Place,
}

/// Where something wrong stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a document.
    Line {
        /// The file's name.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// How many characters are meant.
        width: usize,
        /// The line's text.
        text: String,
    },
    /// In an override: what it is called.
    Override(String),
}

/// What is wrong and where it comes from, while the documents are at hand.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) origin: Origin,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(origin: &Origin, message: impl Into<String>) -> Self {
        Self { origin: origin.clone(), message: message.into() }
    }

    /// Finds the place, given the name and the text of the document that an origin's layer stands for.
    pub(super) fn locate(self, file: &str, document: &str) -> Invalid {
        let place = match self.origin {
            Origin::Document { span, .. } => Place::in_document(file, document, span),
            Origin::Override { label, .. } => Place::Override(masked(&label)),
        };
        Invalid { message: masked(&self.message), place }
    }
}

impl Place {
    /// The place of the bytes `span` of `document`.
    pub(super) fn in_document(file: &str, document: &str, span: Range<usize>) -> Self {
        let start = floor_boundary(document, span.start);
        let before = &document[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let text = document[line_start..].lines().next().unwrap_or_default();
        let rest = text.len().saturating_sub(start - line_start);
        // A value may go on over several lines: the first one is shown.
        let end = floor_boundary(document, start + (span.end.saturating_sub(start)).min(rest)).max(start);
        Self::Line {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: document[line_start..start].chars().count() + 1,
            width: document[start..end].chars().count().max(1),
            text: masked(text),
        }
    }
}

/// `text` without what may be secret in the addresses in it: whoever asks, by name and password, and what follows the
/// `?`, where signatures stand. It keeps its length, so that the caret stands below what is meant.
fn masked(text: &str) -> String {
    let hide = |text: &str| text.chars().map(|_| '*').collect::<String>();
    let (mut masked, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        let end = address.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`')).unwrap_or(address.len());
        let (address, behind) = address.split_at(end);
        let (user, place) = address.split_at(address.rfind('@').unwrap_or(0));
        // An `@` behind a `?` does not tell where a signature ends.
        let mark = if user.contains('?') { Some(0) } else { place.find('?').map(|mark| mark + 1) };
        let (place, query) = place.split_at(mark.unwrap_or(place.len()));
        masked.extend([before, &hide(user), place, &hide(query)]);
        rest = behind;
    }
    masked + rest
}

/// The last boundary between characters at or before `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Override(label) => write!(f, "{label}: {}", self.message),
            Place::Line { file, line, column, width, text } => {
                let number = line.to_string();
                let gutter = " ".repeat(number.len());
                // Tabs keep their width, so that the caret stands below its text.
                let indent: String =
                    text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                writeln!(f, "{file}:{line}: {}", self.message)?;
                writeln!(f, "{gutter} |")?;
                writeln!(f, "{number} | {text}")?;
                write!(f, "{gutter} | {indent}{}", "^".repeat(*width))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_what_may_be_secret() {
        for (text, shown) in [
            ("url = \"http://bob:hunter2@h/x\", a = 1", "url = \"http://***********@h/x\", a = 1"),
            ("http://bob:hun?ter2@h/x", "http://****************"),
            ("`https://h/x?sig=1` 'http://h/y?a@b' é", "`https://h/x?*****` 'http://*******' é"),
            ("http://h/x wait?", "http://h/x wait?"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
