//! What the head of a server's answer says of an image.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, LAST_MODIFIED, RETRY_AFTER};

/// The head of an answer, as far as a download looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Bytes of the body.
    pub(super) length: Option<u64>,
    /// Which part it is.
    pub(super) part: Option<Part>,
    /// What tells this version of the image from others: the strong entity tag, or else the time of its last change.
    pub(super) tag: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Its first byte.
    pub(super) from: u64,
    /// Bytes of the whole image, if the server knows.
    pub(super) whole: Option<u64>,
}

impl Head {
    /// Reads a head; what makes no sense counts as not said.
    pub(super) fn read(status: u16, headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
        // A weak tag says that two versions mean the same, not that their bytes are (RFC 9110, 8.8.1).
        let tag = text(ETAG).filter(|tag| tag.starts_with('"')).or_else(|| text(LAST_MODIFIED));
        Self {
            status,
            length: text(CONTENT_LENGTH).and_then(|text| text.parse().ok()),
            part: text(CONTENT_RANGE).and_then(part),
            tag: tag.map(str::to_owned),
            retry_after: text(RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs),
        }
    }
}

/// `bytes 100-199/200`, or `*` for a whole of unknown length.
fn part(text: &str) -> Option<Part> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    let (from, to): (u64, u64) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    let whole = match whole.trim() {
        "*" => None,
        whole => Some(whole.parse().ok()?),
    };
    (from <= to && whole.is_none_or(|whole| to < whole)).then_some(Part { from, whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_where_it_makes_sense() {
        for (text, expected) in [
            ("bytes 100-199/200", Some(Part { from: 100, whole: Some(200) })),
            ("bytes 0-0/*", Some(Part { from: 0, whole: None })),
            ("bytes */200", None),
            ("bytes 5-4/200", None),
            ("bytes 100-200/200", None),
            ("items 0-1/2", None),
            ("bytes -1-1/2", None),
            ("", None),
        ] {
            assert_eq!(part(text), expected, "{text}");
        }
    }

    #[test]
    fn a_weak_tag_is_none_and_the_time_of_the_last_change_stands_in() {
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, "W/\"1\"".parse().unwrap());
        assert_eq!(Head::read(200, &headers).tag, None);
        headers.insert(LAST_MODIFIED, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        assert_eq!(Head::read(200, &headers).tag.as_deref(), Some("Wed, 21 Oct 2026 07:28:00 GMT"));
        headers.insert(ETAG, "\"1\"".parse().unwrap());
        headers.insert(CONTENT_LENGTH, "7".parse().unwrap());
        headers.insert(RETRY_AFTER, "3".parse().unwrap());
        let head = Head::read(503, &headers);
        assert_eq!((head.tag.as_deref(), head.length), (Some("\"1\""), Some(7)));
        assert_eq!((head.status, head.retry_after), (503, Some(Duration::from_secs(3))));
    }
}
