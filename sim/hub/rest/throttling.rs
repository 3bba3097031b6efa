//! What the hub's tier says to a request of a service, and what it bills for it (8).

use std::cell::Cell;
use std::rc::Rc;

use hyper::Method;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::answer::{Answer, Failure};
use super::router::Service;
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::Refusal;
use crate::hub::throttle::{Operation, Throttles};
use crate::policy::Admission;
use crate::time::Nanos;

/// Requests of one worker that may wait for a throttle, each with its body.
const MAX_WAITING: usize = 1024;
/// Method calls are metered in blocks of so many bytes (8.1).
const METHOD_BLOCK: usize = 4096;

/// Counts the requests that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(Cell<usize>);

/// A request that waits. It also stops waiting if its client goes away.
struct Waiter(Rc<Waiting>);

impl Waiter {
    fn new(waiting: &Rc<Waiting>) -> Option<Self> {
        let count = waiting.0.get();
        (count < MAX_WAITING).then(|| {
            waiting.0.set(count + 1);
            Self(Rc::clone(waiting))
        })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}

/// What a request is to the throttles.
#[derive(Debug, PartialEq, Eq)]
struct Charge {
    operation: Operation,
    units: u32,
    /// Bytes of it that are billed; `None` if it is free, and so is its answer.
    billed: Option<usize>,
}

impl Service {
    /// Does what a request asks for once the hub's limits allow it and its servers are done with it. Without any that is
    /// at once.
    pub(super) async fn throttled(&self, head: &Parts, segments: &[String], body: &[u8]) -> Result<Answer, Failure> {
        let throttles = self.worker.throttles.in_force();
        if throttles.is_none() && !self.worker.has_servers() {
            return self.route(head, segments, body).await;
        }
        let segments_of: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some(charge) = charge(&head.method, &segments_of, body) else {
            return self.route(head, segments, body).await;
        };
        if let Some(throttles) = throttles {
            self.admit_charge(throttles, self.worker.clock.now(), &charge).await?;
        }
        self.worker.served(charge.operation, body.len()).await?;
        let answer = self.route(head, segments, body).await;
        if let Some(throttles) = throttles {
            bill(throttles, self.worker.clock.now(), &charge, &answer);
        }
        answer
    }

