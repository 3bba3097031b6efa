//! Devices that come to the port for REST, over WebSocket (1.1).

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::{OnUpgrade, Parts};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::task::spawn_local;

use crate::dialect::azure::WEBSOCKET_PATH;
use crate::hub::endpoint;
use crate::hub::lobby::Place;
use crate::hub::workers::Worker;
use crate::mqtt::{ByteStream, Connection, SUBPROTOCOL, accept_key};

/// The version of the protocol that RFC 6455 describes.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What is wrong with a request for a WebSocket, and its status.
type Refused = (StatusCode, &'static str);

/// Whether `request` is for the place where there are WebSockets. What is asked for behind the path counts for nothing.
pub(super) fn is_asked_for(request: &Request<Incoming>) -> bool {
    percent_decode_str(request.uri().path()).eq(WEBSOCKET_PATH.bytes())
}

/// The answer to a request for a WebSocket. Once it was sent, the device is the MQTT endpoint's.
pub(super) fn open(
    worker: &Rc<Worker>,
    mut request: Request<Incoming>,
    place: &Cell<Option<Place>>,
) -> Response<Full<Bytes>> {
    let agreed = agree(request.method(), request.headers());
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    match agreed {
        Ok((accept, protocol)) => {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let upgrade = hyper::upgrade::on(&mut request);
            let hand_over = |place| worker.breaker.guard(hand_over(Rc::clone(worker), upgrade, place));
            match place.take() {
                Some(place) => place.go_on(|place| hand_over(Some(place))),
                None => drop(spawn_local(hand_over(None))),
            }
        }
        Err((status, why)) => {
            tracing::debug!("refused a WebSocket: {why}");
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            *response.status_mut() = status;
            *response.body_mut() = Full::from(why);
        }
    }
    response
}

/// The answer to the client's key, and what it calls MQTT.
fn agree(method: &Method, headers: &HeaderMap) -> Result<(HeaderValue, HeaderValue), Refused> {
    let refuse = |why| Err((StatusCode::BAD_REQUEST, why));
    if method != Method::GET || !lists(headers, UPGRADE, "websocket") || !lists(headers, CONNECTION, "upgrade") {
        return Err((StatusCode::UPGRADE_REQUIRED, "here is MQTT over WebSocket: ask for an upgrade to `websocket`"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err((StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13"));
    }
    // 16 bytes in base64.
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24) else {
        return refuse("Sec-WebSocket-Key must hold 16 bytes in base64");
    };
    let Some(protocol) = find(headers, SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) else {
        return refuse("Sec-WebSocket-Protocol must list `mqtt`");
    };
    match (HeaderValue::try_from(accept_key(key.as_bytes())), HeaderValue::try_from(protocol)) {
        (Ok(accept), Ok(protocol)) => Ok((accept, protocol)),
        _ => refuse("Sec-WebSocket-Key must be text"),
    }
}

/// The first of the words in `name` that is `word`, as it was written: clients compare it with their own.
fn find<'a>(headers: &'a HeaderMap, name: HeaderName, word: &str) -> Option<&'a str> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).find(|offered| offered.eq_ignore_ascii_case(word))
}

fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    find(headers, name, word).is_some()
}

/// Who makes his connection a WebSocket is a stranger, if he was one, until he has said CONNECT.
async fn hand_over(worker: Rc<Worker>, upgrade: OnUpgrade, place: Option<Place>) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return tracing::debug!(%error, "a connection ended before it was a WebSocket"),
    };
    let Ok(Parts { io, read_buf, .. }) = upgraded.downcast::<TokioIo<ByteStream>>() else {
        return tracing::error!("a WebSocket came from nowhere");
    };
    match Connection::websocket(io.into_inner(), &read_buf) {
        Ok(connection) => endpoint::welcome(worker, connection, place).await,
        Err(error) => endpoint::turned_away(&worker, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(protocol: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (UPGRADE, "WebSocket"),
            (CONNECTION, "keep-alive, Upgrade"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
            (SEC_WEBSOCKET_PROTOCOL, protocol),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_subprotocol_is_compared_without_case_and_given_back_as_it_was_offered() {
        for (offered, echoed) in [("mqtt", "mqtt"), ("MQTT", "MQTT"), ("mqttv3.1, Mqtt", "Mqtt")] {
            let (accept, protocol) = agree(&Method::GET, &headers(offered)).unwrap();
            assert_eq!(
                (accept.to_str().unwrap(), protocol.to_str().unwrap()),
                ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", echoed)
            );
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (name, status, word) in [
            (UPGRADE, 426, "upgrade"),
            (CONNECTION, 426, "upgrade"),
            (SEC_WEBSOCKET_VERSION, 426, "13"),
            (SEC_WEBSOCKET_KEY, 400, "Key"),
            (SEC_WEBSOCKET_PROTOCOL, 400, "mqtt"),
        ] {
            let mut headers = headers("mqtt");
            headers.remove(&name);
            let (refused, why) = agree(&Method::GET, &headers).unwrap_err();
            assert!(refused.as_u16() == status && why.contains(word), "{name}: {refused} {why}");
        }
        assert!(agree(&Method::POST, &headers("mqtt")).is_err());
        assert!(agree(&Method::GET, &headers("amqp")).is_err());
    }
}
