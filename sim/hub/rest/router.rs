//! Which request goes where.

use std::rc::Rc;
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, IF_MATCH};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::answer::{Answer, Failure};
use super::authorization::Door;
use crate::dialect::azure::ErrorCode;
use crate::hub::config::HubIdentity;
use crate::hub::jobs::JobDesk;
use crate::hub::partition::{Precondition, Refusal};
use crate::hub::tracking::TrackingIds;
use crate::hub::workers::Worker;
use crate::time::Clock;

/// What answers requests on one worker.
pub(in crate::hub) struct Service {
    pub(super) worker: Rc<Worker>,
    pub(super) jobs: JobDesk,
    door: Door,
    clock: Clock,
    tracking: TrackingIds,
}

impl Service {
    /// The service side of the hub `identity`; its error answers go by `tracking`.
    pub(in crate::hub) fn new(
        worker: Rc<Worker>,
        jobs: JobDesk,
        identity: Arc<HubIdentity>,
        clock: Clock,
        tracking: TrackingIds,
    ) -> Self {
        Self { worker, jobs, door: Door::new(identity), clock, tracking }
    }

    /// What a request's head asks for, if it may: the parts of its path, decoded.
    pub(super) fn admit(&self, head: &Parts) -> Result<Vec<String>, Refusal> {
        let segments = segments(head.uri.path().trim_start_matches('/'))?;
        self.door.admit(text(&head.headers, AUTHORIZATION.as_str()), &segments.join("/"), self.wall())?;
        Ok(segments)
    }

    /// The answer to a refused request.
    pub(super) fn refuse(&self, failure: &Failure) -> Answer {
        Answer::refusal(failure, &self.tracking.issue(), self.wall())
    }

    /// The hub's time.
    pub(super) fn wall(&self) -> Timestamp {
        self.clock.wall().at(self.clock.now())
    }

    /// Does what an admitted request asks for at the path of these `segments`.
    pub(super) async fn route(&self, head: &Parts, segments: &[String], body: &[u8]) -> Result<Answer, Failure> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let precondition = || Precondition::parse(text(&head.headers, IF_MATCH.as_str()));
        Ok(match (&head.method, segments.as_slice()) {
            (&Method::GET, ["twins", id]) => self.get_twin(id).await?,
            (&Method::PATCH, ["twins", id]) => self.patch_twin(id, body, precondition()).await?,
            (&Method::PUT, ["twins", id]) => self.replace_twin(id, body, precondition()).await?,
            (&Method::POST, ["twins", id, "methods"]) => self.invoke(id, body).await?,
            (&Method::GET, ["devices"]) => self.list_devices(head.uri.query().unwrap_or_default()).await?,
            (&Method::POST, ["devices"]) => self.bulk(body).await?,
            (&Method::POST, ["devices", "query"]) => self.query(&head.headers, body).await?,
            (&Method::GET, ["jobs", "v2", "query"]) => {
                self.list_jobs(&head.headers, head.uri.query().unwrap_or_default()).await?
            }
            (&Method::PUT, ["jobs", "v2", id]) => self.schedule_job(id, body).await?,
            (&Method::GET, ["jobs", "v2", id]) => self.get_job(id).await?,
            (&Method::POST, ["jobs", "v2", id, "cancel"]) => self.cancel_job(id).await?,
            (&Method::GET, ["devices", id]) => self.get_device(id).await?,
            (&Method::PUT, ["devices", id]) => self.put_device(id, body, precondition()).await?,
            (&Method::DELETE, ["devices", id]) => self.delete_device(id, precondition()).await?,
            (&Method::GET, ["statistics", "devices"]) => self.device_statistics().await?,
            (&Method::GET, ["statistics", "service"]) => self.service_statistics().await?,
            (method, _) => {
                let path = head.uri.path();
                return Err(Failure::NoRoute(format!("this hub does not answer {method} {path}")));
            }
        })
    }
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The parts of a path, decoded. An id may hold `/` in encoded form as little as any other way, so it stays one part.
fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    path.split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8().map(Into::into))
        .collect::<Result<_, _>>()
        .map_err(|_| Refusal::new(ErrorCode::ArgumentInvalid, "the path is not UTF-8"))
}
