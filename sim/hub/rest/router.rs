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
use super::images::Sending;
use super::throttling::Waiting;
use super::{configurations, exports, feedback};
use crate::dialect::azure::ErrorCode;
use crate::hub::identity::HubIdentity;
use crate::hub::jobs::JobDesk;
use crate::hub::partition::{Precondition, Refusal};
use crate::hub::tracking::TrackingIds;
use crate::hub::workers::Worker;
use crate::time::Clock;

/// What answers requests on one worker.
pub(in crate::hub) struct Service {
    pub(super) worker: Rc<Worker>,
    pub(super) jobs: JobDesk,
    pub(super) waiting: Rc<Waiting>,
    pub(super) sending: Rc<Sending>,
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
        Self {
            worker,
            jobs,
            waiting: Rc::default(),
            sending: Rc::default(),
            door: Door::new(identity),
            clock,
            tracking,
        }
    }

    /// What a request's head asks for, if it may: the parts of its path, decoded.
    pub(super) fn admit(&self, head: &Parts) -> Result<Vec<String>, Refusal> {
        // The Node SDK lists devices at `/devices/`.
        let segments = segments(head.uri.path().trim_matches('/'))?;
        let token = text(&head.headers, AUTHORIZATION.as_str());
        self.door.admit(token, &head.method, &parts(&segments), self.wall())?;
        Ok(segments)
    }

    /// The answer to a refused request.
    pub(super) fn refuse(&self, failure: &Failure) -> Answer {
        Answer::refusal(failure, &self.tracking.issue(), self.wall())
    }

    /// A name for an answer that was not there before.
    pub(super) fn issue(&self) -> String {
        self.tracking.issue()
    }

    /// The hub's time.
    pub(super) fn wall(&self) -> Timestamp {
        self.clock.wall().at(self.clock.now())
    }

    /// Does what an admitted request asks for at the path of these `segments`.
    pub(super) async fn route(&self, head: &Parts, segments: &[String], body: &[u8]) -> Result<Answer, Failure> {
        let segments = parts(segments);
        let query = head.uri.query().unwrap_or_default();
        let precondition = || Precondition::parse(text(&head.headers, IF_MATCH.as_str()));
        Ok(match (&head.method, segments.as_slice()) {
            (&Method::GET, ["twins", id]) => self.get_twin(id).await?,
            (&Method::PATCH, ["twins", id]) => self.patch_twin(id, body, precondition()).await?,
            (&Method::PUT, ["twins", id]) => self.replace_twin(id, body, precondition()).await?,
            (&Method::POST, ["twins", id, "methods"]) => self.invoke(id, body).await?,
            (&Method::GET, ["twins", device, "modules", module]) => self.get_twin(&module_id(device, module)).await?,
            (&Method::PATCH, ["twins", device, "modules", module]) => {
                self.patch_twin(&module_id(device, module), body, precondition()).await?
            }
            (&Method::PUT, ["twins", device, "modules", module]) => {
                self.replace_twin(&module_id(device, module), body, precondition()).await?
            }
            (&Method::POST, ["twins", device, "modules", module, "methods"]) => {
                self.invoke(&module_id(device, module), body).await?
            }
            (&Method::GET, ["devices"]) => self.list_devices(query).await?,
            (&Method::POST, ["devices"]) => self.bulk(body).await?,
            (&Method::POST, ["devices", "query"]) => self.query(&head.headers, body).await?,
            (&Method::GET, ["jobs", "v2", "query"]) => self.list_jobs(&head.headers, query).await?,
            (&Method::PUT, ["jobs", "v2", id]) => self.schedule_job(id, body).await?,
            (&Method::GET, ["jobs", "v2", id]) => self.get_job(id).await?,
            (&Method::POST, ["jobs", "v2", id, "cancel"]) => self.cancel_job(id).await?,
            (&Method::GET, ["devices", id]) => self.get_device(id).await?,
            (&Method::PUT, ["devices", id]) => self.put_device(id, body, precondition()).await?,
            (&Method::DELETE, ["devices", id]) => self.delete_device(id, precondition()).await?,
            (&Method::DELETE, ["devices", id, "commands"]) => self.purge(id).await?,
            (&Method::GET, ["devices", device, "modules"]) => self.list_modules(device).await?,
            (&Method::GET, ["devices", device, "modules", module]) => self.get_module(device, module).await?,
            (&Method::PUT, ["devices", device, "modules", module]) => {
                self.put_module(device, module, body, precondition()).await?
            }
            (&Method::DELETE, ["devices", device, "modules", module]) => {
                self.delete_module(device, module, precondition()).await?
            }
            (&Method::POST, ["devices", id, "applyConfigurationContent"]) => self.apply_content(id, body).await?,
            (&Method::GET, ["configurations"]) => self.list_configurations(query).await?,
            (&Method::POST, ["configurations", "testQueries"]) => configurations::test_queries(body)?,
            (&Method::GET, ["configurations", id]) => self.get_configuration(id).await?,
            (&Method::PUT, ["configurations", id]) => self.put_configuration(id, body, precondition()).await?,
            (&Method::DELETE, ["configurations", id]) => self.delete_configuration(id, precondition()).await?,
            (&Method::GET, ["digitaltwins", id]) => self.get_digital_twin(id).await?,
            (&Method::PATCH, ["digitaltwins", id]) => self.patch_digital_twin(id, body, precondition()).await?,
            (&Method::POST, ["digitaltwins", id, "commands", name]) => {
                self.command(id, None, name, query, body).await?
            }
            (&Method::POST, ["digitaltwins", id, "components", component, "commands", name]) => {
                self.command(id, Some(component), name, query, body).await?
            }
            (&Method::GET, ["messages", "serviceBound", "feedback"]) => feedback::receive(),
            (&Method::DELETE, ["messages", "serviceBound", "feedback", lock])
            | (&Method::POST, ["messages", "serviceBound", "feedback", lock, "abandon"]) => feedback::settle(lock)?,
            (&Method::POST, ["jobs", "create"]) => exports::create()?,
            (&Method::GET, ["jobs"]) => exports::list(),
            (&Method::GET | &Method::DELETE, ["jobs", id]) => exports::find(id)?,
            (&Method::GET, ["statistics", "devices"]) => self.device_statistics().await?,
            (&Method::GET, ["statistics", "service"]) => self.service_statistics().await?,
            (&Method::GET, ["statistics", "telemetry"]) => self.telemetry_statistics().await?,
            (&Method::GET, ["statistics", "telemetry", id]) => self.telemetry_of(id).await?,
            (&Method::GET, ["statistics", "telemetry", device, "modules", module]) => {
                self.telemetry_of(&module_id(device, module)).await?
            }
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

fn parts(segments: &[String]) -> Vec<&str> {
    segments.iter().map(String::as_str).collect()
}

/// The id under which twins and methods of a module are found.
fn module_id(device: &str, module: &str) -> String {
    format!("{device}/{module}")
}

/// The parts of a path, decoded. None may hold `/` in encoded form: no id does, and a device would pass for a module.
fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let refuse = |why: &str| Refusal::new(ErrorCode::ArgumentInvalid, format!("the path {why}"));
    let decode = |segment| match percent_decode_str(segment).decode_utf8() {
        Ok(part) if part.contains('/') => Err(refuse("holds an encoded `/`")),
        Ok(part) => Ok(part.into_owned()),
        Err(_) => Err(refuse("is not UTF-8")),
    };
    path.split('/').map(decode).collect()
}
