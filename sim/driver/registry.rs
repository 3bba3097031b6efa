//! A patient client of a hub's identity registry: registries are throttled hard (8.1), and what takes hours must not end
//! with the first hiccup.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::client::{Client, ClientError};
use super::query::PAGE;
use crate::dialect::azure::ServiceError;
use crate::dialect::azure::enrolment::{self, Enrolment};
use crate::dialect::azure::rest;
use crate::policy::{Backoff, DeviceIds, DeviceRange, Failed, Failure, Jitter, RetryPolicy, Retrying};
use crate::random::{Domain, Seed, Stream};
use crate::time::{Clock, Nanos};

/// Requests under way at once.
const IN_FLIGHT: usize = 4;
/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(60);
const BACKOFF: Backoff =
    Backoff::Exponential { base: Duration::from_secs(1), cap: Duration::from_secs(30), jitter: Jitter::Equal };
/// The hub says when it wants more; it is asked for as long as somebody waits for it.
const THROTTLED: RetryPolicy = RetryPolicy::new(BACKOFF);
const FAILED: RetryPolicy = RetryPolicy { max_attempts: Some(6), ..RetryPolicy::new(BACKOFF) };

/// What makes a device one that a hub can know: what it is created with. Gives words if its files cannot be read.
pub type Enrol = Arc<dyn Fn(u32) -> Result<Enrolment, String> + Send + Sync>;

/// A fleet, as a registry sees it.
#[derive(Clone)]
pub struct Roll {
    /// The ids.
    pub ids: DeviceIds,
    /// The devices.
    pub range: DeviceRange,
    /// What each is created with.
    pub enrol: Enrol,
    /// Identities created or deleted per second; `None` for as many as the hub takes.
    pub rate: Option<f64>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistryProgress {
    /// Devices that are done.
    pub done: u32,
    /// Of so many.
    pub of: u32,
    /// How often the hub asked for patience.
    pub throttled: u64,
}

/// Why devices could not be created or deleted. What was done stays done: the same again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The hub does not accept the service's key.
    #[error(
        "the hub refuses the service's key (401: {0}); check the connection string: its HostName must be the hub's own name, \
         and its policy must be one that may write the registry"
    )]
    Unauthorized(String),
    /// The hub refused the request.
    #[error("the hub answered {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The hub's words.
        message: String,
    },
    /// The hub refused something for one device.
    #[error("the hub refuses `{id}`: {why}")]
    Device {
        /// The device.
        id: String,
        /// The hub's words.
        why: String,
    },
    /// The answer could not be read.
    #[error("the hub's answer is unreadable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// What a device is created with cannot be read.
    #[error("{0}")]
    Enrol(String),
}

/// A client that tries again.
#[derive(Clone)]
pub(super) struct Patient {
    client: Client,
    throttled: Arc<AtomicU64>,
}

impl Patient {
    pub(super) fn new(client: &Client) -> Self {
        Self { client: client.clone(), throttled: Arc::default() }
    }

    /// How often the hub asked for patience.
    pub(super) fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    /// Sends `request` until there is an answer that says something about it: 200, 400 or 404.
    pub(super) async fn send(&self, request: rest::Request) -> Result<rest::Response, RegistryError> {
        let mut throttled = Pause::new(THROTTLED, request.body.len());
        let mut failed = Pause::new(FAILED, request.path.len());
        loop {
            let (pause, least, error) = match self.client.send(request.clone(), LIMIT).await {
                Ok(response) => match response.status {
                    200 | 400 | 404 => return Ok(response),
                    401 => {
                        let message = ServiceError::parse(401, &response.body).in_words();
                        return Err(RegistryError::Unauthorized(message));
                    }
                    status => {
                        let message = ServiceError::parse(status, &response.body).in_words();
                        let error = RegistryError::Refused { status, message };
                        let pause = match status {
                            429 => {
                                self.throttled.fetch_add(1, Ordering::Relaxed);
                                &mut throttled
                            }
                            500.. => &mut failed,
                            _ => return Err(error),
                        };
                        (pause, response.retry_after, error)
                    }
                },
                Err(
                    error
                    @ (ClientError::Unreachable { .. } | ClientError::Broken { .. } | ClientError::Timeout { .. }),
                ) => (&mut failed, None, error.into()),
                Err(error) => return Err(error.into()),
            };
            let Some(wait) = pause.next(least) else { return Err(error) };
            tokio::time::sleep(wait).await;
        }
    }

