//! Where a query goes on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The place of a row in the order of its source. The next page begins behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) enum Cursor {
    /// In order of ids.
    Id(String),
    /// In order of last updates (microseconds of Unix time), then of ids.
    Updated(i64, String),
}

impl Cursor {
    /// The earlier of this cursor and `moment`. Partitions are asked one after the other, so what changed since the
    /// page was asked for may be missing in front of it: the next page looks there again.
    pub(in crate::hub) fn no_later_than(self, moment: i64) -> Self {
        match self {
            Self::Updated(at, _) if at > moment => Self::Updated(moment, String::new()),
            other => other,
        }
    }

    /// As a continuation token: opaque to clients.
    pub(in crate::hub) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(match self {
            Self::Id(id) => format!("i/{id}"),
            Self::Updated(at, id) => format!("u/{at}/{id}"),
        })
    }

    /// Reads a continuation token; `None` if it is none of this hub's.
    pub(in crate::hub) fn decode(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token.trim()).ok()?).ok()?;
        match text.split_once('/')? {
            ("i", id) => Some(Self::Id(id.to_owned())),
            ("u", rest) => {
                let (at, id) = rest.split_once('/')?;
                Some(Self::Updated(at.parse().ok()?, id.to_owned()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_as_written_and_others_are_refused() {
        for cursor in [Cursor::Id("d/1".into()), Cursor::Updated(-5, "d".into()), Cursor::Updated(7, String::new())] {
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
        for token in ["", "!", "eC94", "dS94L3k"] {
            assert_eq!(Cursor::decode(token), None, "{token}");
        }
    }

    #[test]
    fn a_cursor_never_runs_ahead_of_the_page() {
        assert_eq!(Cursor::Updated(9, "d".into()).no_later_than(7), Cursor::Updated(7, String::new()));
        assert_eq!(Cursor::Updated(7, "d".into()).no_later_than(7), Cursor::Updated(7, "d".into()));
        assert_eq!(Cursor::Id("d".into()).no_later_than(7), Cursor::Id("d".into()));
    }
}
