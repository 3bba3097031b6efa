//! The REST side: what a driver asks for, and no more.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::devices::Rows;
use super::worker::Worker;
use crate::dialect::azure::ErrorCode;
use crate::dialect::azure::rest::{CONTINUATION, DeltaQuery};
use crate::hub::listener::{Listener, Stranger};
use crate::hub::partition::{MethodRefusal, MethodRequest, Refusal, call_packet, no_answer, not_online};
use crate::hub::peers::stopping;
use crate::hub::rest::{Answer, Failure, page_of, page_size, read_body, read_call, server};
use crate::mqtt::ByteStream;

/// Accepts connections for as long as the worker runs.
pub(super) async fn accept(worker: Rc<Worker>, listener: Listener) {
    loop {
        listener.admit(|stranger| serve(Rc::clone(&worker), stranger)).await;
    }
}

/// The client is a stranger until its first request: nobody is asked who he is here.
async fn serve(worker: Rc<Worker>, stranger: Stranger) {
    let (stream, place) = match stranger.greet(&worker.scratch, worker.door.greeting).await {
        Ok((connection, place)) => (ByteStream::from(connection), Cell::new(Some(place))),
        Err(error) => return tracing::debug!(%error, "a connection ended before its first request"),
    };
    let answer = service_fn(|request| {
        drop(place.take());
        respond(&worker, request)
    });
    if let Err(error) = server(worker.door).serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "HTTP connection ended");
    }
}

async fn respond(worker: &Worker, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = answer(worker, request).await.unwrap_or_else(|failure| {
        let at = worker.clock.wall().at(worker.clock.now());
        Answer::refusal(&failure, &worker.tracking.issue(), at)
    });
    Ok(answer.into_response())
}

