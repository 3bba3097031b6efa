//! The bytes of an image: asked for over HTTP, hashed as they come, kept by nobody. One connection for each attempt.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT_ENCODING, CONNECTION, HOST, IF_RANGE, RANGE, USER_AGENT};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

use super::head::Head;
use super::pace::{Pace, Shared};
use super::url::{ImageSource, ImageUrl};
use super::{Downloaded, ImageFailure, Transfer, Turn};
use crate::device::event::Input;
use crate::device::open;
use crate::device::request::Package;
use crate::device::workers::Worker;
use crate::device::{DownloadConfig, FirmwareConfig};
use crate::mqtt::{self, ByteStream, ClientTls, ConnectionError, OpenError};
use crate::random::Domain;
use crate::time::Nanos;

/// What a download holds of the image at a time, in bytes; hyper asks for no less.
const BUFFER: usize = 8 * 1024;
/// What the kernel may hold for a device with a bandwidth of its own: as much as comes in so long a time, in these bounds.
/// Else the network would carry small images at any speed.
const KERNEL_BUFFER: (Duration, f64, f64) = (Duration::from_millis(500), 16_384.0, 4_194_304.0);
/// How long addresses of a name are good for.
const RESOLVED: Duration = Duration::from_secs(60);

/// What the downloads of a worker share.
pub(in crate::device) struct Downloads {
    config: DownloadConfig,
    source: ImageSource,
    fleet: Option<Shared>,
    resolved: RefCell<Option<Resolved>>,
    /// Those under way, by device: here, since a place for one would make every device larger.
    under_way: RefCell<HashMap<u32, Box<Download>>>,
}

/// The address of a name, at a moment.
struct Resolved {
    host: String,
    port: u16,
    address: SocketAddr,
    at: Nanos,
}

impl Downloads {
    /// Downloads from `source` by devices that are this `share` of the fleet; `None` if they download nothing.
    pub(in crate::device) fn of(firmware: &FirmwareConfig, source: Option<ImageSource>, share: f64) -> Option<Self> {
        let (config, source) = (*firmware.downloads()?, source?);
        let fleet = config.fleet_bandwidth.map(|bandwidth| Shared::new(bandwidth as f64 * share));
        Some(Self { config, source, fleet, resolved: RefCell::default(), under_way: RefCell::default() })
    }

    /// Keeps the download of `device`; one that it had before ends.
    pub(in crate::device) fn keep(&self, device: u32, download: Box<Download>) {
        let before = self.under_way.borrow_mut().insert(device, download);
        drop(before);
    }

    /// Gives the download of `device` away, to be polled or to be ended.
    pub(in crate::device) fn take(&self, device: u32) -> Option<Box<Download>> {
        self.under_way.borrow_mut().remove(&device)
    }
}

/// A device's download under way. Dropping it ends it.
pub(in crate::device) struct Download {
    work: Pin<Box<dyn Future<Output = Downloaded>>>,
    done: Option<Downloaded>,
    percent: Rc<Cell<u8>>,
    step: Option<u8>,
    told: u8,
}

impl Download {
    /// Starts it, as device number `device` in its update number `update`.
    pub(in crate::device) fn start<D: 'static>(
        worker: Rc<Worker<D>>,
        device: u32,
        update: u32,
        package: Box<Package>,
    ) -> Box<Self> {
        let percent = Rc::new(Cell::new(0));
        let step = worker.downloads.as_ref().and_then(|downloads| downloads.config.progress);
        let work = Box::pin(download(worker, device, update, package, Rc::clone(&percent)));
        Box::new(Self { work, done: None, percent, step, told: 0 })
    }

    /// What the session is to be told next: how far it is, or what became of it, which is the last word.
    pub(in crate::device) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Input> {
        if self.done.is_none()
            && let Poll::Ready(done) = self.work.as_mut().poll(cx)
        {
            self.done = Some(done);
        }
        if let Some(step) = self.step {
            let reached = self.percent.get() / step * step;
            if reached > self.told {
                self.told = reached;
                return Some(Input::DownloadProgress(reached));
            }
        }
        self.done.take().map(|done| Input::Downloaded(Box::new(done)))
    }
}

