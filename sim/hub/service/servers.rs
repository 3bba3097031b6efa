//! The servers of a hub, shared by its workers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::hub::throttle::Operation;
use crate::measure::ServiceCount;
use crate::policy::{Delay, ServiceModel, Station};
use crate::random::{Domain, Seed};
use crate::time::Nanos;

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Turn {
    /// It needs no server.
    Unserved,
    /// A server is done with it at this moment: then it goes on.
    Until(Nanos),
    /// It would have to wait for too long.
    Refused,
}

/// The servers, and what they did. The lock is held for a few instructions.
#[derive(Debug)]
pub(in crate::hub) struct Servers {
    model: ServiceModel,
    seed: Seed,
    /// The hub among those of the run.
    instance: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    station: Station,
    /// Operations that came so far: the n-th has the n-th time of service.
    came: u64,
    first: Option<Nanos>,
    count: ServiceCount,
    waited: Duration,
}

impl Servers {
    /// The servers of `model`, all free. Their times derive from `seed` and the hub's `instance` in the run.
    pub(in crate::hub) fn new(model: ServiceModel, seed: Seed, instance: u64) -> Self {
        let state = State {
            station: Station::new(model.servers),
            came: 0,
            first: None,
            count: ServiceCount { servers: model.servers.into(), ..ServiceCount::default() },
            waited: Duration::ZERO,
        };
        Self { model, seed, instance, state: Mutex::new(state) }
    }

    /// Whether they have a time for such an operation.
    pub(in crate::hub) const fn serve_it(&self, operation: Operation) -> bool {
        self.time_of(operation).is_some()
    }

    /// An operation comes at `now`.
    pub(in crate::hub) fn serve(&self, now: Nanos, operation: Operation) -> Turn {
        self.turn(now, operation, self.model.queue)
    }

    /// The same for one that must not be refused. Whoever asks bounds how many wait.
    pub(in crate::hub) fn serve_patiently(&self, now: Nanos, operation: Operation) -> Turn {
        self.turn(now, operation, Duration::MAX)
    }

    fn turn(&self, now: Nanos, operation: Operation, longest: Duration) -> Turn {
        let Some(time) = self.time_of(operation) else { return Turn::Unserved };
        let mut state = self.state();
        let mut random = self.seed.stream(Domain::ServiceTimes, self.instance, state.came);
        state.came += 1;
        state.first.get_or_insert(now);
        let wait = state.station.wait(now);
        if wait > longest {
            state.count.refused += 1;
            return Turn::Refused;
        }
        state.count.operations += 1;
        state.count.waited += u64::from(!wait.is_zero());
        state.waited = state.waited.saturating_add(wait);
        Turn::Until(state.station.serve(now, time.sample(&mut random)))
    }

    /// An operation came that there is no room for.
    pub(in crate::hub) fn refuse(&self) {
        self.state().count.refused += 1;
    }

    /// Those who are served and who wait are gone: the hub went down.
    pub(in crate::hub) fn clear(&self, now: Nanos) {
        self.state().station.clear(now);
    }

    /// What they did until `now`.
    pub(in crate::hub) fn count(&self, now: Nanos) -> ServiceCount {
        let state = self.state();
        let open = state.first.map_or(Duration::ZERO, |first| now.since(first));
        ServiceCount {
            wait_ms_total: u64::try_from(state.waited.as_millis()).unwrap_or(u64::MAX),
            busy_s: state.station.worked(now).as_secs_f64(),
            server_s: f64::from(self.model.servers) * open.as_secs_f64(),
            ..state.count
        }
    }

    const fn time_of(&self, operation: Operation) -> Option<Delay> {
        match operation {
            Operation::Method => self.model.methods,
            Operation::TwinUpdate => self.model.twin_writes,
            Operation::TwinRead => self.model.twin_reads,
            Operation::Query => self.model.queries,
            _ => None,
        }
    }

    /// What a lock guards is whole at any moment: a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(instance: u64, methods: &str, queue: Duration) -> Servers {
        let model = ServiceModel {
            methods: Some(methods.parse().unwrap()),
            twin_writes: None,
            twin_reads: None,
            queries: None,
            servers: 1,
            queue,
        };
        Servers::new(model, Seed(7), instance)
    }

    fn at(millis: u64) -> Nanos {
        Nanos::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn whoever_would_wait_for_too_long_is_refused_unless_nobody_may_refuse_it() {
        let servers = servers(0, "10ms", Duration::from_millis(15));
        assert_eq!(servers.serve(at(100), Operation::Query), Turn::Unserved);
        assert_eq!(servers.count(at(100)).busy_pct(), None);
        let turns = [(); 4].map(|()| servers.serve(at(100), Operation::Method));
        assert_eq!(turns, [Turn::Until(at(110)), Turn::Until(at(120)), Turn::Refused, Turn::Refused]);
        assert_eq!(servers.serve_patiently(at(100), Operation::Method), Turn::Until(at(130)));
        let count = servers.count(at(140));
        assert_eq!((count.operations, count.waited, count.wait_ms_total, count.refused), (3, 2, 30, 2));
        assert_eq!(count.busy_pct(), Some(75.0), "30 ms of 40");
        servers.refuse();
        servers.clear(at(140));
        assert_eq!(
            (servers.count(at(140)).refused, servers.serve(at(140), Operation::Method)),
            (3, Turn::Until(at(150)))
        );
    }

    #[test]
    fn times_depend_on_seed_hub_and_number_alone() {
        let of = |instance| {
            let servers = servers(instance, "exp 5ms", Duration::MAX);
            [(); 5].map(|()| servers.serve(at(0), Operation::Method))
        };
        assert_eq!(of(0), of(0));
        assert_ne!(of(0), of(1), "two hubs are two draws");
    }
}
