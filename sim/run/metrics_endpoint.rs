//! `GET /metrics` while a run goes on, and after it for as long as the process lives.
//!
//! A thread of its own with a runtime of its own serves it, so that no scraper delays the coordinator. Once a second the
//! coordinator hands over what it knows, which replaces what was known before; the text is made of it when somebody asks,
//! once for each second and form.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::options::RunError;
use crate::measure::{Exposition, RunResult};
use crate::report::{self, Moment};

/// Scrapers at once; who comes besides waits until one has got its answer.
const CONNECTIONS: usize = 16;
/// How long a scraper may take, from its first byte to the last of the answer. Each gets one answer on a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nobody is taken in where the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(100);
/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// A place where metrics are served. Clones are the same place; it is closed when the last of them goes.
#[derive(Debug, Clone)]
pub struct MetricsEndpoint {
    address: SocketAddr,
    known: Arc<watch::Sender<Arc<Known>>>,
}

/// What is known of a run.
#[derive(Debug, Default)]
struct Known {
    /// The result as far as it has come, without its intervals; `None` before anything is known.
    result: Option<RunResult>,
    /// What stands now, as long as the run goes on.
    moment: Option<Moment>,
    /// The text in each form, once somebody has asked for it.
    open_metrics: OnceLock<Bytes>,
    prometheus: OnceLock<Bytes>,
}

impl MetricsEndpoint {
    /// Listens on `address`, where port 0 is a free one.
    ///
    /// # Errors
    /// The address is taken or not of this machine, or there can be no thread.
    pub fn open(address: SocketAddr) -> Result<Self, RunError> {
        let failed = |source| RunError::Metrics { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        Self::serve(listener, PATIENCE).map_err(failed)
    }

    fn serve(listener: std::net::TcpListener, patience: Duration) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (known, news) = watch::channel(Arc::default());
        thread::Builder::new().name("metrics".to_owned()).spawn(move || run(&runtime, listener, news, patience))?;
        Ok(Self { address, known: Arc::new(known) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is known by now of a run that goes on.
    pub(super) fn publish(&self, so_far: RunResult, moment: Moment) {
        self.tell(so_far, Some(moment));
    }

    /// How a run has ended. That of each second is left out: no metric tells of it.
    pub(super) fn publish_end(&self, result: &mut RunResult) {
        let intervals = std::mem::take(&mut result.intervals);
        self.tell(result.clone(), None);
        result.intervals = intervals;
    }

    fn tell(&self, result: RunResult, moment: Option<Moment>) {
        self.known.send_replace(Arc::new(Known { result: Some(result), moment, ..Known::default() }));
    }
}

impl Known {
    fn text(&self, form: Exposition) -> Bytes {
        let text = match form {
            Exposition::OpenMetrics => &self.open_metrics,
            Exposition::Prometheus => &self.prometheus,
        };
        let render = || match &self.result {
            Some(result) => report::metrics(result, self.moment.as_ref(), form),
            None => report::metrics_of_nothing(form),
        };
        text.get_or_init(|| Bytes::from(render())).clone()
    }
}

/// The thread's work.
fn run(runtime: &Runtime, listener: std::net::TcpListener, news: watch::Receiver<Arc<Known>>, patience: Duration) {
    runtime.block_on(async move {
        // A socket that listens already is refused by no runtime that has been made.
        if let Ok(listener) = TcpListener::from_std(listener) {
            accept(&listener, news, patience).await;
        }
    });
}

/// Takes in scrapers until nobody can publish any more.
async fn accept(listener: &TcpListener, mut news: watch::Receiver<Arc<Known>>, patience: Duration) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Nobody closes it.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let news = news.clone();
                    tokio::spawn(async move {
                        let _place = place;
                        let _ = timeout(patience, answer_one(stream, news)).await;
                    });
                }
                Err(_) => sleep(NO_ROOM).await,
            },
            gone = news.changed() => if gone.is_err() { return },
        }
    }
}

async fn answer_one(stream: TcpStream, news: watch::Receiver<Arc<Known>>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &news);
        async { Ok::<_, Infallible>(response) }
    });
    // One that breaks off or talks nonsense has got its answer from hyper, or wants none.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

fn respond(request: &Request<Incoming>, news: &watch::Receiver<Arc<Known>>) -> Response<Full<Bytes>> {
    let say = |status, text: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    };
    if request.uri().path() != "/metrics" {
        return say(StatusCode::NOT_FOUND, "there is nothing but /metrics\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = say(StatusCode::METHOD_NOT_ALLOWED, "metrics are read by GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let form = Exposition::wanted(request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let known = Arc::clone(&news.borrow());
    let mut response = Response::new(Full::new(known.text(form)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener as Listener, TcpStream as Stream};

    use super::*;

    fn free() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    fn ask(endpoint: &MetricsEndpoint, head: &str) -> String {
        let mut stream = Stream::connect(endpoint.address()).unwrap();
        stream.write_all(format!("{head} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn what_is_known_replaces_what_was_known() {
        let endpoint = MetricsEndpoint::open(free()).unwrap();
        assert!(ask(&endpoint, "GET /metrics").contains("twinstorm_phase{phase=\"starting\"} 1\n# EOF\n"));
        let mut result = RunResult { name: "first".to_owned(), exit_code: 99, ..RunResult::default() };
        result.intervals.push(Default::default());
        endpoint.publish(result.clone(), Moment { phase: "running", ..Moment::default() });
        let running = ask(&endpoint, "GET /metrics");
        assert!(running.contains("name=\"first\"") && running.contains("phase=\"running\""), "{running}");
        assert_eq!(ask(&endpoint, "GET /metrics"), running, "made once, asked for twice");
        endpoint.publish_end(&mut result);
        let ended = ask(&endpoint, "GET /metrics");
        assert!(ended.contains("twinstorm_exit_code 99\n") && !ended.contains("phase"), "{ended}");
        assert_eq!(result.intervals.len(), 1, "they are only left out of what is served");
    }

    #[test]
    fn who_sends_nothing_keeps_nobody_out() {
        let listener = Listener::bind(free()).unwrap();
        let endpoint = MetricsEndpoint::serve(listener, Duration::from_millis(50)).unwrap();
        let silent: Vec<Stream> = (0..2 * CONNECTIONS).map(|_| Stream::connect(endpoint.address()).unwrap()).collect();
        assert!(ask(&endpoint, "GET /metrics").starts_with("HTTP/1.1 200 OK\r\n"));
        drop(silent);
    }

    #[test]
    fn it_is_closed_with_its_last_handle() {
        let endpoint = MetricsEndpoint::open(free()).unwrap();
        let (address, other) = (endpoint.address(), endpoint.clone());
        drop(endpoint);
        assert!(ask(&other, "HEAD /metrics").starts_with("HTTP/1.1 200 OK\r\n"));
        drop(other);
        // The thread ends when it comes to it.
        while Listener::bind(address).is_err() {
            thread::yield_now();
        }
    }
}
