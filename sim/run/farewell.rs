//! What is still to be done by a program that leaves at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Deeds, or none. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Farewell(Arc<Mutex<Deeds>>);

/// They are numbered as they are prepared.
#[derive(Default)]
struct Deeds {
    next: u64,
    waiting: BTreeMap<u64, Deed>,
}

type Deed = Box<dyn FnOnce() + Send>;

/// A deed that is to be done. Dropping it means that it is not to be done any more.
#[derive(Debug)]
#[must_use]
pub(super) struct Prepared {
    farewell: Farewell,
    number: u64,
}

impl Farewell {
    /// From now on `deed` is to be done, after those that were prepared before.
    pub(super) fn prepare(&self, deed: impl FnOnce() + Send + 'static) -> Prepared {
        let mut deeds = self.deeds();
        let number = deeds.next;
        deeds.next += 1;
        deeds.waiting.insert(number, Box::new(deed));
        Prepared { farewell: self.clone(), number }
    }

    /// Does all of them, once.
    pub(super) fn say(&self) {
        // Taken out first: what they do may take a while.
        let waiting = std::mem::take(&mut self.deeds().waiting);
        waiting.into_values().for_each(|deed| deed());
    }

    fn deeds(&self) -> MutexGuard<'_, Deeds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let deed = self.farewell.deeds().waiting.remove(&self.number);
        // Outside of the lock: what it holds may be the last of its kind.
        drop(deed);
    }
}

impl fmt::Debug for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Farewell")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deed_is_done_once_in_its_turn_unless_it_was_dropped() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let deed = |word: &'static str| {
            let said = Arc::clone(&said);
            move || said.lock().unwrap().push(word)
        };
        let farewell = Farewell::default();
        farewell.say();
        let first = farewell.prepare(deed("first"));
        let other = farewell.clone().prepare(deed("dropped"));
        let _last = farewell.prepare(deed("last"));
        drop(other);
        farewell.clone().say();
        farewell.say();
        assert_eq!(*said.lock().unwrap(), ["first", "last"]);
        drop(first);
    }
}