    async fn admit_charge(&self, throttles: &Throttles, now: Nanos, charge: &Charge) -> Result<(), Failure> {
        if charge.billed.is_some() && !throttles.has_quota(now) {
            return Err(Refusal::quota_exceeded().into());
        }
        match throttles.admit(now, charge.operation, charge.units) {
            Admission::Now => Ok(()),
            Admission::Delay(wait) => {
                let Some(_waiter) = Waiter::new(&self.waiting) else {
                    let message = format!("{MAX_WAITING} requests wait already: try again later");
                    let refusal = Refusal::new(ErrorCode::ThrottleBacklogLimitExceeded, message);
                    return Err(Failure::Throttled(refusal, throttles.retry_after(wait)));
                };
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Admission::Refuse { room_in } => {
                let refusal = Refusal::throttled(charge.operation);
                Err(Failure::Throttled(refusal, throttles.retry_after(room_in)))
            }
        }
    }
}

/// The kind of a request, told by its method and its path; `None` if it is none that has a limit.
pub(super) fn operation_of(method: &Method, path: &str) -> Option<Operation> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    operation(method, &segments)
}

fn operation(method: &Method, segments: &[&str]) -> Option<Operation> {
    Some(match segments {
        ["devices", "query"] => Operation::Query,
        ["devices", _, "applyConfigurationContent"] | ["configurations", ..] => Operation::Configuration,
        ["devices", ..] => Operation::Registry,
        ["twins", .., "methods"] | ["digitaltwins", .., "commands", _] => Operation::Method,
        ["twins" | "digitaltwins", ..] if *method == Method::GET => Operation::TwinRead,
        ["twins" | "digitaltwins", ..] => Operation::TwinUpdate,
        ["jobs", ..] => Operation::Job,
        _ => return None,
    })
}

/// What a request is charged as; `None` if nothing limits it.
fn charge(method: &Method, segments: &[&str], body: &[u8]) -> Option<Charge> {
    let operation = operation(method, segments)?;
    let (units, billed) = match operation {
        Operation::Registry if *method == Method::POST => (items(body), None),
        Operation::Method => {
            let bytes = payload(body);
            (u32::try_from(bytes.div_ceil(METHOD_BLOCK).max(1)).unwrap_or(u32::MAX), Some(bytes))
        }
        Operation::TwinUpdate => (1, Some(body.len())),
        Operation::Query | Operation::TwinRead => (1, Some(0)),
        _ => (1, None),
    };
    Some(Charge { operation, units, billed })
}

/// Bills a request and its answer.
fn bill(throttles: &Throttles, now: Nanos, charge: &Charge, answer: &Result<Answer, Failure>) {
    let Some(asked) = charge.billed else { return };
    match (charge.operation, answer) {
        (Operation::Method, Ok(answer)) => {
            throttles.bill(now, asked);
            throttles.bill(now, answer.body.len());
        }
        // A call that no device answers costs the request and one message more.
        (Operation::Method, Err(Failure::Method(refusal)))
            if matches!(refusal.refusal.code, ErrorCode::DeviceNotOnline | ErrorCode::GatewayTimeout) =>
        {
            throttles.bill(now, asked);
            throttles.bill(now, 0);
        }
        (Operation::TwinUpdate, Ok(_)) => throttles.bill(now, asked),
        (_, Ok(answer)) => throttles.bill(now, answer.body.len()),
        (_, Err(_)) => {}
    }
}

/// How many identities a bulk request holds.
fn items(body: &[u8]) -> u32 {
    let items: Vec<IgnoredAny> = serde_json::from_slice(body).unwrap_or_default();
    u32::try_from(items.len().max(1)).unwrap_or(u32::MAX)
}

/// The size of a call's payload, in bytes.
fn payload(body: &[u8]) -> usize {
    #[derive(Deserialize)]
    struct Call<'a> {
        #[serde(borrow)]
        payload: Option<&'a RawValue>,
    }
    serde_json::from_slice(body).map_or(0, |call: Call<'_>| call.payload.map_or(0, |payload| payload.get().len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_charged_as_what_it_is() {
        use Operation::{Configuration, Job, Method as Call, Query, Registry, TwinRead, TwinUpdate};
        let call = format!(r#"{{"methodName":"m","payload":"{}"}}"#, "x".repeat(4095));
        for (method, path, body, operation, units, billed) in [
            (Method::GET, "devices", "", Registry, 1, None),
            (Method::POST, "devices", r#"[{"id":"a"},{"id":"b"},{"id":"c"}]"#, Registry, 3, None),
            (Method::POST, "devices", "[", Registry, 1, None),
            (Method::PUT, "devices/d/modules/m", "{}", Registry, 1, None),
            (Method::POST, "devices/query", "{}", Query, 1, Some(0)),
            (Method::POST, "devices/d/applyConfigurationContent", "{}", Configuration, 1, None),
            (Method::PUT, "configurations/c", "{}", Configuration, 1, None),
            (Method::GET, "twins/d", "", TwinRead, 1, Some(0)),
            (Method::PATCH, "twins/d/modules/m", "{\"a\":1}", TwinUpdate, 1, Some(7)),
            (Method::POST, "twins/d/methods", r#"{"methodName":"m"}"#, Call, 1, Some(0)),
            (Method::POST, "twins/d/methods", call.as_str(), Call, 2, Some(4097)),
            (Method::POST, "twins/d/modules/m/methods", "{}", Call, 1, Some(0)),
            (Method::GET, "jobs/v2/query", "", Job, 1, None),
        ] {
            let segments: Vec<&str> = path.split('/').collect();
            let expected = Charge { operation, units, billed };
            assert_eq!(charge(&method, &segments, body.as_bytes()), Some(expected), "{method} {path}");
        }
        assert_eq!(charge(&Method::GET, &["statistics", "devices"], b""), None);
    }

    #[test]
    fn no_more_wait_than_may_and_who_goes_makes_room() {
        let waiting = Rc::<Waiting>::default();
        let mut waiters: Vec<_> = (0..MAX_WAITING).filter_map(|_| Waiter::new(&waiting)).collect();
        assert!(Waiter::new(&waiting).is_none());
        waiters.pop();
        assert!(Waiter::new(&waiting).is_some());
    }
}