async fn download<D>(
    worker: Rc<Worker<D>>,
    device: u32,
    update: u32,
    package: Box<Package>,
    percent: Rc<Cell<u8>>,
) -> Downloaded {
    let start = worker.clock.now();
    let refused = |why: &str| Downloaded {
        result: Err(ImageFailure::INVALID_URI),
        took: Duration::ZERO,
        bytes: 0,
        resumes: 0,
        trouble: Some(format!("the call's fwPackageUri is unusable: {why}")),
        starved: None,
    };
    let Some(downloads) = &worker.downloads else { return refused("nobody said where images are") };
    let (url, tls) = match downloads.source.way_to(&package.uri) {
        Ok(way) => way,
        Err(why) => return refused(why),
    };
    let mut fetch = Fetch {
        worker: &worker,
        downloads,
        device,
        update,
        transfer: Transfer::new(downloads.config.retry(), package.check_value.as_deref()),
        pace: Pace::new(downloads.config.bandwidth, start),
        percent: &percent,
        trouble: None,
        starved: None,
    };
    // A server that drips never stalls.
    let limit = downloads.config.limit.unwrap_or(Duration::MAX);
    let result = match timeout(limit, fetch.all(&url, tls)).await {
        Ok(result) => result,
        Err(_) => {
            fetch.trouble = Some("the image was not there within firmware.image.limit".to_owned());
            Err(ImageFailure::CONNECTION_LOST)
        }
    };
    let Fetch { transfer: Transfer { bytes, resumes, .. }, trouble, starved, .. } = fetch;
    let trouble = match &result {
        Err(ImageFailure { code, .. }) => {
            Some(format!("{code}: {}", trouble.unwrap_or_else(|| "the image is another one than announced".to_owned())))
        }
        Ok(()) => trouble,
    };
    Downloaded { result, took: worker.clock.now().since(start), bytes, resumes, trouble, starved }
}

/// Why an attempt broke off.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the server sent nothing for firmware.image.stall_timeout")]
    Stalled,
    #[error("no connection to the image's server: {0}")]
    Connect(#[from] ConnectionError),
    #[error("the image's server broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("no request can be made of the image's address: {0}")]
    Request(#[from] hyper::http::Error),
}

impl From<tokio::time::error::Elapsed> for Trouble {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Stalled
    }
}

/// A download and what it needs.
struct Fetch<'a, D> {
    worker: &'a Worker<D>,
    downloads: &'a Downloads,
    device: u32,
    update: u32,
    transfer: Transfer,
    pace: Pace,
    percent: &'a Cell<u8>,
    trouble: Option<String>,
    starved: Option<&'static str>,
}

