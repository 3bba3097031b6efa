//! Ends everything that goes on over a worker's connections at once: when the hub goes down, nobody is told.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Work that ends when the breaker trips. Connections of devices are none of it: there may be as many as devices, and
/// their outboxes cut them.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    trips: Cell<u64>,
    tripped: Notify,
    running: Cell<usize>,
    ended: Notify,
}

/// Work that has not ended.
struct Running(Rc<Breaker>);

impl Running {
    fn new(breaker: &Rc<Breaker>) -> Self {
        breaker.running.set(breaker.running.get() + 1);
        Self(Rc::clone(breaker))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
        self.0.ended.notify_one();
    }
}

impl Breaker {
    /// `work`, which is dropped where it stands when the breaker trips.
    pub(super) fn guard<F: Future>(self: &Rc<Self>, work: F) -> impl Future<Output = ()> + use<F> {
        let (running, before) = (Running::new(self), self.trips.get());
        async move {
            let breaker = &running.0;
            let tripped = breaker.tripped.notified();
            // It may have tripped before this was polled for the first time.
            if breaker.trips.get() == before {
                tokio::select! {
                    biased;
                    () = tripped => {}
                    _ = work => {}
                }
            }
        }
    }

    /// Ends all that is guarded at present.
    pub(super) fn trip(&self) {
        self.trips.set(self.trips.get() + 1);
        self.tripped.notify_waiters();
    }

    /// Waits until nothing guarded is left. For one waiter.
    pub(super) async fn quiet(&self) {
        while self.running.get() > 0 {
            self.ended.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    #[tokio::test]
    async fn what_is_guarded_ends_with_a_trip_and_what_begins_later_does_not() {
        let story = async {
            let breaker = Rc::<Breaker>::default();
            let polled = spawn_local(breaker.guard(pending::<()>()));
            tokio::task::yield_now().await;
            let unpolled = breaker.guard(pending::<()>());
            breaker.trip();
            polled.await.unwrap();
            unpolled.await;
            breaker.quiet().await;
            let later = spawn_local(breaker.guard(pending::<()>()));
            tokio::task::yield_now().await;
            assert!(!later.is_finished() && breaker.running.get() == 1);
            later.abort();
            breaker.quiet().await;
        };
        LocalSet::new().run_until(story).await;
    }
}
