//! Images for devices: `/images/{name}?size=N`, bytes that follow from the name, made as they are sent and kept by nobody.
//! They are firmware, so that no token is asked for. Parts and versions as RFC 9110 has them (13, 14).

use std::cell::Cell;
use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_RANGE, RANGE, RETRY_AFTER,
};
use hyper::{HeaderMap, Method, Response, StatusCode};

use super::router::{Service, text};
use crate::policy::MadeImage;

/// Images that a worker sends at a time; who asks for more is told to come back.
const MAX_SENDING: usize = 16_384;
/// What is made at once, in bytes.
const PIECE: u64 = 8 * 1024;

/// Counts the images that are being sent.
#[derive(Debug, Default)]
pub(super) struct Sending(Cell<usize>);

/// One of them.
struct Turn(Rc<Sending>);

impl Turn {
    fn new(sending: &Rc<Sending>) -> Option<Self> {
        let count = sending.0.get();
        (count < MAX_SENDING).then(|| {
            sending.0.set(count + 1);
            Self(Rc::clone(sending))
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}

/// A part of an image on its way.
pub(super) struct ImageBody {
    image: MadeImage,
    left: Range<u64>,
    _turn: Turn,
}

impl Body for ImageBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        let count = (body.left.end - body.left.start).min(PIECE);
        if count == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; count as usize];
        body.image.fill(body.left.start, &mut piece);
        body.left.start += count;
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end - self.left.start)
    }
}

/// The name of the image at `path`, if there is one.
pub(super) fn name_of(path: &str) -> Option<&str> {
    path.strip_prefix("/images/")
}

impl Service {
    /// The answer to a request for the image called `name`.
    pub(super) fn image(
        &self,
        method: &Method,
        name: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Response<Either<Full<Bytes>, ImageBody>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "an image can be read alone",
                &[(ALLOW, "GET, HEAD".to_owned())],
            );
        }
        let size = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("size=")));
        let size = size.and_then(|size| size.parse().ok());
        let Some(image) = size.and_then(|size| MadeImage::new(name, size)) else {
            let why = format!(
                "write it like /images/NAME?size=BYTES: up to 64 letters, digits, `-`, `_` and `.`, and up to {} bytes",
                MadeImage::MAX_SIZE
            );
            return plain(StatusCode::BAD_REQUEST, &why, &[]);
        };
        let tag = format!("\"{name}-{}\"", image.size());
        let whole = 0..image.size();
        let (status, part) = match wanted(headers, &tag, image.size()) {
            Wanted::Whole => (StatusCode::OK, whole),
            Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            Wanted::Nothing => {
                let length = (CONTENT_RANGE, format!("bytes */{}", image.size()));
                return plain(StatusCode::RANGE_NOT_SATISFIABLE, "there is no such part of the image", &[length]);
            }
        };
        let length = part.end - part.start;
        let mut said = vec![
            (ETAG, tag),
            (ACCEPT_RANGES, "bytes".to_owned()),
            (CONTENT_LENGTH, length.to_string()),
            (CONTENT_TYPE, "application/octet-stream".to_owned()),
            // A device comes for one image; its connection would only wait for the end.
            (CONNECTION, "close".to_owned()),
        ];
        if status == StatusCode::PARTIAL_CONTENT {
            said.push((CONTENT_RANGE, format!("bytes {}-{}/{}", part.start, part.end - 1, image.size())));
        }
        if *method == Method::HEAD {
            return respond(status, Either::Left(Full::default()), &said);
        }
        let Some(turn) = Turn::new(&self.sending) else {
            let again = (RETRY_AFTER, "1".to_owned());
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many images are being sent", &[again]);
        };
        respond(status, Either::Right(ImageBody { image, left: part, _turn: turn }), &said)
    }
}

/// What is asked for of an image.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<u64>),
    /// A part that there is none of.
    Nothing,
}

/// What `headers` ask for of an image with this `tag` and `size`. Several parts at once, and what is no range at all, ask
/// for the whole (14.2).
fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let said = |name: HeaderName| text(headers, name.as_str()).map(str::trim);
    let Some(range) = said(RANGE).and_then(|range| range.strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((first, last)) = range.split_once('-').map(|(first, last)| (first.trim(), last.trim())) else {
        return Wanted::Whole;
    };
    if said(IF_RANGE).is_some_and(|condition| condition != tag) {
        return Wanted::Whole;
    }
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..size.min(last.saturating_add(1)),
        (Ok(first), _) if last.is_empty() => first..size,
        (_, Ok(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Wanted::Whole,
    };
    if part.is_empty() { Wanted::Nothing } else { Wanted::Part(part) }
}

fn plain(status: StatusCode, why: &str, headers: &[(HeaderName, String)]) -> Response<Either<Full<Bytes>, ImageBody>> {
    let mut response = respond(status, Either::Left(Full::from(why.to_owned())), headers);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn respond(
    status: StatusCode,
    body: Either<Full<Bytes>, ImageBody>,
    headers: &[(HeaderName, String)],
) -> Response<Either<Full<Bytes>, ImageBody>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_the_standard_has_them() {
        for (range, condition, expected) in [
            (None, None, Wanted::Whole),
            (Some("bytes=0-9"), None, Wanted::Part(0..10)),
            (Some("bytes=90-"), None, Wanted::Part(90..100)),
            (Some("bytes=90-1000"), Some("\"t\""), Wanted::Part(90..100)),
            (Some("bytes=-10"), None, Wanted::Part(90..100)),
            (Some("bytes=-1000"), None, Wanted::Part(0..100)),
            (Some("bytes=100-"), None, Wanted::Nothing),
            (Some("bytes=-0"), None, Wanted::Nothing),
            (Some("bytes=90-"), Some("\"other\""), Wanted::Whole),
            (Some("bytes=9-0"), None, Wanted::Whole),
            (Some("bytes=0-1,5-6"), None, Wanted::Whole),
            (Some("lines=0-1"), None, Wanted::Whole),
            (Some("bytes=x-"), None, Wanted::Whole),
            (Some("bytes=18446744073709551615-18446744073709551615"), None, Wanted::Nothing),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(range) = range {
                headers.insert(RANGE, range.parse().unwrap());
            }
            if let Some(condition) = condition {
                headers.insert(IF_RANGE, condition.parse().unwrap());
            }
            assert_eq!(wanted(&headers, "\"t\"", 100), expected, "{range:?} {condition:?}");
        }
    }
}
