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
    /// So many rows further: where rows are made anew for each page, and in the same order.
    Row(usize),
    /// In order of jobs by number, then of the devices of each.
    Job(u64, usize),
}

/// What a continuation token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Place {
    /// Behind which row the next page begins.
    pub(in crate::hub) cursor: Cursor,
    /// When the first page was asked for (microseconds of Unix time): all pages of an answer show the same moment.
    pub(in crate::hub) asked: i64,
    /// How many rows are still to come at most.
    pub(in crate::hub) left: Option<usize>,
}

impl Place {
    /// As a continuation token, opaque to clients.
    pub(in crate::hub) fn encode(&self) -> String {
        let left = self.left.map(|left| left.to_string()).unwrap_or_default();
        let asked = self.asked;
        URL_SAFE_NO_PAD.encode(match &self.cursor {
            Cursor::Id(id) => format!("i/{asked}/{left}/{id}"),
            Cursor::Updated(at, id) => format!("u/{asked}/{left}/{at}/{id}"),
            Cursor::Row(row) => format!("r/{asked}/{left}/{row}"),
            Cursor::Job(number, row) => format!("j/{asked}/{left}/{number}/{row}"),
        })
    }

    /// Reads a continuation token; `None` if it is none of this hub's.
    pub(in crate::hub) fn decode(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token.trim()).ok()?).ok()?;
        let mut parts = text.splitn(4, '/');
        let (kind, asked, left, place) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let left = if left.is_empty() { None } else { Some(left.parse().ok()?) };
        let cursor = match kind {
            "i" => Cursor::Id(place.into()),
            "u" => {
                let (at, id) = place.split_once('/')?;
                Cursor::Updated(at.parse().ok()?, id.into())
            }
            "r" => Cursor::Row(place.parse().ok()?),
            "j" => {
                let (number, row) = place.split_once('/')?;
                Cursor::Job(number.parse().ok()?, row.parse().ok()?)
            }
            _ => return None,
        };
        Some(Self { cursor, asked: asked.parse().ok()?, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_as_written_and_others_are_refused() {
        let cursors = [
            Cursor::Id("d/1".into()),
            Cursor::Updated(-5, "d".into()),
            Cursor::Updated(7, "".into()),
            Cursor::Updated(7, "a/b".into()),
            Cursor::Row(12),
            Cursor::Job(3, 4),
        ];
        for (cursor, left) in cursors.into_iter().zip([None, Some(0), Some(7), None, Some(1), None]) {
            let place = Place { cursor, asked: 9, left };
            assert_eq!(Place::decode(&place.encode()), Some(place));
        }
        for token in ["", "!", "eC94", "dS94L3k", "dS8xL3gveQ"] {
            assert_eq!(Place::decode(token), None, "{token}");
        }
    }
}
