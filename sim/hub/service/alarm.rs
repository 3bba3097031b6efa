//! A timer as exact as the kernel's: the runtime's are up to two milliseconds late, which is much beside a service of
//! five.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

use crate::time::Nanos;

/// The timer of one worker.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: AsyncFd<Timer>,
    /// When it rings.
    at: Cell<Nanos>,
}

#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// One that never rings yet. To be called on the runtime that is to hear it.
    ///
    /// # Errors
    /// There are no descriptors left.
    #[expect(deprecated, reason = "its successor is `unsafe`; what it asks for holds: the timer keeps its descriptor")]
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = Timer(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
        Ok(Self { timer: AsyncFd::new(timer)?, at: Cell::new(Nanos::MAX) })
    }

    /// It is `now`: it is to ring at `at`, if not before.
    pub(super) fn ring_by(&self, now: Nanos, at: Nanos) {
        if at >= self.at.get() {
            return;
        }
        // No time at all would silence it.
        let pause = TimeSpec::from_duration(at.since(now).max(Duration::from_nanos(1)));
        match self.timer.get_ref().0.set(Expiration::OneShot(pause), TimerSetTimeFlags::empty()) {
            Ok(()) => self.at.set(at),
            Err(error) => tracing::error!(%error, "a timer of the hub cannot be set"),
        }
    }

    /// Waits until it rings.
    pub(super) async fn rings(&self) {
        match self.timer.readable().await {
            // It is told anew each time that it is set.
            Ok(mut ready) => ready.clear_ready(),
            // The runtime ends.
            Err(_) => std::future::pending().await,
        }
        self.at.set(Nanos::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Clock;

    #[tokio::test]
    async fn it_rings_at_the_earliest_moment_that_was_asked_for_and_again_when_asked_again() {
        let (alarm, clock) = (Alarm::new().unwrap(), Clock::start());
        let ms = Duration::from_millis;
        let start = clock.now();
        alarm.ring_by(start, start + Duration::from_secs(600));
        alarm.ring_by(start, start + ms(3));
        alarm.ring_by(start, start + Duration::from_secs(300));
        alarm.rings().await;
        assert!(clock.now() >= start + ms(3), "not before its time");
        let again = clock.now();
        alarm.ring_by(again, start);
        alarm.rings().await;
        alarm.ring_by(clock.now(), again + ms(2));
        alarm.rings().await;
        assert!(clock.now() >= again + ms(2));
    }
}
