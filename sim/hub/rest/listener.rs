//! Takes in HTTP connections and reads requests.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;

use super::answer::{Answer, Failure};
use super::router::Service;
use super::throttling::operation_of;
use crate::dialect::azure::ErrorCode;
use crate::hub::listener::{Listener, Stranger};
use crate::hub::partition::Refusal;
use crate::mqtt::ByteStream;

/// The largest request body, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may be idle or take to send a request's head. Longer than clients keep unused connections,
/// so that none is closed under a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(300);

/// Accepts connections for as long as the worker runs.
pub(in crate::hub) async fn accept(service: Rc<Service>, listener: Listener) {
    loop {
        let stranger = listener.accept().await;
        spawn_local(serve(Rc::clone(&service), stranger));
    }
}

async fn serve(service: Rc<Service>, stranger: Stranger) {
    let stream = match stranger.greet(&service.worker).await {
        // Who this is stands in each request.
        Ok((connection, _)) => ByteStream::from(connection),
        Err(error) => return tracing::debug!(%error, "an HTTP connection ended before its first request"),
    };
    let answer = service_fn(|request| respond(Rc::clone(&service), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "HTTP connection ended");
    }
}

async fn respond(service: Rc<Service>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let operation = operation_of(request.method(), request.uri().path());
    let answer = answer(&service, request).await.unwrap_or_else(|failure| service.refuse(&failure));
    service.worker.count_request(operation, answer.status);
    Ok(answer.into_response())
}

/// The head alone tells who asks: nobody else's body is read.
async fn answer(service: &Service, request: Request<Incoming>) -> Result<Answer, Failure> {
    let (head, body) = request.into_parts();
    if let Some(status) = service.status(&head).await {
        return Ok(status?);
    }
    let segments = service.admit(&head)?;
    let body = read(body).await?;
    service.throttled(&head, &segments, &body).await
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let refuse = |message: String| Refusal::new(ErrorCode::ArgumentInvalid, message);
    match tokio::time::timeout(BODY_PATIENCE, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::new(ErrorCode::MessageTooLarge, format!("the body has more than {MAX_BODY} bytes")))
        }
        Ok(Err(error)) => Err(refuse(format!("the body is unreadable: {error}"))),
        Err(_) => Err(refuse(format!("the body did not arrive within {} s", BODY_PATIENCE.as_secs()))),
    }
}
