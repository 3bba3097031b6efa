//! A task's hold on its worker.

use std::rc::Rc;

use super::Worker;

/// A task's hold on its worker: counts it as alive as long as it is there, and notices if it panics: the runtime would
/// catch that in silence.
pub(in crate::device) struct Alive<D>(Rc<Worker<D>>);

impl<D> Alive<D> {
    pub(in crate::device) fn new(worker: Rc<Worker<D>>) -> Self {
        worker.live.set(worker.live.get() + 1);
        Self(worker)
    }

    pub(in crate::device) const fn worker(&self) -> &Rc<Worker<D>> {
        &self.0
    }
}

impl<D> Drop for Alive<D> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.set(true);
        }
        let left = self.0.live.get().saturating_sub(1);
        self.0.live.set(left);
        if left == 0 {
            self.0.drained.notify_one();
        }
    }
}
