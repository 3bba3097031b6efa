//! What the driver's tasks share on their one thread: the ledger, the client, and how actions are carried out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use super::broker::Broker;
use super::client::{Client, ClientError};
use super::config::DriverConfig;
use super::ledger::Ledger;
use super::part::Action;
use super::service::Service;
use super::sighting::UpdateIds;
use crate::dialect::azure::ServiceError;
use crate::dialect::azure::rest::{self, MethodCall};
use crate::dialect::{FIRMWARE_UPDATE, MethodAnswer, TwinReport};
use crate::measure::{LineHealth, MessageCounts, MessageKind, TraceEvent, Truth};
use crate::policy::{DeviceIds, DeviceRange};
use crate::random::Seed;
use crate::time::{Clock, Nanos};

/// How long one of the observer's own requests may take.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(10);
/// Twins that are read at once. Reads beyond that wait; polls beyond that are left out until their next turn.
const READS: usize = 64;
/// How long a call may take beyond what the hub was asked to wait.
const MARGIN: Duration = Duration::from_secs(10);

/// Everything that the tasks share. All of them run on one thread, so nobody ever waits for a borrow; no borrow is
/// held across an await.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ledger: RefCell<Ledger>,
    pub(super) service: Service,
    /// What the devices did, where that is known.
    pub(super) truth: Option<Arc<Truth>>,
    pub(super) clock: Clock,
    pub(super) config: DriverConfig,
    pub(super) ids: DeviceIds,
    pub(super) range: DeviceRange,
    /// Devices in the whole fleet.
    pub(super) devices: u32,
    pub(super) seed: Seed,
    /// Names this run.
    pub(super) run_id: String,
    /// How update ids are written, where calls carry one.
    pub(super) update_ids: Option<UpdateIds>,
    pub(super) reads: Semaphore,
    /// Wakes the main loop when something is due earlier than it waits for.
    pub(super) rearm: Notify,
    /// Wakes the poll loop when devices have come to be observed.
    pub(super) observed: Notify,
    /// What the main loop waits for.
    pub(super) armed: Cell<Nanos>,
    pub(super) finished: tokio::sync::watch::Sender<bool>,
}

/// What a device is told with a call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload<'a> {
    fw_package_uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fw_package_check_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fw_version: Option<&'a str>,
}

/// What is said where the observer was refused as too much before anything was under way.
pub const OBSERVER_THROTTLED: &str = "the hub throttles the observer (429)";

