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
use super::websocket;
use crate::dialect::azure::ErrorCode;
use crate::hub::endpoint;
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
        Err(error) => return endpoint::turned_away(&service.worker, &error),
    };
    let answer = service_fn(|request| respond(Rc::clone(&service), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    match connection.await {
        Err(error) if error.is_parse() => {
            service.worker.complain(&format_args!("{error}; TLS is spoken at the port of --https, and MQTT at others"));
        }
        Err(error) => tracing::debug!(%error, "HTTP connection ended"),
        Ok(()) => {}
    }
}

async fn respond(service: Rc<Service>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if websocket::is_asked_for(&request) {
        return Ok(websocket::open(&service.worker, request));
    }
    let answer = answer(&service, request).await.unwrap_or_else(|failure| service.refuse(&failure));
    Ok(answer.into_response())
}

/// The head alone tells who asks: nobody else's body is read.
async fn answer(service: &Service, request: Request<Incoming>) -> Result<Answer, Failure> {
    let (head, body) = request.into_parts();
    let segments = service.admit(&head)?;
    let body = read(body).await?;
    service.route(&head, &segments, &body).await
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
