//! Connections of which nothing is known yet: no CONNECT, no authorized request. Whoever opens many of them and says
//! nothing must neither take the hub's memory and descriptors nor keep others out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};

use super::warning::Warning;
use crate::time::{Clock, Nanos};

/// How long a stranger may keep a place that others wait for: enough for a handshake and a CONNECT over a poor network.
const GRACE: Duration = Duration::from_secs(1);

/// The strangers of one listener on one worker. While they are as many as may be, accepting waits until one is known,
/// gone, or here for longer than [`GRACE`]: the oldest is turned away then. So a fleet that comes all at once is let in
/// as fast as it introduces itself, and silence holds a place for a second and not for the whole patience.
pub(super) struct Lobby {
    limit: usize,
    clock: Clock,
    strangers: RefCell<BTreeMap<u64, Stranger>>,
    last: Cell<u64>,
    left: Notify,
    full: Warning,
}

struct Stranger {
    since: Nanos,
    task: AbortHandle,
}

/// A stranger's place; it is free again once this is dropped.
pub(super) struct Place {
    lobby: Rc<Lobby>,
    number: u64,
}

impl Lobby {
    /// A lobby for `limit` strangers.
    pub(super) fn new(limit: usize, clock: Clock) -> Rc<Self> {
        Rc::new(Self {
            limit,
            clock,
            strangers: RefCell::default(),
            last: Cell::default(),
            left: Notify::new(),
            full: Warning::default(),
        })
    }

    /// Waits until there is a place. For one waiter, who then lets somebody in.
    pub(super) async fn vacancy(&self) {
        while let Some(since) = self.oldest(self.limit) {
            tokio::select! {
                () = self.left.notified() => {}
                () = tokio::time::sleep_until(self.clock.instant(since + GRACE)) => self.turn_away(),
            }
        }
    }

    /// Turns away all whose grace is over: the hub has run out of descriptors.
    pub(super) fn clear(&self) {
        let now = self.clock.now();
        let is_over = |since: Nanos| since + GRACE <= now;
        while self.oldest(0).is_some_and(is_over) {
            self.turn_away();
        }
    }

    /// Lets a stranger in: `greet` runs until it is over or turned away, and drops its place once the stranger is
    /// known.
    pub(super) fn admit<F: Future<Output = ()> + 'static>(self: &Rc<Self>, greet: impl FnOnce(Place) -> F) {
        let number = self.last.get() + 1;
        self.last.set(number);
        let since = self.clock.now();
        let task = spawn_local(greet(Place { lobby: Rc::clone(self), number })).abort_handle();
        self.strangers.borrow_mut().insert(number, Stranger { since, task });
    }

    /// Since when the oldest is here, if there are `many` or more.
    fn oldest(&self, many: usize) -> Option<Nanos> {
        let strangers = self.strangers.borrow();
        let (_, oldest) = strangers.first_key_value().filter(|_| strangers.len() >= many)?;
        Some(oldest.since)
    }

    fn turn_away(&self) {
        let oldest = self.strangers.borrow_mut().pop_first();
        if let Some((_, stranger)) = oldest {
            stranger.task.abort();
        }
        if let Some(times) = self.full.due(self.clock.now()) {
            let limit = self.limit;
            tracing::warn!(times, limit, "closed connections that said nothing: too many are open");
        }
    }
}

impl Place {
    /// The stranger's greeting goes on in a task of its own, which is turned away as the one before would have been.
    pub(super) fn go_on<F: Future<Output = ()> + 'static>(self, greet: impl FnOnce(Self) -> F) {
        let (lobby, number) = (Rc::clone(&self.lobby), self.number);
        let task = spawn_local(greet(self)).abort_handle();
        if let Some(stranger) = lobby.strangers.borrow_mut().get_mut(&number) {
            stranger.task = task;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lobby.strangers.borrow_mut().remove(&self.number);
        self.lobby.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_lobby_waits_for_places_and_turns_the_oldest_away_after_the_grace() {
        let local = LocalSet::new();
        let story = async {
            let clock = Clock::start();
            let lobby = Lobby::new(2, clock);
            let (known, knowing) = tokio::sync::oneshot::channel::<()>();
            let over = Rc::new(Cell::new(0));
            lobby.vacancy().await;
            let ends = Rc::clone(&over);
            lobby.admit(|place| async move {
                let _place = place;
                let _ = knowing.await;
                ends.set(ends.get() + 1);
            });
            lobby.vacancy().await;
            lobby.admit(|place| async move {
                let _place = place;
                pending().await
            });
            assert_eq!(lobby.strangers.borrow().len(), 2);
            let (_, ()) = tokio::join!(async { known.send(()) }, lobby.vacancy());
            assert_eq!((over.get(), lobby.strangers.borrow().len()), (1, 1), "one has introduced himself");
            lobby.admit(|place| async move {
                let _place = place;
                pending().await
            });
            lobby.vacancy().await;
            let numbers: Vec<u64> = lobby.strangers.borrow().keys().copied().collect();
            assert_eq!(numbers, [3], "the oldest went");
        };
        local.run_until(story).await;
    }
}