    /// Every device of `roll`'s ids that the hub's index has, also beyond the plan's range: its number, and whether it
    /// carries the mark of this fleet.
    pub(super) async fn marked(&self, roll: &Roll) -> Result<Vec<u32>, RegistryError> {
        let (first, last) = roll.ids.bounds();
        let text = enrolment::marks_query(&first, &last);
        let (mut marked, mut continuation) = (Vec::new(), None);
        loop {
            let page = self.send(rest::query(&text, PAGE, continuation.as_deref())).await?;
            if page.status != 200 {
                return Err(refused(&page));
            }
            for (id, mark) in enrolment::marks_page(&page.body)? {
                if let (Some(device), Some(mark)) = (roll.ids.device(&id), mark)
                    && (roll.enrol)(device).map_err(RegistryError::Enrol)?.mark == mark
                {
                    marked.push(device);
                }
            }
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(marked);
            }
        }
    }
}

/// Hands `devices` to `work` in batches, a few of them at once and no faster than `pace` says; `done` is told what came of
/// each, and how many it held. Whoever gives this up leaves nothing under way.
///
/// # Errors
/// The first that one of them ends in.
pub(super) async fn in_batches<T: Send + 'static, F>(
    patient: &Patient,
    roll: &Roll,
    pace: &mut Pace,
    devices: &[u32],
    work: impl Fn(Patient, Vec<Enrolment>) -> F,
    mut done: impl FnMut(T, u32),
) -> Result<(), RegistryError>
where
    F: Future<Output = Result<T, RegistryError>> + Send + 'static,
{
    let mut batches = devices.chunks(pace.batch()).peekable();
    let mut tasks: JoinSet<(Result<T, RegistryError>, u32)> = JoinSet::new();
    loop {
        tokio::select! {
            Some(ended) = tasks.join_next() => match ended {
                Ok((part, count)) => done(part?, count),
                // Nobody aborts these tasks, and a panic in one goes on here.
                Err(error) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            },
            () = pace.ready(), if tasks.len() < IN_FLIGHT && batches.peek().is_some() => {
                let batch = batches.next().unwrap_or_default();
                let enrolments = batch.iter().map(|device| (roll.enrol)(*device)).collect::<Result<Vec<_>, _>>();
                pace.spend(batch.len());
                let (work, count) = (work(patient.clone(), enrolments.map_err(RegistryError::Enrol)?), batch.len() as u32);
                tasks.spawn(async move { (work.await, count) });
            }
            else => return Ok(()),
        }
    }
}

/// What an answer says that should have been another.
pub(super) fn refused(response: &rest::Response) -> RegistryError {
    let message = ServiceError::parse(response.status, &response.body).message;
    RegistryError::Refused { status: response.status, message }
}

/// The waits between attempts.
struct Pause {
    policy: RetryPolicy,
    retrying: Retrying,
    random: Stream,
}

impl Pause {
    fn new(policy: RetryPolicy, salt: usize) -> Self {
        let random = Seed(0).stream(Domain::MethodRetry, salt as u64, 0);
        Self { policy, retrying: Retrying::default(), random }
    }

    /// The next wait, no shorter than `least`; `None` to give up.
    fn next(&mut self, least: Option<Duration>) -> Option<Duration> {
        let failed = Failed { retry_after: least, ..Failed::new(Failure::Transient, Duration::ZERO) };
        self.retrying.next(&self.policy, failed, &mut self.random)
    }
}

/// Spreads identities over time.
pub(super) struct Pace {
    clock: Clock,
    due: Nanos,
    rate: Option<f64>,
}

impl Pace {
    pub(super) fn new(clock: Clock, rate: Option<f64>) -> Self {
        Self { clock, due: clock.now(), rate }
    }

    /// The next batch of identities: some ten seconds' worth of them, and no more than one request may hold.
    fn batch(&self) -> usize {
        self.rate.map_or(rest::BULK_MAX, |rate| ((rate * 10.0).ceil() as usize).clamp(1, rest::BULK_MAX))
    }

    /// Waits until the next batch may go.
    async fn ready(&self) {
        if self.rate.is_some() {
            tokio::time::sleep_until(self.clock.instant(self.due)).await;
        }
    }

    /// So many go now.
    fn spend(&mut self, identities: usize) {
        let Some(rate) = self.rate else { return };
        let spent = Duration::try_from_secs_f64(identities as f64 / rate).unwrap_or(Duration::MAX);
        self.due = self.due.max(self.clock.now()) + spent;
    }
}
