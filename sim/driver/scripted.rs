//! A hub for tests: a real HTTP server whose answers are a script.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::client::{Client, RestSettings};
use crate::dialect::azure::{ConnectionString, Key};
use crate::time::Clock;

/// What the hub was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// HTTP method and path, without the query.
    pub(super) what: String,
    /// The page asked for.
    pub(super) continuation: Option<String>,
    /// `Authorization`.
    pub(super) authorization: String,
    /// JSON, or null.
    pub(super) body: Value,
}

/// What it answers.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) continuation: Option<&'static str>,
}

impl Reply {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self { status, body, continuation: None }
    }
}

type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A hub that answers as its script says until it is dropped.
pub(super) struct ScriptedHub {
    pub(super) url: String,
    accepting: JoinHandle<()>,
}

impl Drop for ScriptedHub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ScriptedHub {
    pub(super) async fn start<F>(script: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(move |asked| -> Answering { Box::pin(script(asked)) });
        let accepting = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let script = Arc::clone(&script);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let script = Arc::clone(&script);
                        async move { Ok::<_, Infallible>(respond(script(asked(request).await).await)) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        Self { url, accepting }
    }

    pub(super) fn settings(&self) -> RestSettings {
        settings(&self.url)
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&self.settings(), Clock::start()).unwrap()
    }
}

/// Settings for the hub at `url`.
pub(super) fn settings(url: &str) -> RestSettings {
    let connection = ConnectionString {
        host: "hub.example".to_owned(),
        policy: "service".to_owned(),
        key: Key::from_bytes([7; 32]),
    };
    RestSettings { url: url.to_owned(), authority: None, connection, connect_timeout: Duration::from_secs(5) }
}

async fn asked(request: Request<Incoming>) -> Asked {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (continuation, authorization) = (header("x-ms-continuation"), header("authorization").unwrap_or_default());
    let what = format!("{} {}", request.method(), request.uri().path());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Asked { what, continuation, authorization, body: serde_json::from_slice(&body).unwrap_or_default() }
}

fn respond(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(reply.status);
    if let Some(continuation) = reply.continuation {
        response = response.header("x-ms-continuation", continuation);
    }
    response.body(Full::new(Bytes::from(reply.body.to_string()))).unwrap()
}

/// Devices that go on by one stage whenever somebody looks at them.
#[derive(Debug, Default)]
pub(super) struct Devices {
    twins: Mutex<BTreeMap<String, (Option<String>, usize)>>,
    /// Ids of the updates that were called.
    pub(super) updates: Mutex<BTreeSet<String>>,
}

/// What a device reports, in order, and its keys.
const STAGES: [(&str, &str); 4] = [
    ("standBy", "logTime"),
    ("downloading", "downloadComplete"),
    ("applying", "startedApplyingImage"),
    ("completed", "lastFirmwareUpdate"),
];

impl Devices {
    pub(super) fn new(count: u32) -> Arc<Self> {
        let ids = (0..count).map(|device| (format!("sim-{device:07}"), (None, 0))).collect();
        Arc::new(Self { twins: Mutex::new(ids), ..Self::default() })
    }

    /// The answer to a request: methods, twins and queries.
    pub(super) fn answer(&self, asked: &Asked) -> Reply {
        let mut path = asked.what.split('/').skip(2);
        match (path.next(), path.next()) {
            (Some("query"), None) => Reply::new(200, Value::Array(self.look())),
            (Some(id), Some("methods")) => {
                let update = asked.body["payload"]["updateId"].as_str().map(str::to_owned);
                self.updates.lock().unwrap().extend(update.clone());
                self.twins.lock().unwrap().insert(id.to_owned(), (Some(update.unwrap_or_default()), 0));
                Reply::new(200, json!({"status": 200, "payload": {"Response": "Firmware update started"}}))
            }
            (Some(id), None) => {
                let mut twins = self.twins.lock().unwrap();
                let twin = twins.get_mut(id).unwrap();
                twin.1 = (twin.1 + usize::from(twin.0.is_some())).min(3);
                let row = row(id, twin);
                let connected = &row["connectionState"];
                let properties = json!({"desired": {}, "reported": row["reported"]});
                Reply::new(200, json!({"deviceId": id, "connectionState": connected, "properties": properties}))
            }
            _ => Reply::new(404, Value::Null),
        }
    }

    /// All rows; everyone has moved on by one stage.
    pub(super) fn look(&self) -> Vec<Value> {
        let mut twins = self.twins.lock().unwrap();
        for twin in twins.values_mut().filter(|twin| twin.0.is_some()) {
            twin.1 = (twin.1 + 1).min(3);
        }
        twins.iter().map(|(id, twin)| row(id, twin)).collect()
    }
}

fn row(id: &str, (update, stage): &(Option<String>, usize)) -> Value {
    let stamp = |stage: usize| json!({"$lastUpdated": format!("2026-01-01T00:00:{stage:02}Z")});
    let mut reported = json!({"firmwareStatus": STAGES[*stage].0, "$version": stage + 1, "$metadata": stamp(*stage)});
    for (at, (_, key)) in STAGES.iter().enumerate().take(stage + 1) {
        reported["$metadata"][*key] = stamp(at);
    }
    reported["$metadata"]["firmwareStatus"] = stamp(*stage);
    if let Some(update) = update.as_ref().filter(|update| *stage > 0 && !update.is_empty()) {
        reported["updateId"] = json!(update);
    }
    json!({"deviceId": id, "connectionState": "Connected", "reported": reported})
}
