//! Takes in HTTP connections and reads requests.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::answer::{Answer, Failure};
use super::images::{self, ImageBody};
use super::router::Service;
use super::throttling::operation_of;
use super::websocket;
use crate::dialect::azure::ErrorCode;
use crate::hub::config::DoorLimits;
use crate::hub::endpoint;
use crate::hub::listener::{Listener, Stranger};
use crate::hub::lobby::Place;
use crate::hub::partition::Refusal;
use crate::hub::workers::Complaint;
use crate::mqtt::ByteStream;

/// The largest request body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// What is sent of an answer before its client has taken it, in bytes; the head of a request may be as long.
const MAX_UNSENT: usize = 64 * 1024;

/// The body of an answer: whole, or made as it is sent.
type Reply = Either<Full<Bytes>, ImageBody>;

/// Accepts connections for as long as the worker runs.
pub(in crate::hub) async fn accept(service: Rc<Service>, listener: Listener) {
    loop {
        listener.admit(|stranger| service.worker.breaker.guard(serve(Rc::clone(&service), stranger))).await;
    }
}

/// The client is a stranger until one of its requests was admitted.
async fn serve(service: Rc<Service>, stranger: Stranger) {
    let (stream, place) = match stranger.greet(&service.worker.scratch, service.worker.door.greeting).await {
        Ok((connection, place)) => (ByteStream::from(connection), Cell::new(Some(place))),
        Err(error) => return endpoint::turned_away(&service.worker, &error),
    };
    let answer = service_fn(|request| respond(&service, request, &place));
    let connection = server(service.worker.door).serve_connection(TokioIo::new(stream), answer);
    match connection.with_upgrades().await {
        Err(error) if error.is_parse() => {
            let why = format_args!("{error}; TLS is spoken at the port of --https, and MQTT at others");
            service.worker.complain(Complaint::NotHttp, &why);
        }
        Err(error) => tracing::debug!(%error, "HTTP connection ended"),
        Ok(()) => {}
    }
}

/// What speaks HTTP to a client, within the limits of `door`.
pub(in crate::hub) fn server(door: DoorLimits) -> http1::Builder {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(door.head).max_buf_size(MAX_UNSENT);
    server
}

async fn respond(
    service: &Service,
    request: Request<Incoming>,
    place: &Cell<Option<Place>>,
) -> Result<Response<Reply>, Infallible> {
    if websocket::is_asked_for(&request) {
        return Ok(websocket::open(&service.worker, request, place).map(Either::Left));
    }
    if let Some(name) = images::name_of(request.uri().path()) {
        // Devices have no token for them. Who gets one is no stranger: so many at a time are served.
        let response = service.image(request.method(), name, request.uri().query(), request.headers());
        if response.status().is_success() {
            drop(place.take());
        }
        return Ok(response);
    }
    let operation = operation_of(request.method(), request.uri().path());
    let answer = answer(service, request, place).await.unwrap_or_else(|failure| service.refuse(&failure));
    service.worker.count_request(operation, answer.status);
    Ok(answer.into_response().map(Either::Left))
}

/// The head alone tells who asks: nobody else's body is read.
async fn answer(service: &Service, request: Request<Incoming>, place: &Cell<Option<Place>>) -> Result<Answer, Failure> {
    let (head, body) = request.into_parts();
    if let Some(status) = service.status(&head).await {
        return Ok(status?);
    }
    let segments = service.admit(&head)?;
    drop(place.take());
    let body = read(body, service.worker.door.body).await?;
    service.throttled(&head, &segments, &body).await
}

/// The whole body of a request.
pub(in crate::hub) async fn read(body: Incoming, patience: Duration) -> Result<Bytes, Refusal> {
    let refuse = |message: String| Refusal::new(ErrorCode::ArgumentInvalid, message);
    match tokio::time::timeout(patience, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::new(ErrorCode::MessageTooLarge, format!("the body has more than {MAX_BODY} bytes")))
        }
        Ok(Err(error)) => Err(refuse(format!("the body is unreadable: {error}"))),
        Err(_) => Err(refuse(format!("the body did not arrive within {} s", patience.as_secs()))),
    }
}