/// Why one of the observer's own requests brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// 429.
    #[error("{OBSERVER_THROTTLED}")]
    Throttled(Option<Duration>),
    /// Any other status.
    #[error("the hub answered the observer with {status}: {message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The hub's words.
        message: String,
    },
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer could not be read.
    #[error("the hub's answer is unreadable: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl Shared {
    /// A semaphore for [`Shared::reads`].
    pub(super) const fn read_permits() -> Semaphore {
        Semaphore::const_new(READS)
    }

    /// Changes the ledger, carries out what it asks for, and gives what `change` gave.
    pub(super) fn apply<T>(self: &Rc<Self>, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger.borrow_mut();
        let changed = change(&mut ledger);
        while let Some(action) = ledger.next_action() {
            let shared = Rc::clone(self);
            match action {
                Action::Call(device) => drop(tokio::task::spawn_local(shared.call(device))),
                Action::Job(number, devices) => drop(tokio::task::spawn_local(shared.call_by_job(number, devices))),
                Action::Read(device, number) => drop(tokio::task::spawn_local(shared.read(device, number))),
            }
        }
        if ledger.wake().is_some_and(|wake| wake < self.armed.get()) {
            self.rearm.notify_one();
        }
        if ledger.has_observed() {
            self.observed.notify_one();
        }
        if ledger.is_finished() {
            self.finished.send_if_modified(|finished| !std::mem::replace(finished, true));
        }
        changed
    }

    /// Calls `firmwareUpdate` on `device`.
    async fn call(self: Rc<Self>, device: u32) {
        let number = self.ledger.borrow().number(device);
        let answer = match &self.service {
            Service::Rest(client) => {
                let request = rest::invoke_method(&self.ids.id(device), &self.method_call(number));
                let limit = self.config.response_timeout + self.config.connect_timeout + MARGIN;
                if !self.apply(|ledger| ledger.sent(self.clock.now(), device)) {
                    return;
                }
                match client.send(request, limit).await {
                    Ok(response) => rest::method_answer(&response),
                    Err(error) => unanswered(error),
                }
            }
            Service::Broker(broker) => {
                // Texts cannot fail to become JSON.
                let payload = serde_json::to_vec(&self.payload(number)).unwrap_or_default();
                if !self.apply(|ledger| ledger.sent(self.clock.now(), device)) {
                    return;
                }
                broker.call(&self, device, payload).await
            }
        };
        let now = self.clock.now();
        self.apply(|ledger| ledger.answered(now, device, &answer));
    }

    /// The call for update `number`: the tutorial's payload, and what this run adds to it.
    pub(super) fn method_call(&self, number: Option<u64>) -> MethodCall<Payload<'_>> {
        MethodCall {
            method_name: FIRMWARE_UPDATE.to_owned(),
            payload: self.payload(number),
            response_timeout_in_seconds: self.config.response_timeout.as_secs(),
            connect_timeout_in_seconds: self.config.connect_timeout.as_secs(),
        }
    }

    fn payload(&self, number: Option<u64>) -> Payload<'_> {
        let update_id = self.update_ids.as_ref().and_then(|ids| Some(ids.id(number?)));
        let DriverConfig { package_uri: fw_package_uri, package_check, version, .. } = &self.config;
        let (fw_package_check_value, fw_version) = (package_check.as_deref(), version.as_deref());
        Payload { fw_package_uri, fw_package_check_value, update_id, fw_version }
    }

    /// The broker, if devices are reached over one.
    pub(super) fn broker(&self) -> Option<&Broker> {
        match &self.service {
            Service::Broker(broker) => Some(broker),
            Service::Rest(_) => None,
        }
    }

    /// Counts what became of messages.
    pub(super) fn messages(&self, kind: MessageKind, count: impl FnOnce(&mut MessageCounts)) {
        count(self.ledger.borrow_mut().scribe().recorder().messages(kind));
    }

    /// Counts a call that was given up because the broker did not tell that its device is connected.
    pub(super) fn unheard(&self) {
        self.ledger.borrow_mut().scribe().recorder().counters().unheard += 1;
    }

    /// Notes what the line of this name did.
    pub(super) fn line(&self, name: &str, note: impl FnOnce(&mut LineHealth)) {
        note(self.ledger.borrow_mut().scribe().recorder().line(name));
    }

    /// Sends a request to the hub's REST side.
    pub(super) async fn send(&self, request: rest::Request, limit: Duration) -> Result<rest::Response, ClientError> {
        match &self.service {
            Service::Rest(client) => client.send(request, limit).await,
            Service::Broker(_) => Err(ClientError::Address("a plain broker has none")),
        }
    }

    /// Reads the twin of `device` because its update of that number asks for it.
    async fn read(self: Rc<Self>, device: u32, number: u64) {
        let twin = match self.reads.acquire().await {
            Ok(_permit) => self.twin(device).await,
            Err(_) => return,
        };
        let now = self.clock.now();
        self.apply(|ledger| ledger.read(now, device, number, twin.as_ref()));
    }

    /// Reads the twin of `device`; `None` if that fails, which is counted.
    pub(super) async fn twin(&self, device: u32) -> Option<TwinReport> {
        if let Some(broker) = self.broker() {
            let twin = broker.twin(device, &self.ids);
            if twin.is_none() {
                self.ledger.borrow_mut().scribe().recorder().counters().observer_errors += 1;
            }
            return twin;
        }
        let response = self.observe(rest::get_twin(&self.ids.id(device))).await.ok()?;
        let now = self.clock.now();
        if self.ledger.borrow_mut().scribe().follows(device) {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            self.ledger.borrow_mut().scribe().note(device, now, || TraceEvent::TwinRead(text));
        }
        match rest::twin(&response.body) {
            Ok(report) => Some(report),
            Err(_) => {
                self.ledger.borrow_mut().scribe().recorder().counters().observer_errors += 1;
                None
            }
        }
    }

    /// Sends one of the observer's own requests and counts how it went.
    pub(super) async fn observe(&self, request: rest::Request) -> Result<rest::Response, ReadError> {
        let answer = match &self.service {
            Service::Rest(client) => fetch(client, request).await,
            Service::Broker(_) => self.send(request, READ_LIMIT).await.map_err(ReadError::Client),
        };
        let mut ledger = self.ledger.borrow_mut();
        let counters = ledger.scribe().recorder().counters();
        counters.observer_requests += 1;
        match &answer {
            Ok(_) => {}
            Err(ReadError::Throttled(_)) => counters.observer_throttled += 1,
            Err(_) => counters.observer_errors += 1,
        }
        answer
    }
}

/// What it means for a call that a request brought no answer.
pub(super) fn unanswered(error: ClientError) -> MethodAnswer {
    match error {
        ClientError::Timeout { .. } => MethodAnswer::ClientTimeout,
        ClientError::Broken { .. } => MethodAnswer::Broken { reason: error.to_string() },
        // Nothing has left this process.
        _ => MethodAnswer::Unreachable { reason: error.to_string() },
    }
}

/// Sends a request that must be answered with 200.
pub(super) async fn fetch(client: &Client, request: rest::Request) -> Result<rest::Response, ReadError> {
    let response = client.send(request, READ_LIMIT).await?;
    match response.status {
        200 => Ok(response),
        429 => Err(ReadError::Throttled(response.retry_after)),
        status => {
            let message = ServiceError::parse(status, &response.body).in_words();
            Err(ReadError::Status { status, message })
        }
    }
}
