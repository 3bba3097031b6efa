//! Something that happens once, and who waits for it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A latch; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Latch(Arc<(Mutex<bool>, Condvar)>);

/// Opens its latch when it goes, also by a panic.
#[derive(Debug)]
pub(super) struct Opener(Latch);

impl Latch {
    /// Who opens it.
    pub(super) fn opener(&self) -> Opener {
        Opener(self.clone())
    }

    /// Waits until it is open, at most for so long if `patience` says so; whether it is open.
    pub(super) fn wait(&self, patience: Option<Duration>) -> bool {
        let (open, news) = &*self.0;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let shut = |open: &mut bool| !*open;
        match patience {
            Some(patience) => *news.wait_timeout_while(open, patience, shut).unwrap_or_else(PoisonError::into_inner).0,
            None => *news.wait_while(open, shut).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        let (open, news) = &*self.0.0;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        news.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_once_and_for_all_also_by_a_panic() {
        let latch = Latch::default();
        assert!(!latch.wait(Some(Duration::ZERO)));
        let opener = latch.opener();
        let thread = std::thread::spawn(move || {
            let _opener = opener;
            panic!("a panic of a test");
        });
        assert!(latch.wait(None) && latch.clone().wait(Some(Duration::ZERO)));
        assert!(thread.join().is_err());
    }
}
