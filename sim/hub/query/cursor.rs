//! Where a query goes on.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The place of a row in the order of its source. The next page begins behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) enum Cursor {
    /// In order of ids.
    Id(Arc<str>),
    /// In order of last updates (microseconds of Unix time), then of ids.
    Updated(i64, Arc<str>),
}

impl Cursor {
    /// As a continuation token, opaque to clients, of an answer whose first page was asked for at `asked`
    /// (microseconds of Unix time): all of its pages show the same moment.
    pub(in crate::hub) fn encode(&self, asked: i64) -> String {
        URL_SAFE_NO_PAD.encode(match self {
            Self::Id(id) => format!("i/{asked}/{id}"),
            Self::Updated(at, id) => format!("u/{asked}/{at}/{id}"),
        })
    }

    /// Reads a continuation token and when its answer was asked for; `None` if it is none of this hub's.
    pub(in crate::hub) fn decode(token: &str) -> Option<(Self, i64)> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token.trim()).ok()?).ok()?;
        let (kind, rest) = text.split_once('/')?;
        let (asked, place) = rest.split_once('/')?;
        let cursor = match kind {
            "i" => Self::Id(place.into()),
            "u" => {
                let (at, id) = place.split_once('/')?;
                Self::Updated(at.parse().ok()?, id.into())
            }
            _ => return None,
        };
        Some((cursor, asked.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_as_written_and_others_are_refused() {
        for cursor in [Cursor::Id("d/1".into()), Cursor::Updated(-5, "d".into()), Cursor::Updated(7, "".into())] {
            assert_eq!(Cursor::decode(&cursor.encode(9)), Some((cursor, 9)));
        }
        for token in ["", "!", "eC94", "dS94L3k", "dS8xL3gveQ"] {
            assert_eq!(Cursor::decode(token), None, "{token}");
        }
    }
}
