//! Who waits for the hub's servers at one worker.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::alarm::Alarm;
use super::servers::{Servers, Turn};
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::Refusal;
use crate::hub::room::Room;
use crate::hub::throttle::Operation;
use crate::measure::ServiceCount;
use crate::time::{Clock, Nanos};

/// The requests of services that wait at a worker. What devices send waits in its partition.
#[derive(Debug)]
pub(in crate::hub) struct ServiceDesk {
    servers: Arc<Servers>,
    waiting: RefCell<Waiting>,
    alarm: Alarm,
}

/// In order of time and then of arrival.
#[derive(Debug, Default)]
struct Waiting {
    requests: BTreeMap<(Nanos, u64), Request>,
    /// For the bytes of their bodies.
    room: Room,
    last: u64,
}

#[derive(Debug)]
struct Request {
    done: oneshot::Sender<()>,
    bytes: usize,
}

impl Waiting {
    fn keep(&mut self, at: Nanos, bytes: usize) -> oneshot::Receiver<()> {
        let (done, is_done) = oneshot::channel();
        self.room.enter(bytes);
        self.last += 1;
        self.requests.insert((at, self.last), Request { done, bytes });
        is_done
    }

    fn take_due(&mut self, now: Nanos) -> Option<Request> {
        let request = self.requests.first_entry().filter(|entry| entry.key().0 <= now)?.remove();
        self.room.leave(request.bytes);
        Some(request)
    }

    fn next_due(&self) -> Nanos {
        self.requests.first_key_value().map_or(Nanos::MAX, |((at, _), _)| *at)
    }
}

impl ServiceDesk {
    /// A desk before `servers`. To be called on the worker's runtime.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub(in crate::hub) fn new(servers: Arc<Servers>) -> io::Result<Self> {
        Ok(Self { servers, waiting: RefCell::default(), alarm: Alarm::new()? })
    }

    /// Waits until a server is done with an operation, whose request has a body of so many bytes.
    ///
    /// # Errors
    /// The hub is too busy, or goes down.
    pub(in crate::hub) async fn serve(&self, clock: Clock, operation: Operation, bytes: usize) -> Result<(), Refusal> {
        if self.servers.serve_it(operation) && !self.waiting.borrow().room.is_there(bytes) {
            self.servers.refuse();
            return Err(Refusal::busy(operation));
        }
        let now = clock.now();
        match self.servers.serve(now, operation) {
            Turn::Unserved => Ok(()),
            Turn::Refused => Err(Refusal::busy(operation)),
            // The work is done for a client that goes away as well.
            Turn::Until(at) => {
                let is_done = self.waiting.borrow_mut().keep(at, bytes);
                self.alarm.ring_by(now, at);
                is_done.await.map_err(|_| Refusal::new(ErrorCode::ServiceUnavailable, "the hub went down"))
            }
        }
    }

    /// Waits until somebody's time may have come, here or in the partition.
    pub(in crate::hub) async fn rings(&self) {
        self.alarm.rings().await;
    }

    /// It is `now`: it is to ring at `at`, if not before.
    pub(in crate::hub) fn ring_by(&self, now: Nanos, at: Nanos) {
        self.alarm.ring_by(now, at);
    }

    /// Lets those go on whose time has come.
    pub(in crate::hub) fn release(&self, now: Nanos) {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(request) = waiting.take_due(now) {
            // Nobody waits any more if the HTTP connection has broken.
            let _ = request.done.send(());
        }
        self.alarm.ring_by(now, waiting.next_due());
    }

    /// What the servers did until `now`, for all workers.
    pub(in crate::hub) fn count(&self, now: Nanos) -> ServiceCount {
        self.servers.count(now)
    }

    /// The hub goes down, and forgets who waits.
    pub(in crate::hub) fn clear(&self, now: Nanos) {
        self.servers.clear(now);
        self.waiting.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_go_on_in_order_of_time_and_make_room() {
        let mut waiting = Waiting::default();
        let _first = waiting.keep(Nanos::new(2), Room::MAX_BYTES - 1);
        let _second = waiting.keep(Nanos::new(1), 1);
        assert!(!waiting.room.is_there(1));
        assert_eq!(waiting.next_due(), Nanos::new(1));
        assert!(waiting.take_due(Nanos::new(1)).is_some() && waiting.take_due(Nanos::new(1)).is_none());
        assert!(waiting.room.is_there(1) && !waiting.room.is_there(2));
    }
}