async fn answer(worker: &Worker, request: Request<Incoming>) -> Result<Answer, Failure> {
    let (head, body) = request.into_parts();
    let body = read_body(body, worker.door.body).await?;
    let path = head.uri.path().trim_matches('/');
    let mut parts = path.split('/');
    match (&head.method, [parts.next(), parts.next(), parts.next(), parts.next()]) {
        (&Method::POST, [Some("twins"), Some(id), Some("methods"), None]) => invoke(worker, &decoded(id), &body).await,
        (&Method::GET, [Some("twins"), Some(id), None, None]) => Ok(twin(worker, &decoded(id)).await?),
        (&Method::POST, [Some("devices"), Some("query"), None, None]) => Ok(query(worker, &head.headers, &body).await?),
        // Every device is known that connects.
        (&Method::POST, [Some("devices"), None, None, None]) => {
            Ok(Answer::ok(r#"{"isSuccessful":true,"errors":[],"warnings":[]}"#))
        }
        (method, _) => Err(Failure::NoRoute(format!("a hub that only acknowledges does not answer {method} /{path}"))),
    }
}

fn decoded(id: &str) -> Cow<'_, str> {
    percent_decode_str(id).decode_utf8_lossy()
}

/// Calls a method (2.2). A device that is not there is not waited for.
async fn invoke(worker: &Worker, id: &str, body: &[u8]) -> Result<Answer, Failure> {
    let mut request = read_call(body).map_err(MethodRefusal::from)?;
    let (reply, answer) = oneshot::channel();
    let payload = std::mem::take(&mut request.payload);
    let owner = worker.owner(id);
    let called = if owner == worker.index {
        call(worker, id, &request.name, payload, reply)
    } else {
        let (id, name) = (id.to_owned(), request.name.clone());
        let call = move |worker: &Worker| call(worker, &id, &name, payload, reply);
        worker.visit(owner, call).await.map_err(MethodRefusal::from)?
    };
    let MethodRequest { response_timeout, connect_timeout, .. } = request;
    if !called {
        return Err(not_online(id, connect_timeout).into());
    }
    match tokio::time::timeout(response_timeout, answer).await {
        Ok(Ok(answer)) => Ok(Answer::ok(format!(r#"{{"status":{},"payload":{}}}"#, answer.status, answer.payload))),
        Ok(Err(_)) => Err(MethodRefusal::from(stopping()).into()),
        Err(_) => Err(no_answer(id, &request).into()),
    }
}

/// Sends the call of a method to its device; whether that is there.
fn call(
    worker: &Worker,
    id: &str,
    name: &str,
    payload: Bytes,
    reply: oneshot::Sender<crate::hub::partition::DeviceAnswer>,
) -> bool {
    let devices = worker.devices.borrow();
    let Some(outbox) = devices.callable(id) else { return false };
    let call = worker.calls.borrow_mut().begin(reply);
    outbox.push(call_packet(name, call, payload));
    true
}

async fn twin(worker: &Worker, id: &str) -> Result<Answer, Refusal> {
    let wanted = id.to_owned();
    let twin = worker.visit(worker.owner(id), move |worker| worker.devices.borrow().twin(&wanted)).await?;
    twin.map(Answer::ok).ok_or_else(|| Refusal::unknown(id))
}

/// Where a query's next page begins, and until when changes count: that is the moment of its first page, as with the
/// embedded hub, so that changes of one worker are not shown without earlier ones of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    worker: usize,
    from: i64,
    until: i64,
}

impl Place {
    fn parse(token: &str) -> Option<Self> {
        let mut parts = token.splitn(3, ':');
        Some(Self {
            worker: parts.next()?.parse().ok()?,
            from: parts.next()?.parse().ok()?,
            until: parts.next()?.parse().ok()?,
        })
    }

    fn token(self) -> String {
        let Self { worker, from, until } = self;
        format!("{worker}:{from}:{until}")
    }
}

/// The observer's query, and no other.
async fn query(worker: &Worker, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    struct Body {
        query: String,
    }
    let refuse = |why: &str| Refusal::new(ErrorCode::ArgumentInvalid, why);
    let Body { query } = serde_json::from_slice(body).map_err(|_| refuse("the body is not {\"query\":\"..\"}"))?;
    let since = |query: &DeltaQuery<'_>| query.since.map_or(i64::MIN, |since| since.as_microsecond());
    let first = DeltaQuery::parse(&query)
        .map(|query| Place { worker: 0, from: since(&query), until: worker.micros() })
        .ok_or_else(|| refuse("a hub that only acknowledges answers the observer's own query alone"))?;
    let limit = page_size(headers)?;
    let mut place = match headers.get(CONTINUATION).and_then(|token| token.to_str().ok()) {
        None | Some("") => first,
        Some(token) => Place::parse(token).ok_or_else(|| refuse("the continuation is none of this hub's"))?,
    };
    let mut page = Rows { text: "[".to_owned(), ..Rows::default() };
    while place.worker < worker.peers.len() && page.count < limit {
        let (text, room) = (query.clone(), limit - page.count);
        let look = move |worker: &Worker| {
            let query = DeltaQuery::parse(&text)?;
            Some(worker.devices.borrow().changed(&query, place.from, place.until, room))
        };
        let rows = worker.visit(place.worker, look).await?.unwrap_or_default();
        if page.count > 0 && rows.count > 0 {
            page.text.push(',');
        }
        page.count += rows.count;
        page.text.push_str(&rows.text);
        place = match rows.next {
            Some(from) => Place { from, ..place },
            None => Place { worker: place.worker + 1, from: first.from, ..place },
        };
    }
    page.text.push(']');
    let next = (place.worker < worker.peers.len()).then(|| place.token());
    Ok(page_of("Raw", page.text, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_written() {
        for place in [Place { worker: 0, from: i64::MIN, until: i64::MAX }, Place { worker: 3, from: 7, until: -1 }] {
            assert_eq!(Place::parse(&place.token()), Some(place));
        }
        for token in ["", "1", "1:2", "1:2:x", "-1:2:3", "1:2:3:4"] {
            assert_eq!(Place::parse(token), None, "{token}");
        }
    }
}
