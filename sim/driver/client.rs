//! The REST client of a hub's service side.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connector::Connector;
use crate::dialect::azure::rest::{self, CONTINUATION};
use crate::dialect::azure::{ConnectionString, SasToken};
use crate::mqtt::{ClientTls, TlsConfigError, TlsError};
use crate::time::{Clock, Nanos};

/// Life of a service token; a new one is signed after four fifths of it.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// Idle connections are kept so long: longer than any pause of a run, so that no burst pays for connecting again.
const IDLE: Duration = Duration::from_secs(300);
/// The hub's word when to come back counts up to this: a run must not sleep for an hour because a header says so.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Where a hub's REST side is, and how the service proves itself there.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// `https://host:port` or `http://host:port`; the port may be missing.
    pub url: String,
    /// The certificates of those who may have signed the hub's, in PEM; `None` for those whom this system trusts.
    pub authority: Option<String>,
    /// The service's connection string; its host is what tokens are signed for.
    pub connection: ConnectionString,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
}

/// Why a request brought no answer. Its words never hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The address is none that can be used.
    #[error("the hub's REST address is unusable: {0}")]
    Address(&'static str),
    /// TLS cannot be set up.
    #[error("cannot speak TLS with the hub's REST side: {0}")]
    Tls(String),
    /// The request could not be put together.
    #[error("the request is malformed: {0}")]
    Request(String),
    /// No connection could be made, so that nothing was sent.
    #[error("cannot connect to the hub at {host}: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What happened.
        reason: String,
    },
    /// The connection broke; the hub may have received the request.
    #[error("no answer from the hub at {host}: {reason}")]
    Broken {
        /// Host and port.
        host: String,
        /// What happened.
        reason: String,
    },
    /// The time limit passed.
    #[error("no answer from the hub at {host} within {limit:?}")]
    Timeout {
        /// Host and port.
        host: String,
        /// The limit.
        limit: Duration,
    },
}

/// A client of one hub. Its clones share their connections: as many as requests are under way at once, kept alive.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: HttpClient<Connector, Full<Bytes>>,
    base: String,
    host: String,
    connection: ConnectionString,
    clock: Clock,
    token: Mutex<Option<(HeaderValue, Nanos)>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("host", &self.0.host).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for `settings`. It connects at its first request.
    ///
    /// # Errors
    /// The address is none, or TLS cannot be set up for it.
    pub fn new(settings: &RestSettings, clock: Clock) -> Result<Self, ClientError> {
        const FORM: &str = "write it like `https://host:port` or `http://host:port`, with nothing before or behind";
        let uri: Uri = settings.url.parse().map_err(|_| ClientError::Address(FORM))?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let scheme = scheme.ok_or(ClientError::Address("it must begin with `https://` or `http://`"))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        if host.is_empty() || host.contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(ClientError::Address(FORM));
        }
        let name = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let tls = (scheme == "https").then(|| tls(name, settings.authority.as_deref())).transpose();
        let tls = tls.map_err(|error| ClientError::Tls(error.to_string()))?;
        let base = format!("{scheme}://{host}");
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Connector::new(tls, settings.connect_timeout));
        let inner = Inner { http, base, host, connection: settings.connection.clone(), clock, token: Mutex::new(None) };
        Ok(Self(Arc::new(inner)))
    }

    /// Sends `request` and reads the whole answer, within `limit`.
    ///
    /// # Errors
    /// There was no answer, and why. Any HTTP status is an answer.
    pub async fn send(&self, request: rest::Request, limit: Duration) -> Result<rest::Response, ClientError> {
        match tokio::time::timeout(limit, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Timeout { host: self.0.host.clone(), limit }),
        }
    }

    async fn exchange(&self, request: rest::Request) -> Result<rest::Response, ClientError> {
        let mut builder = Request::builder()
            .method(request.method)
            .uri(format!("{}{}", self.0.base, request.path))
            .header(AUTHORIZATION, self.token()?);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if !request.body.is_empty() {
            builder = builder.header(CONTENT_TYPE, "application/json; charset=utf-8");
        }
        let request = builder
            .body(Full::new(Bytes::from(request.body)))
            .map_err(|error| ClientError::Request(error.to_string()))?;
        let answer = self.0.http.request(request).await.map_err(|error| match untrusted(&error) {
            Some(error) => ClientError::Tls(error.to_string()),
            None if error.is_connect() => self.unreachable(&error),
            None => self.broken(&error),
        })?;
        let (head, body) = answer.into_parts();
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(rest::Response {
            status: head.status.as_u16(),
            retry_after: text(RETRY_AFTER.as_str()).and_then(retry_after),
            continuation: text(CONTINUATION).filter(|text| !text.is_empty()).map(str::to_owned),
            body: body.collect().await.map_err(|error| self.broken(&error))?.to_bytes(),
        })
    }

    /// The header that proves the service; signed anew before it expires.
    fn token(&self) -> Result<HeaderValue, ClientError> {
        let now = self.0.clock.now();
        let mut token = self.0.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, renew)) = &*token
            && now < *renew
        {
            return Ok(value.clone());
        }
        let ConnectionString { host, policy, key } = &self.0.connection;
        // 10: a service's resource is the host and nothing else.
        let text = SasToken::sign(host, self.0.clock.wall().at(now + TOKEN_LIFE), Some(policy), key);
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| ClientError::Request("the policy's name is no text".into()))?;
        value.set_sensitive(true);
        *token = Some((value.clone(), now + TOKEN_LIFE * 4 / 5));
        Ok(value)
    }

    fn unreachable(&self, error: &(dyn Error + 'static)) -> ClientError {
        ClientError::Unreachable { host: self.0.host.clone(), reason: in_words(error) }
    }

    fn broken(&self, error: &(dyn Error + 'static)) -> ClientError {
        ClientError::Broken { host: self.0.host.clone(), reason: in_words(error) }
    }
}

/// TLS with a hub whose certificate is for `name`.
fn tls(name: &str, authority: Option<&str>) -> Result<ClientTls, TlsConfigError> {
    match authority {
        Some(authority) => ClientTls::new(name, authority, false),
        None => ClientTls::with_system_roots(name, false),
    }
}

/// An error in words: the last cause says what the others only announce.
fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// What is wrong with the hub's certificate, if that is what `error` came of: no further attempt mends it.
fn untrusted<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| {
        let error = error.downcast_ref::<TlsError>()?;
        matches!(error, TlsError::Untrusted | TlsError::WrongHost(_) | TlsError::Certificate(_)).then_some(error)
    })
}

/// When to come back, from the header's seconds; a date is not understood, and no hub sends one.
fn retry_after(seconds: &str) -> Option<Duration> {
    seconds.parse().ok().map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_word_when_to_come_back_has_a_bound() {
        for (header, seconds) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("300", Some(300)),
            ("3600", Some(300)),
            ("18446744073709551615", Some(300)),
            ("-1", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            assert_eq!(retry_after(header), seconds.map(Duration::from_secs), "{header}");
        }
    }
}