impl<D> Fetch<'_, D> {
    /// Asks the server until the image is there, or will not come.
    async fn all(&mut self, url: &ImageUrl, tls: Option<&ClientTls>) -> Result<(), ImageFailure> {
        loop {
            match self.attempt(url, tls).await {
                Turn::Again(wait) => sleep(wait).await,
                Turn::Over(result) => return result,
            }
        }
    }

    /// Asks the server once and reads what it sends.
    async fn attempt(&mut self, url: &ImageUrl, tls: Option<&ClientTls>) -> Turn {
        match self.exchange(url, tls).await {
            Ok(turn) => turn,
            Err(trouble) => {
                if let Trouble::Connect(ConnectionError::Io(error) | ConnectionError::Open(OpenError::Connect(error))) =
                    &trouble
                {
                    self.starved = self.starved.or(open::shortage(error));
                }
                self.trouble = Some(trouble.to_string());
                let random = self.random();
                self.transfer.broke(random)
            }
        }
    }

    async fn exchange(&mut self, url: &ImageUrl, tls: Option<&ClientTls>) -> Result<Turn, Trouble> {
        let patience = self.downloads.config.stall_timeout;
        let request = self.request(url)?;
        let stream = timeout(patience, self.connect(url, tls)).await??;
        let builder = http1::Builder::new().read_buf_exact_size(Some(BUFFER)).clone();
        let (mut sender, connection) = builder.handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await?;
        let mut driver = Driver(Some(connection));
        let answer = timeout(patience, driver.along(sender.send_request(request))).await??;
        let (head, mut body) = answer.into_parts();
        let random = self.random();
        if let Some(turn) = self.transfer.answered(&Head::read(head.status.as_u16(), &head.headers), random) {
            self.trouble = Some(format!("the image's server answered {}", head.status.as_u16()));
            return Ok(turn);
        }
        while let Some(frame) = timeout(patience, driver.along(body.frame())).await? {
            let Ok(bytes) = frame?.into_data() else { continue };
            if let Some(turn) = self.transfer.take(&bytes) {
                self.trouble = Some("the image is too large".to_owned());
                return Ok(turn);
            }
            self.percent.set(self.percent.get().max(self.transfer.percent().unwrap_or_default()));
            let wait = self.pace.wait(self.worker.clock.now(), bytes.len(), self.downloads.fleet.as_ref());
            if !wait.is_zero() {
                sleep(wait).await;
            }
        }
        let random = self.random();
        Ok(self.transfer.ended(random))
    }

    fn request(&mut self, url: &ImageUrl) -> Result<Request<Empty<Bytes>>, Trouble> {
        let ask = self.transfer.ask();
        let mut request = Request::get(&url.target)
            .header(HOST, &url.authority)
            .header(USER_AGENT, concat!("twinstorm/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity")
            .header(CONNECTION, "close");
        if ask.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", ask.from));
            if let Some(tag) = ask.only_if {
                request = request.header(IF_RANGE, tag);
            }
        }
        Ok(request.body(Empty::new())?)
    }

    async fn connect(&self, url: &ImageUrl, tls: Option<&ClientTls>) -> Result<ByteStream, ConnectionError> {
        let peer = self.address(url).await?;
        // On this machine devices have addresses of their own, and each of those its own ports.
        let source = self.worker.sources.of(self.device);
        let source = source.filter(|source| source.is_loopback() && peer.ip().is_loopback());
        let stream = mqtt::connect_from(source.filter(|source| source.is_ipv4() == peer.is_ipv4()), peer).await?;
        if let Some(bandwidth) = self.downloads.config.bandwidth {
            let (time, least, most) = KERNEL_BUFFER;
            let room = (bandwidth as f64 * time.as_secs_f64()).clamp(least, most) as usize;
            setsockopt(&stream, RcvBuf, &room).map_err(io::Error::from)?;
        }
        match tls {
            Some(tls) => ByteStream::connect(stream, tls, false).await,
            None => Ok(mqtt::Connection::new(stream).into()),
        }
    }

    /// Where `url` is. A name is looked up once for all devices of a worker: they would all ask at once.
    async fn address(&self, url: &ImageUrl) -> Result<SocketAddr, io::Error> {
        if let Ok(address) = url.host.parse() {
            return Ok(SocketAddr::new(address, url.port));
        }
        let now = self.worker.clock.now();
        let known = self.downloads.resolved.borrow().as_ref().and_then(|known| {
            let good = known.host == url.host && known.port == url.port && now.since(known.at) < RESOLVED;
            good.then_some(known.address)
        });
        if let Some(address) = known {
            return Ok(address);
        }
        let found = lookup_host((url.host.as_str(), url.port)).await?.next();
        let address = found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its name has no address"))?;
        let resolved = Resolved { host: url.host.clone(), port: url.port, address, at: now };
        *self.downloads.resolved.borrow_mut() = Some(resolved);
        Ok(address)
    }

    /// For the back-off after the present attempt.
    fn random(&self) -> crate::random::Stream {
        let attempt = u64::from(self.update) << 32 | u64::from(self.transfer.attempts);
        self.worker.settings.seed.stream(Domain::ImageRetry, u64::from(self.device), attempt)
    }
}

/// Moves the bytes of a connection while somebody waits for what they say.
struct Driver(Option<http1::Connection<TokioIo<ByteStream>, Empty<Bytes>>>);

impl Driver {
    async fn along<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            // How it ended is told to whoever waits for the answer.
            if let Some(connection) = &mut self.0
                && Pin::new(connection).poll(cx).is_ready()
            {
                self.0 = None;
            }
            work.as_mut().poll(cx)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
