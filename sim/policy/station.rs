//! Servers with one queue before them: whoever comes waits until one is free, in the order in which they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::time::Nanos;

/// The servers, by when each is free. It reckons with exact times: that whoever waits is woken a little late makes
/// nothing later that comes after.
#[derive(Debug, Clone)]
pub struct Station {
    free_at: BinaryHeap<Reverse<Nanos>>,
    /// Time of service given to all that came.
    given: Duration,
}

impl Station {
    /// As many `servers`, one at least, all free.
    #[must_use]
    pub fn new(servers: u32) -> Self {
        let free_at = (0..servers.max(1)).map(|_| Reverse(Nanos::ZERO)).collect();
        Self { free_at, given: Duration::ZERO }
    }

    /// How long whoever comes at `now` waits for a server.
    #[must_use]
    pub fn wait(&self, now: Nanos) -> Duration {
        self.free_at.peek().map_or(Duration::ZERO, |Reverse(free)| free.since(now))
    }

    /// Somebody comes at `now`, waits for a server and keeps it for `service`: when that is over.
    pub fn serve(&mut self, now: Nanos, service: Duration) -> Nanos {
        let Some(mut first) = self.free_at.peek_mut() else { return now + service };
        let done = first.0.max(now) + service;
        *first = Reverse(done);
        self.given = self.given.saturating_add(service);
        done
    }

    /// How long its servers have worked until `now`, all together; nobody has come later than that.
    #[must_use]
    pub fn worked(&self, now: Nanos) -> Duration {
        // A server is busy without a pause until it is free.
        let to_come = self.free_at.iter().map(|Reverse(free)| free.since(now)).sum();
        self.given.saturating_sub(to_come)
    }

    /// All servers are free at once: who waited has gone.
    pub fn clear(&mut self, now: Nanos) {
        self.given = self.worked(now);
        let servers = self.free_at.len();
        self.free_at = std::iter::repeat_n(Reverse(Nanos::ZERO), servers).collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Nanos {
        Nanos::ZERO + Duration::from_millis(millis)
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn whoever_comes_waits_for_the_first_server_that_is_free() {
        let mut station = Station::new(2);
        assert_eq!((station.serve(at(10), ms(5)), station.serve(at(10), ms(20))), (at(15), at(30)));
        assert_eq!((station.wait(at(10)), station.serve(at(10), ms(5))), (ms(5), at(20)));
        assert_eq!((station.worked(at(10)), station.worked(at(20)), station.worked(at(25))), (ms(0), ms(20), ms(25)));
        assert_eq!((station.wait(at(25)), station.serve(at(25), ms(1))), (ms(0), at(26)));
        assert_eq!((station.worked(at(25)), station.worked(at(99))), (ms(25), ms(31)));
        station.serve(at(100), ms(1000));
        station.clear(at(110));
        assert_eq!((station.wait(at(110)), station.worked(at(110))), (ms(0), ms(41)), "what was not done is not given");
        assert_eq!(Station::new(0).serve(at(1), ms(1)), at(2));
    }

    proptest! {
        #[test]
        fn no_more_are_served_at_once_than_there_are_servers_nobody_begins_early_and_no_server_idles(
            servers in 1..5_u32,
            arrivals in prop::collection::vec((0..30_u64, 0..60_u64), 1..120),
        ) {
            let mut station = Station::new(servers);
            let (mut now, mut begun) = (0, Vec::<(Nanos, Nanos, Nanos)>::new());
            for (gap, service) in arrivals {
                now += gap;
                let wait = station.wait(at(now));
                let done = station.serve(at(now), ms(service));
                let began = at(now) + wait;
                prop_assert_eq!(done, began + ms(service), "the service is what was drawn");
                if let Some((_, last, _)) = begun.last() {
                    prop_assert!(*last <= began, "nobody overtakes");
                }
                begun.push((at(now), began, done));
            }
            for (came, began, _) in &begun {
                let busy = |moment: Nanos| {
                    begun.iter().filter(|(_, began, done)| *began <= moment && moment < *done).count()
                };
                prop_assert!(busy(*began) <= servers as usize);
                if came < began {
                    // Just before it began, every server was at work.
                    prop_assert_eq!(busy(*began - Duration::from_nanos(1)), servers as usize);
                }
            }
            let until = begun.iter().map(|(_, _, done)| *done).max().unwrap_or_default();
            for moment in [at(now), until] {
                let worked: Duration = begun.iter().map(|(_, began, done)| moment.min(*done).since(*began)).sum();
                prop_assert_eq!(station.worked(moment), worked);
            }
        }
    }
}
