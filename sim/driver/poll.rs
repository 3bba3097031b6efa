//! Observing by polling: every device that is updating, each in its own turn.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use super::query::next_turn;
use super::shared::Shared;
use crate::random::Domain;
use crate::time::Nanos;

/// Whose turn is when. A device whose poll is under way has no turn, so that it is never polled twice at once.
#[derive(Debug, Default)]
struct Turns {
    due: BTreeSet<(Nanos, u32)>,
    /// Devices that have a turn or a poll under way.
    members: HashSet<u32>,
}

/// Polls until it is aborted: a device as soon as its method was answered, as the tutorial's loop does, then every
/// interval at a phase of its own, so that the fleet's polls are spread.
pub(super) async fn run(shared: Rc<Shared>) {
    let turns = Rc::new(RefCell::new(Turns::default()));
    loop {
        let next = turns.borrow().due.first().map_or(Nanos::MAX, |&(at, _)| at);
        tokio::select! {
            () = shared.observed.notified() => {
                let now = shared.clock.now();
                let mut turns = turns.borrow_mut();
                while let Some(device) = shared.ledger.borrow_mut().next_observed() {
                    // One that comes back from a read of its twin may have its turn still.
                    if turns.members.insert(device) {
                        turns.due.insert((now, device));
                    }
                }
            }
            () = tokio::time::sleep_until(shared.clock.instant(next)) => {
                let now = shared.clock.now();
                loop {
                    let device = match turns.borrow_mut().due.first() {
                        Some(&(at, device)) if at <= now => device,
                        _ => break,
                    };
                    turns.borrow_mut().due.pop_first();
                    tokio::task::spawn_local(poll(Rc::clone(&shared), Rc::clone(&turns), device));
                }
            }
        }
    }
}

/// Reads one twin and gives its device the next turn. Where as many reads are under way as may be, this turn is left
/// out and counted.
async fn poll(shared: Rc<Shared>, turns: Rc<RefCell<Turns>>, device: u32) {
    if shared.ledger.borrow().is_observed(device) {
        if let Ok(_permit) = shared.reads.try_acquire() {
            if let Some(report) = shared.twin(device).await {
                let now = shared.clock.now();
                shared.apply(|ledger| ledger.look(now, &report));
            }
        } else {
            shared.ledger.borrow_mut().scribe().recorder().counters().observer_left_out += 1;
        }
    }
    let mut turns = turns.borrow_mut();
    if shared.ledger.borrow().is_observed(device) {
        turns.due.insert((turn_after(&shared, device, shared.clock.now()), device));
        // The loop may be waiting for a later turn.
        shared.observed.notify_one();
    } else {
        turns.members.remove(&device);
    }
}

/// The next of a device's turns: its phase in every interval is fixed by the seed.
fn turn_after(shared: &Shared, device: u32, now: Nanos) -> Nanos {
    let interval = shared.config.observe.interval;
    let length = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    let phase = shared.seed.hash(Domain::PollPhase, u64::from(device), 0) % length;
    next_turn(Nanos::new(phase), interval, now)
}
