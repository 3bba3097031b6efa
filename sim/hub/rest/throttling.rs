//! What the hub's tier says to a request of a service, and what it bills for it (8).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hyper::Method;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::answer::{Answer, Failure};
use super::router::Service;
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::Refusal;
use crate::hub::room::Room;
use crate::hub::throttle::{Operation, Throttles};
use crate::policy::Admission;
use crate::time::Nanos;

/// Method calls are metered in blocks of so many bytes (8.1).
const METHOD_BLOCK: usize = 4096;

/// Where requests wait for a throttle, each with its body.
pub(super) type Waiting = RefCell<Room>;

/// A request that waits. It also stops waiting if its client goes away.
#[derive(Debug)]
struct Waiter {
    waiting: Rc<Waiting>,
    bytes: usize,
}

impl Waiter {
    fn new(waiting: &Rc<Waiting>, bytes: usize) -> Self {
        waiting.borrow_mut().enter(bytes);
        Self { waiting: Rc::clone(waiting), bytes }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiting.borrow_mut().leave(self.bytes);
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
            let now = self.worker.clock.now();
            if let Some((wait, _waiter)) = admit(throttles, &self.waiting, now, &charge, body.len())? {
                tokio::time::sleep(wait).await;
            }
        }
        self.worker.served(charge.operation, body.len()).await?;
        let answer = self.route(head, segments, body).await;
        if let Some(throttles) = throttles {
            bill(throttles, self.worker.clock.now(), &charge, &answer);
        }
        answer
    }
}

/// What the limits say to a request with a body of so many bytes: how long it waits, and its place meanwhile; `None` if it
/// goes on at once.
fn admit(
    throttles: &Throttles,
    waiting: &Rc<Waiting>,
    now: Nanos,
    charge: &Charge,
    bytes: usize,
) -> Result<Option<(Duration, Waiter)>, Failure> {
    if charge.billed.is_some() && !throttles.has_quota(now) {
        return Err(Refusal::quota_exceeded().into());
    }
    let is_room = waiting.borrow().is_there(bytes);
    match throttles.admit(now, charge.operation, charge.units, is_room) {
        Admission::Now => Ok(None),
        Admission::Delay(wait) => Ok(Some((wait, Waiter::new(waiting, bytes)))),
        Admission::Refuse { room_in } => {
            let refuse = if is_room { Refusal::throttled } else { Refusal::no_room };
            Err(Failure::Throttled(refuse(charge.operation), throttles.retry_after(room_in)))
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
    use jiff::Timestamp;

    use super::*;
    use crate::hub::throttle::HubLimits;
    use crate::policy::Limit;
    use crate::time::WallClock;

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
    fn the_rate_holds_when_there_is_no_room_for_more_and_who_finds_none_is_counted_as_refused() {
        const BODY: usize = 1024 * 1024;
        let limit = Limit { rate: 20.0, burst: 20.0, queue: Duration::from_secs(3600) };
        let limits = HubLimits { throttles: [(Operation::Method, limit)].into(), ..HubLimits::none() };
        let throttles = Throttles::new(Some(limits), WallClock::new(Timestamp::UNIX_EPOCH));
        let (waiting, charge) = (Rc::default(), Charge { operation: Operation::Method, units: 1, billed: None });
        let (mut waiters, mut passed, mut refused) = (Vec::new(), [0; 60], 0);
        // Twice as many as the limit allows. There is room for 64 of them, of which a second brings 20 too many.
        for n in 0..60 * 40_u32 {
            let now = Nanos::ZERO + Duration::from_secs(1) * n / 40;
            waiters.retain(|(at, _): &(Nanos, Waiter)| *at > now);
            match admit(&throttles, &waiting, now, &charge, BODY) {
                Ok(None) => passed[(n / 40) as usize] += 1,
                Ok(Some((wait, waiter))) => {
                    let at = now + wait;
                    if let Some(second) = passed.get_mut(usize::try_from(at.since(Nanos::ZERO).as_secs()).unwrap()) {
                        *second += 1;
                    }
                    waiters.push((at, waiter));
                }
                Err(failure) => {
                    assert!(matches!(failure, Failure::Throttled(Refusal { code, .. }, None)
                        if code == ErrorCode::ThrottleBacklogLimitExceeded));
                    refused += 1;
                }
            }
        }
        assert!(passed[2..].iter().all(|passed| (19..=21).contains(passed)), "{passed:?}");
        let count = &throttles.counts(Nanos::ZERO)[0];
        assert!(refused > 1000, "{refused}");
        assert_eq!((count.admitted, count.refused), (2400 - refused, refused));
    }
}
