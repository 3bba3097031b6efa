//! What is watched of a step while it runs: what the machine is used for, and whether it comes to an end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::run::{Status, StopHandle};

/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What of a run is watched. Times count from the beginning of its phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The phase that is measured, as a status calls it.
    pub phase: &'static str,
    /// From when on.
    pub lead: Duration,
    /// For how long.
    pub measure: Duration,
    /// When the phase must be over; what is unfinished then is given up.
    pub end: Duration,
}

/// Watches a run from second to second, as its observer. Clones are the same.
#[derive(Debug, Clone)]
pub struct Probe {
    window: Window,
    stop: StopHandle,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    since: Option<Duration>,
    /// Of all cores, in percent, in each second that was measured: generator, hub.
    cpu: Vec<(f64, Option<f64>)>,
    least_connected: Option<u32>,
    gave_up: bool,
    out_of_time: bool,
}

impl Probe {
    /// One of a run that `stop` stops.
    #[must_use]
    pub fn new(window: Window, stop: StopHandle) -> Self {
        Self { window, stop, seen: Arc::default() }
    }

    /// A second has passed.
    pub fn look(&self, status: &Status) {
        let Window { phase, lead, measure, end } = self.window;
        if status.phase != phase {
            return;
        }
        let mut seen = self.lock();
        let since = *seen.since.get_or_insert(status.elapsed);
        let into = status.elapsed.saturating_sub(since);
        // The second that has just passed belongs to what is measured if all of it does.
        if into >= lead + LOOK && into <= lead + measure + LOOK {
            if let Some(generator) = status.health.generator_cpu {
                seen.cpu.push((generator, status.health.hub_cpu));
            }
            let connected = status.gauges.connected;
            seen.least_connected = Some(seen.least_connected.map_or(connected, |least| least.min(connected)));
        }
        if into > end && !seen.gave_up {
            seen.gave_up = true;
            self.stop.stop();
        }
    }

    /// What generator and embedded hubs used of the machine in the median second, in percent of all cores; `None` if that
    /// was too short to tell.
    #[must_use]
    pub fn cpu_percent(&self) -> Option<f64> {
        let seen = self.lock();
        let mut sums: Vec<f64> = seen.cpu.iter().map(|(generator, hub)| generator + hub.unwrap_or(0.0)).collect();
        sums.sort_by(f64::total_cmp);
        sums.get(sums.len() / 2).copied()
    }

    /// The embedded hubs alone.
    #[must_use]
    pub fn hub_cpu_percent(&self) -> Option<f64> {
        let seen = self.lock();
        let mut hubs: Vec<f64> = seen.cpu.iter().filter_map(|(_, hub)| *hub).collect();
        hubs.sort_by(f64::total_cmp);
        hubs.get(hubs.len() / 2).copied()
    }

    /// Devices connected in the second that was measured in which fewest were.
    #[must_use]
    pub fn least_connected(&self) -> Option<u32> {
        self.lock().least_connected
    }

    /// Whether it stopped the run, as that did not come to an end.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.lock().gave_up
    }

    /// Stops the run, as the search has no time left for it.
    pub(super) fn run_out_of_time(&self) {
        self.lock().out_of_time = true;
        self.stop.stop();
    }

    /// Whether the search had no time left for it.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.lock().out_of_time
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
