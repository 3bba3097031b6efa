//! What is still to be done by a program that leaves at once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// One deed, or none. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Farewell(Arc<Mutex<Option<Deed>>>);

type Deed = Box<dyn FnOnce() + Send>;

impl Farewell {
    /// From now on `deed` is to be done, instead of what was to be done before.
    pub(super) fn prepare(&self, deed: impl FnOnce() + Send + 'static) {
        self.replace(Some(Box::new(deed)));
    }

    /// From now on nothing is to be done.
    pub(super) fn forget(&self) {
        self.replace(None);
    }

    /// Does it, once.
    pub(super) fn say(&self) {
        // Taken out first: what it does may take a while.
        if let Some(deed) = self.replace(None) {
            deed();
        }
    }

    fn replace(&self, deed: Option<Deed>) -> Option<Deed> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), deed)
    }
}

impl fmt::Debug for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Farewell")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn it_is_said_once_unless_forgotten() {
        let said = Arc::new(AtomicU32::new(0));
        let count = || {
            let said = Arc::clone(&said);
            move || _ = said.fetch_add(1, Ordering::Relaxed)
        };
        let farewell = Farewell::default();
        farewell.say();
        farewell.prepare(count());
        let other = farewell.clone();
        other.say();
        farewell.say();
        assert_eq!(said.load(Ordering::Relaxed), 1);
        farewell.prepare(count());
        other.forget();
        farewell.say();
        assert_eq!(said.load(Ordering::Relaxed), 1);
    }
}
