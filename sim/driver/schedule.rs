//! The schedule as a ledger walks it: what is due next, as far as its wave has been released.

use std::iter::Peekable;

use crate::policy::{Arrival, Arrivals};
use crate::time::Nanos;

/// Arrivals, and when their waves are released.
#[derive(Debug)]
pub(super) struct Schedule {
    arrivals: Peekable<Arrivals>,
    /// The waves that were released, in their order; without a roll-out there is a single one.
    released: Vec<Nanos>,
    stopped: bool,
}

impl Schedule {
    /// A schedule of which nothing is released yet.
    pub(super) fn new(arrivals: Arrivals) -> Self {
        Self { arrivals: arrivals.peekable(), released: Vec::new(), stopped: false }
    }

    /// A wave is released at `at`, the first as the load starts; out of its turn it is not. Returns whether it is.
    pub(super) fn release(&mut self, wave: u32, at: Nanos) -> bool {
        let its_turn = self.released.len() == wave as usize;
        if its_turn {
            self.released.push(at);
        }
        its_turn
    }

    /// Nothing more is due.
    pub(super) const fn stop(&mut self) {
        self.stopped = true;
    }

    /// The next arrival.
    pub(super) fn peek(&mut self) -> Option<&Arrival> {
        self.arrivals.peek()
    }

    /// When the wave of the next arrival was released, or is going to be; `None` as long as that is not known,
    /// and after a stop.
    pub(super) fn release_of_next(&mut self) -> Option<Nanos> {
        let wave = self.arrivals.peek().filter(|_| !self.stopped)?.wave;
        self.released.get(wave as usize).copied()
    }

    /// When the next call of an open load is due; `None` as long as that is not known, and after a stop.
    pub(super) fn next_due(&mut self) -> Option<Nanos> {
        let release = self.release_of_next()?;
        self.arrivals.peek().map(|arrival| release + arrival.due)
    }

    /// Takes the next arrival.
    pub(super) fn take(&mut self) -> Option<Arrival> {
        self.arrivals.next()
    }

    /// Takes what is still to come of the waves that were released: when each call is due.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = Nanos> {
        std::iter::from_fn(|| {
            let release = *self.released.get(self.arrivals.peek()?.wave as usize)?;
            self.arrivals.next().map(|arrival| release + arrival.due)
        })
    }

    /// Takes the next arrival if it belongs to `wave`.
    pub(super) fn take_of(&mut self, wave: u32) -> Option<Arrival> {
        self.arrivals.next_if(|arrival| arrival.wave == wave)
    }
}
